"""Logs of a few events, for tests of the facts that they prove."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Iterable

from reconciler.attest.eventlog.log import parse_event_log, replay
from reconciler.attest.facts.collect import collect_facts
from reconciler.attest.facts.values import Facts
from reconciler.model.families import Family, Overlay
from tests.support.firmware import EV_IPL, EV_SEPARATOR, LogEvent, encode, hashed, sha256

EV_DRIVER = 0x80000004
EV_AUTHORITY = 0x800000E0
X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
SHA256 = bytes.fromhex("2616c4c14c509240aca941f936934328")
SHIM = bytes.fromhex("50ab5d6046e00043abb63dd810dd8b23")
OWNER = bytes(range(16))
SBAT = b"sbat,1,2023012900\nshim,2\ngrub,3\n"


def separator(pcr: int) -> LogEvent:
    """Return the separator of ``pcr``."""
    return hashed(pcr, EV_SEPARATOR, bytes(4))


def blob(pcr: int, content: str, *, kind: int = EV_IPL, data: bytes = b"path") -> LogEvent:
    """Return an event over ``content`` that is not in the log."""
    return LogEvent(pcr=pcr, type=kind, data=data, digest=sha256(content.encode()))


def digest(content: str) -> str:
    """Return the digest of ``content`` in hexadecimal."""
    return sha256(content.encode()).hex()


def certificate(name: str) -> bytes:
    """Return something with the outer form of a certificate, as far as anybody here looks at it."""
    body = hashlib.shake_256(name.encode()).digest(300)
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def signature_list(kind: bytes, *entries: bytes) -> bytes:
    """Return an EFI_SIGNATURE_LIST of ``entries``, all of one size."""
    size = 16 + len(entries[0])
    head = kind + struct.pack("<III", 28 + size * len(entries), 0, size)
    return head + b"".join(OWNER + entry for entry in entries)


def device_path(file: str) -> bytes:
    """Return a UEFI_IMAGE_LOAD_EVENT for ``file``, on some disk."""
    name = (file + "\0").encode("utf-16-le")
    path = bytes.fromhex("0101060000ff") + struct.pack("<BBH", 4, 4, 4 + len(name)) + name + bytes.fromhex("7fff0400")
    return struct.pack("<QQQQ", 0x1000, 0x2000, 0, len(path)) + path


def partition_table(partitions: int = 2) -> bytes:
    """Return a UEFI_GPT_DATA."""
    header = bytearray(92)
    header[:8] = b"EFI PART"
    header[56:72] = bytes(range(16))
    header[84:88] = (128).to_bytes(4, "little")
    return bytes(header) + struct.pack("<Q", partitions) + bytes(128 * partitions)


def facts_of(
    events: Iterable[LogEvent],
    *,
    family: Family = Family.UEFI,
    overlays: Collection[Overlay] = (),
    quoted: Collection[int] = range(24),
) -> Facts:
    """Return what a log of ``events`` proves."""
    replayed = replay(parse_event_log(encode(events), bank="sha256"))
    return collect_facts(replayed, family=family, overlays=overlays, quoted=quoted, bank="sha256")


def values_of(facts: Facts) -> dict[str, object]:
    """Return the verified facts' values by name."""
    return {name: fact.value for name, fact in facts.found.items() if fact.verified}
