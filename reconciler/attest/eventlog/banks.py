"""The hash algorithms that an event log may name: their sizes, and which of them can be replayed.

Only algorithms whose digests this verifier can compute itself are replayable; SM3 and
algorithms that are not known are parsed by the size that the log gives, and no more.
Which bank a verdict may rest on is not decided here (``reconciler.attest.algorithms``).

Source: TCG Algorithm Registry 1.34, table 3; hash sizes of FIPS 180-4 and FIPS 202.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol


class _Hash(Protocol):
    def digest(self) -> bytes: ...


NAMES: Mapping[int, str] = MappingProxyType(
    {
        0x0004: "sha1",
        0x000B: "sha256",
        0x000C: "sha384",
        0x000D: "sha512",
        0x0012: "sm3_256",
        0x0027: "sha3_256",
        0x0028: "sha3_384",
        0x0029: "sha3_512",
    }
)
"""The hash algorithms that have a name, by identifier."""

SIZES: Mapping[str, int] = MappingProxyType(
    {
        "sha1": 20,
        "sha256": 32,
        "sha384": 48,
        "sha512": 64,
        "sm3_256": 32,
        "sha3_256": 32,
        "sha3_384": 48,
        "sha3_512": 64,
    }
)
"""The sizes of their digests, in bytes."""

HASHES: Mapping[str, Callable[[bytes], _Hash]] = MappingProxyType(
    {
        # A log's SHA-1 bank is computed to be compared with a TPM's; whether it may be trusted is a policy's business.
        "sha1": partial(hashlib.sha1, usedforsecurity=False),
        "sha256": hashlib.sha256,
        "sha384": hashlib.sha384,
        "sha512": hashlib.sha512,
        "sha3_256": hashlib.sha3_256,
        "sha3_384": hashlib.sha3_384,
        "sha3_512": hashlib.sha3_512,
    }
)
"""The replayable banks."""


def name_of_algorithm(algorithm: int) -> str:
    """Return the name of the hash ``algorithm``, or its number where it has none."""
    return NAMES.get(algorithm, f"0x{algorithm:04x}")


def digest_of(data: bytes, *, bank: str) -> bytes:
    """Return the digest of ``data`` in ``bank``, a key of HASHES."""
    return HASHES[bank](data).digest()
