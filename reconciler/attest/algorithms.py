"""The TPM algorithm identifiers that the verifier knows (TCG Algorithm Registry), and no others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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

SIGNING_HASHES: Mapping[int, hashes.HashAlgorithm] = MappingProxyType(
    {SHA256: hashes.SHA256(), SHA384: hashes.SHA384(), SHA512: hashes.SHA512()}
)
"""The hashes under which a signature, or a name, counts."""

CURVES: Mapping[int, ec.EllipticCurve] = MappingProxyType(
    {0x0003: ec.SECP256R1(), 0x0004: ec.SECP384R1(), 0x0005: ec.SECP521R1()}
)
"""The elliptic curves of attestation keys."""


def digest(algorithm: int, data: bytes) -> bytes:
    """Return the hash of ``data``; ``algorithm`` is a key of SIGNING_HASHES."""
    state = hashes.Hash(SIGNING_HASHES[algorithm])
    state.update(data)
    return state.finalize()
