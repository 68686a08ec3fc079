"""Event types of the firmware's log, and which of them may stand in which PCR.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4 (use of PCRs) and 10.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NO_ACTION = 0x00000003
SEPARATOR = 0x00000004
EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
EFI_VARIABLE_BOOT = 0x80000002
EFI_BOOT_SERVICES_APPLICATION = 0x80000003
EFI_ACTION = 0x80000007
EFI_VARIABLE_BOOT2 = 0x8000000C
EFI_HCRTM_EVENT = 0x80000010
EFI_VARIABLE_AUTHORITY = 0x800000E0

NAMES: Mapping[int, str] = MappingProxyType(
    {
        0x00000001: "EV_POST_CODE",
        NO_ACTION: "EV_NO_ACTION",
        SEPARATOR: "EV_SEPARATOR",
        0x00000005: "EV_ACTION",
        0x00000006: "EV_EVENT_TAG",
        0x00000007: "EV_S_CRTM_CONTENTS",
        0x00000008: "EV_S_CRTM_VERSION",
        0x00000009: "EV_CPU_MICROCODE",
        0x0000000A: "EV_PLATFORM_CONFIG_FLAGS",
        0x0000000B: "EV_TABLE_OF_DEVICES",
        0x0000000C: "EV_COMPACT_HASH",
        0x0000000D: "EV_IPL",
        0x0000000E: "EV_IPL_PARTITION_DATA",
        0x0000000F: "EV_NONHOST_CODE",
        0x00000010: "EV_NONHOST_CONFIG",
        0x00000011: "EV_NONHOST_INFO",
        0x00000012: "EV_OMIT_BOOT_DEVICE_EVENTS",
        0x00000013: "EV_POST_CODE2",
        EFI_VARIABLE_DRIVER_CONFIG: "EV_EFI_VARIABLE_DRIVER_CONFIG",
        EFI_VARIABLE_BOOT: "EV_EFI_VARIABLE_BOOT",
        EFI_BOOT_SERVICES_APPLICATION: "EV_EFI_BOOT_SERVICES_APPLICATION",
        0x80000004: "EV_EFI_BOOT_SERVICES_DRIVER",
        0x80000005: "EV_EFI_RUNTIME_SERVICES_DRIVER",
        0x80000006: "EV_EFI_GPT_EVENT",
        EFI_ACTION: "EV_EFI_ACTION",
        0x80000008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
        0x80000009: "EV_EFI_HANDOFF_TABLES",
        0x8000000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
        0x8000000B: "EV_EFI_HANDOFF_TABLES2",
        EFI_VARIABLE_BOOT2: "EV_EFI_VARIABLE_BOOT2",
        0x8000000D: "EV_EFI_GPT_EVENT2",
        EFI_HCRTM_EVENT: "EV_EFI_HCRTM_EVENT",
        EFI_VARIABLE_AUTHORITY: "EV_EFI_VARIABLE_AUTHORITY",
        0x800000E1: "EV_EFI_SPDM_FIRMWARE_BLOB",
        0x800000E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
    }
)
"""The event types that are known, by number."""

FIRMWARE_PCRS = range(8)
"""PCR 0 to 7, which are the firmware's: one separator each, and no unknown events."""

BOOT_PCR = 4
SECURE_BOOT_PCR = 7

_BOOT_TYPES = frozenset({SEPARATOR, 0x00000005, 0x0000000C, 0x00000012, EFI_BOOT_SERVICES_APPLICATION, EFI_ACTION})
_BOOT_DRIVERS = frozenset({0x80000004, 0x80000005})
_SECURE_BOOT_TYPES = frozenset({SEPARATOR, EFI_VARIABLE_DRIVER_CONFIG, EFI_VARIABLE_AUTHORITY, EFI_ACTION})


def name_of_type(event_type: int) -> str:
    """Return the specification's name of ``event_type``, or its number."""
    return NAMES.get(event_type, f"0x{event_type:08x}")


def may_be_in(pcr: int, *, event_type: int) -> bool:
    """Return whether ``event_type`` may be extended into ``pcr``, one of FIRMWARE_PCRS.

    PCR 4 and 7 hold little but what a verdict rests on, so they are narrow; elsewhere any known type will do.
    """
    if pcr == BOOT_PCR:
        return event_type in _BOOT_TYPES | _BOOT_DRIVERS
    if pcr == SECURE_BOOT_PCR:
        return event_type in _SECURE_BOOT_TYPES
    return event_type in NAMES
