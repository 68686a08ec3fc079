"""Event types of the firmware's log, and which of them may stand in which PCR.

Types of other profiles have names too, for people to read; none of them may stand in the
firmware's PCRs.

Sources: TCG PC Client Platform Firmware Profile 1.06, 3.3.4 (use of PCRs) and 10.4; TCG PC
Client Implementation Specification for Conventional BIOS 1.21, 11.3.1; Intel TXT Software
Development Guide, appendix F (event types from 0x400), and the types that Linux adds there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

NO_ACTION = 0x00000003
SEPARATOR = 0x00000004
ACTION = 0x00000005
EVENT_TAG = 0x00000006
S_CRTM_CONTENTS = 0x00000007
S_CRTM_VERSION = 0x00000008
COMPACT_HASH = 0x0000000C
IPL = 0x0000000D
OMIT_BOOT_DEVICE_EVENTS = 0x00000012
EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
EFI_VARIABLE_BOOT = 0x80000002
EFI_BOOT_SERVICES_APPLICATION = 0x80000003
EFI_BOOT_SERVICES_DRIVER = 0x80000004
EFI_RUNTIME_SERVICES_DRIVER = 0x80000005
EFI_GPT_EVENT = 0x80000006
EFI_ACTION = 0x80000007
EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008
EFI_HANDOFF_TABLES = 0x80000009
EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000A
EFI_HANDOFF_TABLES2 = 0x8000000B
EFI_VARIABLE_BOOT2 = 0x8000000C
EFI_GPT_EVENT2 = 0x8000000D
EFI_HCRTM_EVENT = 0x80000010
EFI_VARIABLE_AUTHORITY = 0x800000E0
EFI_SPDM_DEVICE_POLICY = 0x800000E3
EFI_SPDM_DEVICE_AUTHORITY = 0x800000E4

_PROFILE: Mapping[int, str] = MappingProxyType(
    {
        0x00000001: "EV_POST_CODE",
        NO_ACTION: "EV_NO_ACTION",
        SEPARATOR: "EV_SEPARATOR",
        ACTION: "EV_ACTION",
        EVENT_TAG: "EV_EVENT_TAG",
        S_CRTM_CONTENTS: "EV_S_CRTM_CONTENTS",
        S_CRTM_VERSION: "EV_S_CRTM_VERSION",
        0x00000009: "EV_CPU_MICROCODE",
        0x0000000A: "EV_PLATFORM_CONFIG_FLAGS",
        0x0000000B: "EV_TABLE_OF_DEVICES",
        COMPACT_HASH: "EV_COMPACT_HASH",
        IPL: "EV_IPL",
        0x0000000E: "EV_IPL_PARTITION_DATA",
        0x0000000F: "EV_NONHOST_CODE",
        0x00000010: "EV_NONHOST_CONFIG",
        0x00000011: "EV_NONHOST_INFO",
        OMIT_BOOT_DEVICE_EVENTS: "EV_OMIT_BOOT_DEVICE_EVENTS",
        0x00000013: "EV_POST_CODE2",
        EFI_VARIABLE_DRIVER_CONFIG: "EV_EFI_VARIABLE_DRIVER_CONFIG",
        EFI_VARIABLE_BOOT: "EV_EFI_VARIABLE_BOOT",
        EFI_BOOT_SERVICES_APPLICATION: "EV_EFI_BOOT_SERVICES_APPLICATION",
        EFI_BOOT_SERVICES_DRIVER: "EV_EFI_BOOT_SERVICES_DRIVER",
        EFI_RUNTIME_SERVICES_DRIVER: "EV_EFI_RUNTIME_SERVICES_DRIVER",
        EFI_GPT_EVENT: "EV_EFI_GPT_EVENT",
        EFI_ACTION: "EV_EFI_ACTION",
        EFI_PLATFORM_FIRMWARE_BLOB: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
        EFI_HANDOFF_TABLES: "EV_EFI_HANDOFF_TABLES",
        EFI_PLATFORM_FIRMWARE_BLOB2: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
        EFI_HANDOFF_TABLES2: "EV_EFI_HANDOFF_TABLES2",
        EFI_VARIABLE_BOOT2: "EV_EFI_VARIABLE_BOOT2",
        EFI_GPT_EVENT2: "EV_EFI_GPT_EVENT2",
        EFI_HCRTM_EVENT: "EV_EFI_HCRTM_EVENT",
        EFI_VARIABLE_AUTHORITY: "EV_EFI_VARIABLE_AUTHORITY",
        0x800000E1: "EV_EFI_SPDM_FIRMWARE_BLOB",
        0x800000E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
        EFI_SPDM_DEVICE_POLICY: "EV_EFI_SPDM_DEVICE_POLICY",
        EFI_SPDM_DEVICE_AUTHORITY: "EV_EFI_SPDM_DEVICE_AUTHORITY",
    }
)
_OTHERS: Mapping[int, str] = MappingProxyType(
    {
        0x00000000: "EV_PREBOOT_CERT",
        0x00000401: "EVTYPE_PCRMAPPING",
        0x00000402: "EVTYPE_HASH_START",
        0x00000403: "EVTYPE_COMBINED_HASH",
        0x00000404: "EVTYPE_MLE_HASH",
        0x0000040A: "EVTYPE_BIOSAC_REG_DATA",
        0x0000040B: "EVTYPE_CPU_SCRTM_STAT",
        0x0000040C: "EVTYPE_LCP_CONTROL_HASH",
        0x0000040D: "EVTYPE_ELEMENTS_HASH",
        0x0000040E: "EVTYPE_STM_HASH",
        0x0000040F: "EVTYPE_OSSINITDATA_CAP_HASH",
        0x00000410: "EVTYPE_SINIT_PUBKEY_HASH",
        0x00000411: "EVTYPE_LCP_HASH",
        0x00000412: "EVTYPE_LCP_DETAILS_HASH",
        0x00000413: "EVTYPE_LCP_AUTHORITIES_HASH",
        0x00000414: "EVTYPE_NV_INFO_HASH",
        0x000004FF: "EVTYPE_CAP_VALUE",
        0x00000502: "TXT_EVTYPE_SLAUNCH",
        0x00000503: "TXT_EVTYPE_SLAUNCH_START",
        0x00000504: "TXT_EVTYPE_SLAUNCH_END",
    }
)

NAMES: Mapping[int, str] = MappingProxyType({**_PROFILE, **_OTHERS})
"""The event types that have a name, by number."""

UNEXTENDED = frozenset({NO_ACTION, 0x00000401, 0x00000503, 0x00000504})
"""The types that are never extended: EV_NO_ACTION, and marks in the logs of dynamic launches."""

EXIT_BOOT_SERVICES = (b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success")
"""The two actions that PCR 5 is extended by when the firmware hands over for good."""

BOOT_ACTIONS = frozenset(
    {b"Calling EFI Application from Boot Option", b"Returning from EFI Application from Boot Option"}
)
"""The actions of the firmware's boot manager, but for the one that names a boot option."""

