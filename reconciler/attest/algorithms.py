"""The TPM algorithm identifiers that the verifier knows (TCG Algorithm Registry), and no others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

RSA = 0x0001
SHA1 = 0x0004
SHA256 = 0x000B
SHA384 = 0x000C
SHA512 = 0x000D
NULL = 0x0010
RSASSA = 0x0014
RSAPSS = 0x0016
ECDSA = 0x0018
ECC = 0x0023

BANKS: Mapping[str, int] = MappingProxyType({"sha256": SHA256})
"""The PCR banks that can be appraised; SHA-1 is not one of them."""

PCR_BANKS: Mapping[str, int] = MappingProxyType(
    {"sha1": SHA1, "sha256": SHA256, "sha384": SHA384, "sha512": SHA512},
)
"""The PCR banks that a quote can be asked for by name; SHA-1 counts only where it is selected explicitly."""

BANK_NAMES: Mapping[int, str] = MappingProxyType({number: name for name, number in PCR_BANKS.items()})
"""The names of the hashes, and of the banks made with them."""

DIGEST_SIZES: Mapping[int, int] = MappingProxyType({SHA1: 20, SHA256: 32, SHA384: 48, SHA512: 64})
"""The sizes in bytes of what the hashes make."""

SIGNING_HASHES: Mapping[int, hashes.HashAlgorithm] = MappingProxyType(
    {SHA256: hashes.SHA256(), SHA384: hashes.SHA384(), SHA512: hashes.SHA512()}
)
"""The hashes under which a signature, or a name, counts."""

HASHES: Mapping[int, hashes.HashAlgorithm] = MappingProxyType(
    {SHA1: hashes.SHA1(), **SIGNING_HASHES}  # noqa: S303 - known so that its use can be named, and refused
)
"""The hashes that can be computed. SHA-1 is one, so that a signature made with it can be described, and refused."""


class _Hash(Protocol):
    def digest(self) -> bytes: ...


Hasher = Callable[[bytes], _Hash]

HASHERS: Mapping[int, Hasher] = MappingProxyType(
    {SHA1: hashlib.sha1, SHA256: hashlib.sha256, SHA384: hashlib.sha384, SHA512: hashlib.sha512}
)
"""The same hashes as functions; the standard library's cost less for each call."""

CURVES: Mapping[int, ec.EllipticCurve] = MappingProxyType(
    {0x0003: ec.SECP256R1(), 0x0004: ec.SECP384R1(), 0x0005: ec.SECP521R1()}
)
"""The elliptic curves of attestation keys."""


def digest(algorithm: int, data: bytes) -> bytes:
    """Return the hash of ``data``; ``algorithm`` is a key of HASHES."""
    return HASHERS[algorithm](data).digest()
