"""What an OVMF-like firmware, systemd-stub and Linux measure, and the event log they leave.

The events follow those of a real boot (Debian's OVMF, systemd-stub 252, Linux 6.1).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from reconciler.model.kinds import Measurements

EV_NO_ACTION = 0x3
EV_SEPARATOR = 0x4
EV_EVENT_TAG = 0x6
EV_S_CRTM_VERSION = 0x8
EV_IPL = 0xD
EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
EV_EFI_VARIABLE_BOOT = 0x80000002
EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003
EV_EFI_ACTION = 0x80000007
EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008

GLOBAL = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
SECURITY_DATABASE = bytes.fromhex("cbb219d73a3d9645a3bcdad00e67656f")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One event: extended into ``pcr`` with ``digest`` unless it is EV_NO_ACTION."""

    pcr: int
    type: int
    data: bytes
    digest: bytes


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest of ``data``."""
    return hashlib.sha256(data).digest()


def hashed(pcr: int, kind: int, data: bytes) -> LogEvent:
    """Return an event whose digest is that of its data."""
    return LogEvent(pcr=pcr, type=kind, data=data, digest=sha256(data))


def variable(name: str, value: bytes, *, guid: bytes = GLOBAL) -> bytes:
    """Return a UEFI_VARIABLE_DATA."""
    return guid + struct.pack("<QQ", len(name), len(value)) + name.encode("utf-16-le") + value


def measurements_of(image: str) -> Measurements:
    """Return measurements as the image called ``image`` would have; equal names, equal measurements."""

    def digest(what: str) -> str:
        return sha256(f"{image} {what}".encode()).hex()

    sections = ("linux", "osrel", "cmdline", "initrd")
    names = [sha256(b"." + section.encode() + b"\0").hex() for section in sections]
    return Measurements(
        pcr4=(digest("uki"), digest("kernel")),
        pcr9=(digest("options"), digest("initrd")),
        pcr11=tuple(text for name, section in zip(names, sections, strict=True) for text in (name, digest(section))),
    )


def firmware_events(firmware: str, *, secure_boot: bool) -> list[LogEvent]:
    """Return what the firmware called ``firmware`` measures before it starts the image."""

    def config(name: str, value: bytes, guid: bytes = GLOBAL) -> LogEvent:
        return hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable(name, value, guid=guid))

    keys = b"key of the owner" if secure_boot else b""
    blob = struct.pack("<QQ", 0x820000, 0xE0000)
    boot_order = bytes.fromhex("010000000200")
    events = [
        hashed(0, EV_S_CRTM_VERSION, b"\0\0"),
        LogEvent(pcr=0, type=EV_EFI_PLATFORM_FIRMWARE_BLOB, data=blob, digest=sha256(firmware.encode())),
        config("SecureBoot", bytes([secure_boot])),
        config("PK", keys),
        config("KEK", keys),
        config("db", keys, SECURITY_DATABASE),
        config("dbx", b"", SECURITY_DATABASE),
        hashed(7, EV_SEPARATOR, bytes(4)),
        LogEvent(pcr=1, type=EV_EFI_VARIABLE_BOOT, data=variable("BootOrder", boot_order), digest=sha256(boot_order)),
        hashed(4, EV_EFI_ACTION, b"Calling EFI Application from Boot Option"),
    ]
    return events + [hashed(pcr, EV_SEPARATOR, bytes(4)) for pcr in range(7)]


def image_events(measurements: Measurements) -> list[LogEvent]:
    """Return what the image, its stub and its kernel measure, in the order of a real boot."""
    loaded = struct.pack("<QQQQ", 0xD0EB018, 15349089, 0, 4) + bytes.fromhex("7fff0400")

    def of(pcr: int, kind: int, data: bytes, digests: Iterable[str]) -> list[LogEvent]:
        return [LogEvent(pcr=pcr, type=kind, data=data, digest=bytes.fromhex(text)) for text in digests]

    apps = of(4, EV_EFI_BOOT_SERVICES_APPLICATION, loaded, measurements.pcr4)
    sections = of(11, EV_IPL, ".section\0".encode("utf-16-le"), measurements.pcr11)
    kernel = of(9, EV_EVENT_TAG, bytes.fromhex("ec223b8f0d0000004c696e757820696e6974726400"), measurements.pcr9)
    leaving = (b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success")
    return [*apps[:1], *sections, *apps[1:], *kernel, *(hashed(5, EV_EFI_ACTION, text) for text in leaving)]


def tamper(measurements: Measurements, pcrs: Collection[int]) -> Measurements:
    """Return ``measurements`` with the first digest of each PCR in ``pcrs`` (4, 9, 11) changed."""
    fields = {f"pcr{pcr}": getattr(measurements, f"pcr{pcr}") for pcr in pcrs}
    changed = {name: (sha256(b"tampered " + name.encode()).hex(), *old[1:]) for name, old in fields.items()}
    return measurements.model_copy(update=changed)


def replay(events: Iterable[LogEvent]) -> dict[int, bytes]:
    """Return the values of PCR 0-23 after ``events``."""
    pcrs = {pcr: b"\xff" * 32 if 17 <= pcr <= 22 else bytes(32) for pcr in range(24)}
    for event in events:
        if event.type != EV_NO_ACTION:
            pcrs[event.pcr] = sha256(pcrs[event.pcr] + event.digest)
        elif event.data.startswith(b"StartupLocality\0"):
            pcrs[0] = bytes(31) + event.data[16:17]
    return pcrs


def encode(events: Iterable[LogEvent]) -> bytes:
    """Return the crypto-agile log of ``events`` (TCG PC Client Platform Firmware Profile, 10.2), SHA-256 only."""
    spec_id = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, 0x000B, 32, 0)
    log = [struct.pack("<II20xI", 0, EV_NO_ACTION, len(spec_id)), spec_id]
    for event in events:
        log.append(struct.pack("<IIIH", event.pcr, event.type, 1, 0x000B) + event.digest)
        log.append(struct.pack("<I", len(event.data)) + event.data)
    return b"".join(log)


def change_digest(event: LogEvent) -> LogEvent:
    """Return ``event`` with one bit of its digest flipped."""
    return replace(event, digest=bytes([event.digest[0] ^ 1]) + event.digest[1:])