_BOOTING_TO = re.compile(rb"Booting to Boot[0-9A-Fa-f]{4} Option")

SECURE_BOOT_ACTIONS = frozenset({b"UEFI Debug Mode", b"DMA Protection Disabled"})
"""The only actions that PCR 7 may hold."""

FIRMWARE_PCRS = range(8)
"""PCR 0 to 7, which are the firmware's: one separator each, and no unknown events."""

BOOT_PCR = 4
SECURE_BOOT_PCR = 7

_BOOT_TYPES = frozenset(
    {
        SEPARATOR,
        ACTION,
        COMPACT_HASH,
        OMIT_BOOT_DEVICE_EVENTS,
        EFI_BOOT_SERVICES_APPLICATION,
        EFI_BOOT_SERVICES_DRIVER,
        EFI_RUNTIME_SERVICES_DRIVER,
        EFI_ACTION,
    }
)
_SECURE_BOOT_TYPES = frozenset(
    {
        SEPARATOR,
        EFI_VARIABLE_DRIVER_CONFIG,
        EFI_VARIABLE_AUTHORITY,
        EFI_ACTION,
        EFI_SPDM_DEVICE_POLICY,
        EFI_SPDM_DEVICE_AUTHORITY,
    }
)


def name_of_type(event_type: int) -> str:
    """Return the specification's name of ``event_type``, or its number."""
    return NAMES.get(event_type, f"0x{event_type:08x}")


def is_boot_action(text: bytes) -> bool:
    """Return whether ``text`` is an action of the firmware's boot manager (8.4.2)."""
    return text in BOOT_ACTIONS or _BOOTING_TO.fullmatch(text) is not None


def may_be_in(pcr: int, *, event_type: int) -> bool:
    """Return whether ``event_type`` may be extended into ``pcr``, one of FIRMWARE_PCRS.

    PCR 4 and 7 hold little but what a verdict rests on, so they are narrow; elsewhere any type of the profile will do.
    """
    if pcr == BOOT_PCR:
        return event_type in _BOOT_TYPES
    if pcr == SECURE_BOOT_PCR:
        return event_type in _SECURE_BOOT_TYPES
    return event_type in _PROFILE
