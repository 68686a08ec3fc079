"""Signatures of attestation keys: RSASSA-PKCS1-v1_5, RSASSA-PSS and ECDSA.

Scheme and hash are the key's, never those that a signature names. A verifier is made once
for a key, so that many signatures cost little more than their arithmetic. What was signed
is not looked at.

Source: TPM 2.0 Part 2, 11.3 (TPMT_SIGNATURE); Part 1, B.4 (RSASSA), B.7 (RSAPSS), C.4 (ECDSA); RFC 8017, 8.1 and 8.2;
FIPS 186-4, 5.5 and 6.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from reconciler.attest.algorithms import BANK_NAMES, DIGEST_SIZES, ECDSA, HASHES, RSAPSS, RSASSA, SIGNING_HASHES
from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.tpm.public import PublicArea, PublicKey

_WHAT = "signature"
_MAX_SIGNATURE = 512
_MAX_COORDINATE = 66

Hasher = Callable[[bytes], "hashlib._Hash"]
Holds = Callable[[bytes, tuple[bytes, ...]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A TPMT_SIGNATURE; ``parts`` are r and s for ECDSA, the one signature for RSA."""

    scheme: int
    hash: int
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What judges signatures of one key: its scheme and hash, and ``holds(message, parts)``.

    ``counts`` is whether a signature by this scheme and hash proves anything: SHA-1 does not.
    """

    scheme: int
    hash: int
    counts: bool
    holds: Holds


def parse_signature(raw: bytes) -> Signature:
    """Return the RSA or ECDSA signature in ``raw``; raise MalformedError if it is none."""
    reader = Reader(raw, what=_WHAT)
    scheme, hash_algorithm = reader.integer(2), reader.integer(2)
    parts: tuple[bytes, ...]
    if scheme == ECDSA:
        parts = reader.sized(limit=_MAX_COORDINATE), reader.sized(limit=_MAX_COORDINATE)
    elif scheme in {RSASSA, RSAPSS}:
        parts = (reader.sized(limit=_MAX_SIGNATURE),)
    else:
        raise MalformedError(_WHAT, f"its scheme 0x{scheme:04x} is not known")
    reader.finish()
    return Signature(scheme=scheme, hash=hash_algorithm, parts=parts)


def verifier_of(area: PublicArea) -> Verifier:
    """Return what judges signatures by the key of ``area`` under the scheme that ``area`` names."""
    return make_verifier(area.key, scheme=area.scheme, hash_algorithm=area.scheme_hash)


def make_verifier(key: PublicKey, *, scheme: int, hash_algorithm: int) -> Verifier:
    """Return what judges signatures by ``key``; with a scheme that is not the key's, or an unknown hash, none holds."""
    holds: Holds = _never
    if hash_algorithm in HASHES:
        if isinstance(key, ec.EllipticCurvePublicKey) and scheme == ECDSA:
            holds = _ecdsa(key, hash_algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and scheme == RSASSA:
            holds = _rsassa(key, hash_algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and scheme == RSAPSS:
            holds = _rsapss(key, hash_algorithm)
    return Verifier(scheme=scheme, hash=hash_algorithm, counts=hash_algorithm in SIGNING_HASHES, holds=holds)


def describe_scheme(scheme: int, hash_algorithm: int) -> str:
    """Return a scheme and its hash as four-digit algorithm identifiers of the TCG's registry."""
    return f"{scheme:04x}/{hash_algorithm:04x}"


def _never(message: bytes, parts: tuple[bytes, ...]) -> bool:
    del message, parts
    return False


def hasher_of(hash_algorithm: int) -> Hasher:
    """Return the function that hashes by ``hash_algorithm``, a key of HASHES."""
    hasher: Hasher = getattr(hashlib, BANK_NAMES[hash_algorithm])
    return hasher


def _rsassa(key: rsa.RSAPublicKey, hash_algorithm: int) -> Holds:
    scheme, algorithm = padding.PKCS1v15(), Prehashed(HASHES[hash_algorithm])
    hasher, verify = hasher_of(hash_algorithm), key.verify

    def holds(message: bytes, parts: tuple[bytes, ...]) -> bool:
        try:
            verify(parts[0], hasher(message).digest(), scheme, algorithm)
        except InvalidSignature:
            return False
        return True

    return holds


def _rsapss(key: rsa.RSAPublicKey, hash_algorithm: int) -> Holds:
    """Accept the two salts that TPMs make, and no other: the hash's length, or the longest that fits.

    Part 1, B.7 has the longest salt; FIPS 186-4, 5.5 (e) allows at most the hash's length, and TPMs that follow it use
    that. A salt of any other length was not made by a TPM, so the length is not left to the signature.
    """
    algorithm = HASHES[hash_algorithm]
    mask = padding.MGF1(algorithm)
    schemes = [padding.PSS(mask, DIGEST_SIZES[hash_algorithm]), padding.PSS(mask, padding.PSS.MAX_LENGTH)]
    prehashed, hasher = Prehashed(algorithm), hasher_of(hash_algorithm)

    def holds(message: bytes, parts: tuple[bytes, ...]) -> bool:
        hashed = hasher(message).digest()
        for scheme in schemes:
            try:
                key.verify(parts[0], hashed, scheme, prehashed)
            except (InvalidSignature, ValueError):  # ValueError: the key is too short for such a salt.
                continue
            return True
        return False

    return holds


def _ecdsa(key: ec.EllipticCurvePublicKey, hash_algorithm: int) -> Holds:
    """Accept r and s between 1 and the order of the curve, each in no more bytes than a coordinate has."""
    algorithm, hasher = ec.ECDSA(Prehashed(HASHES[hash_algorithm])), hasher_of(hash_algorithm)
    order, size = key.curve.group_order, (key.curve.key_size + 7) // 8

    def holds(message: bytes, parts: tuple[bytes, ...]) -> bool:
        r, s = (int.from_bytes(part) for part in parts)
        if any(len(part) > size for part in parts) or not (0 < r < order and 0 < s < order):
            return False
        try:
            key.verify(encode_dss_signature(r, s), hasher(message).digest(), algorithm)
        except InvalidSignature:
            return False
        return True

    return holds
