"""EFI signature lists, and the digest by which each of their entries is known.

Bounded by the variable's own size. Certificates are not parsed: one is known by the SHA-256 of its bytes.

Source: UEFI 2.10, 32.4.1 (EFI_SIGNATURE_LIST and EFI_SIGNATURE_DATA).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from reconciler.attest.reader import MalformedError, Reader

_WHAT = "signature list"
_OWNER = 16
_HEADER = 28

_TIME = 16

_HASHES: Mapping[UUID, tuple[int, int]] = MappingProxyType(
    {
        UUID("826ca512-cf10-4ac9-b187-be01496631bd"): (20, 0),  # SHA-1
        UUID("0b6e5233-a65c-44c9-9407-d9ab83bfc8bd"): (28, 0),  # SHA-224
        UUID("c1c41626-504c-4092-aca9-41f936934328"): (32, 0),  # SHA-256
        UUID("ff3e5307-9fd0-48c9-85f1-8ad56c701e01"): (48, 0),  # SHA-384
        UUID("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a"): (64, 0),  # SHA-512
        UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed"): (32, _TIME),  # of a certificate, by SHA-256
        UUID("7076876e-80c2-4ee6-aad2-28b349a6865b"): (48, _TIME),  # by SHA-384
        UUID("446dbf63-2502-4cda-bcfa-2465d2b0fe9d"): (64, _TIME),  # by SHA-512
    }
)
"""How long the hashes of each kind are, and the time of revocation behind them."""


def parse_signature_lists(data: bytes) -> tuple[str, ...]:
    """Return a digest for each entry of the lists in ``data``, in order.

    A hash is its own digest, the time of a revocation left out; anything else, such as a certificate, has its
    SHA-256. MalformedError unless the lists fill ``data`` to the last byte.
    """
    reader = Reader(data, what=_WHAT, byteorder="little")
    found: list[str] = []
    left = len(data)
    while left:
        kind = UUID(bytes_le=reader.take(16))
        size, header, entry = reader.integer(4), reader.integer(4), reader.integer(4)
        body = size - _HEADER - header
        if body < 0 or size > left or entry <= _OWNER or body % entry:
            raise MalformedError(_WHAT, f"says {size} bytes, {header} of them a header, in entries of {entry}")
        reader.take(header)
        found += _digests_of(reader.take(body), entry=entry, kind=kind)
        left -= size
    return tuple(found)


def _digests_of(body: bytes, *, entry: int, kind: UUID) -> list[str]:
    contents = range(_OWNER, len(body), entry)
    length, time = _HASHES.get(kind, (0, 0))
    if not length:
        return [hashlib.sha256(body[at : at + entry - _OWNER]).hexdigest() for at in contents]
    if entry != _OWNER + length + time:
        raise MalformedError(_WHAT, f"has hashes of {entry - _OWNER} bytes")
    return [body[at : at + length].hex() for at in contents]


def digest_of_authority(content: bytes) -> str | None:
    """Return the digest of the one entry that vouched for something, or nothing if ``content`` is no such entry.

    It is a certificate or a SHA-256 hash behind its owner's GUID, or, as shim measures its own, a certificate alone.
    """
    for start in (_OWNER, 0):
        if _is_certificate(content[start:]):
            return hashlib.sha256(content[start:]).hexdigest()
    return content[_OWNER:].hex() if len(content) == _OWNER + 32 else None


def _is_certificate(data: bytes) -> bool:
    """Return whether ``data`` is one DER sequence with a length of two bytes, as a certificate is."""
    return data[:2] == b"\x30\x82" and len(data) == 4 + int.from_bytes(data[2:4], "big")
