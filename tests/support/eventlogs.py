"""Event logs of either format, record by record, with as many banks as a test needs."""

from __future__ import annotations

import struct

from reconciler.attest.eventlog.banks import HASHES, SIZES, digest_of
from tests.support.firmware import EV_NO_ACTION, EV_SEPARATOR

IDS = {"sha1": 4, "sha256": 0xB, "sha384": 0xC, "sha512": 0xD, "sm3_256": 0x12}
ZEROS = bytes(4)


def old(pcr: int = 0, kind: int = EV_SEPARATOR, data: bytes = ZEROS) -> bytes:
    """Return a record of the SHA-1 format, with the digest of its data."""
    return struct.pack("<II20sI", pcr, kind, digest_of(data, bank="sha1"), len(data)) + data


def spec_id(*banks: str, vendor: bytes = b"", uncounted: bool = False) -> bytes:
    """Return the Spec ID record that names ``banks``; its size leaves ``vendor`` out if that is ``uncounted``."""
    named = b"".join(struct.pack("<HH", IDS[bank], SIZES[bank]) for bank in banks)
    body = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 1, 0, 2, 106, 2, len(banks)) + named + bytes([len(vendor)])
    size = len(body) + (0 if uncounted else len(vendor))
    return struct.pack("<II20xI", 0, EV_NO_ACTION, size) + body + vendor


def new(*banks: str, pcr: int = 0, kind: int = EV_SEPARATOR, data: bytes = ZEROS) -> bytes:
    """Return a record of the crypto-agile format, with the digests of its data."""
    digests = b"".join(
        struct.pack("<H", IDS[bank]) + (digest_of(data, bank=bank) if bank in HASHES else bytes(SIZES[bank]))
        for bank in banks
    )
    return struct.pack("<III", pcr, kind, len(banks)) + digests + struct.pack("<I", len(data)) + data


BANKS = ("sha1", "sha256", "sha384", "sha512", "sm3_256")
AGILE = spec_id(*BANKS) + b"".join(new(*BANKS, pcr=pcr) for pcr in range(8))
OLD = b"".join(old(pcr) for pcr in range(8))
