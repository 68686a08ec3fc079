"""Signatures of attestation keys: RSASSA-PKCS1-v1_5, RSASSA-PSS and ECDSA.

Scheme and hash are the key's, never those that a signature names. A verifier is made once
for a key, so that many signatures cost little more than their arithmetic. What was signed
is not looked at.

Source: TPM 2.0 Part 2, 11.3 (TPMT_SIGNATURE); Part 1, B.4 (RSASSA), B.7 (RSAPSS), C.4 (ECDSA); RFC 8017, 8.1 and 8.2;
FIPS 186-4, 5.5 and 6.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from reconciler.attest.algorithms import (
    DIGEST_SIZES,
    ECDSA,
    HASHERS,
    HASHES,
    RSAPSS,
    RSASSA,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    SIGNING_HASHES,
    Hasher,
)
from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.tpm.public import PublicArea, PublicKey

_WHAT = "signature"
_HEAD = struct.Struct(">HHH")
_MAX_SIGNATURE = 512
_MAX_COORDINATE = 66

_DIGEST_INFOS = {
    SHA1: bytes.fromhex("3021300906052b0e03021a05000414"),
    SHA256: bytes.fromhex("3031300d060960864801650304020105000420"),
    SHA384: bytes.fromhex("3041300d060960864801650304020205000430"),
    SHA512: bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before the hash in an RSASSA-PKCS1-v1_5 signature (RFC 8017, 9.2, note 1)."""

Holds = Callable[[bytes, tuple[bytes, ...]], bool]
Accepts = Callable[[bytes, bytes], bool]


class Signature(NamedTuple):
    """A TPMT_SIGNATURE; ``parts`` are r and s for ECDSA, the one signature for RSA."""

    scheme: int
    hash: int
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What judges signatures of one key, by its scheme and hash.

    ``counts`` is whether a signature by them proves anything: SHA-1 does not. ``holds(message, parts)`` is the
    arithmetic alone. ``accepts(message, raw)`` is whether a whole TPMT_SIGNATURE is by this scheme and hash, and holds.
    """

    scheme: int
    hash: int
    counts: bool
    hasher: Hasher
    holds: Holds
    accepts: Accepts


def parse_signature(raw: bytes) -> Signature:
    """Return the RSA or ECDSA signature in ``raw``; raise MalformedError if it is none."""
    if len(raw) < _HEAD.size:
        raise MalformedError(_WHAT, f"ends within its head of {_HEAD.size} bytes")
    scheme, hash_algorithm, size = _HEAD.unpack_from(raw)
    if scheme == ECDSA:
        reader = Reader(raw[4:], what=_WHAT)
        parts = reader.sized(limit=_MAX_COORDINATE), reader.sized(limit=_MAX_COORDINATE)
        reader.finish()
        return Signature(scheme, hash_algorithm, parts)
    if scheme not in {RSASSA, RSAPSS}:
        raise MalformedError(_WHAT, f"its scheme 0x{scheme:04x} is not known")
    if size > _MAX_SIGNATURE or size != len(raw) - _HEAD.size:
        raise MalformedError(_WHAT, f"{len(raw) - _HEAD.size} bytes where it says {size}, at most {_MAX_SIGNATURE}")
    return Signature(scheme, hash_algorithm, (raw[_HEAD.size :],))


def verifier_of(area: PublicArea) -> Verifier:
    """Return what judges signatures by the key of ``area`` under the scheme that ``area`` names."""
    return make_verifier(area.key, scheme=area.scheme, hash_algorithm=area.scheme_hash)


def make_verifier(key: PublicKey, *, scheme: int, hash_algorithm: int) -> Verifier:
    """Return what judges signatures by ``key``; with a scheme that is not the key's, or an unknown hash, none holds."""
    holds: Holds = _never
    accepts: Accepts | None = None
    if hash_algorithm in HASHES:
        if isinstance(key, ec.EllipticCurvePublicKey) and scheme == ECDSA:
            holds = _ecdsa(key, hash_algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and scheme == RSAPSS:
            holds = _rsapss(key, hash_algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and scheme == RSASSA:
            holds, accepts = _rsassa(key, hash_algorithm)
    return Verifier(
        scheme=scheme,
        hash=hash_algorithm,
        counts=hash_algorithm in SIGNING_HASHES,
        hasher=HASHERS.get(hash_algorithm, HASHERS[SHA256]),
        holds=holds,
        accepts=accepts or _accepts_by(holds, head=struct.pack(">HH", scheme, hash_algorithm)),
    )


def _accepts_by(holds: Holds, *, head: bytes) -> Accepts:
    def accepts(message: bytes, raw: bytes) -> bool:
        try:
            return raw.startswith(head) and holds(message, parse_signature(raw).parts)
        except MalformedError:
            return False

    return accepts


def describe_scheme(scheme: int, hash_algorithm: int) -> str:
    """Return a scheme and its hash as four-digit algorithm identifiers of the TCG's registry."""
    return f"{scheme:04x}/{hash_algorithm:04x}"


def _never(message: bytes, parts: tuple[bytes, ...]) -> bool:
    del message, parts
    return False


def _rsassa(key: rsa.RSAPublicKey, hash_algorithm: int) -> tuple[Holds, Accepts]:
    """Compare what the signature recovers to with the one encoding that it may have (RFC 8017, 8.2.2 and 9.2).

    OpenSSL takes the padding off and refuses any that is not whole; what is left must be the DigestInfo, to the byte.
    That is what its own verification does, without looking up the hash again for each signature: a tenth of the time.
    """
    scheme, recover = padding.PKCS1v15(), key.recover_data_from_signature
    hasher, prefix = HASHERS[hash_algorithm], _DIGEST_INFOS[hash_algorithm]
    size = (key.key_size + 7) // 8
    head, total = _HEAD.pack(RSASSA, hash_algorithm, size), _HEAD.size + size

    def accepts(message: bytes, raw: bytes) -> bool:
        # The length is compared here, because taking the padding off does not ask for it.
        if len(raw) != total or not raw.startswith(head):
            return False
        try:
            return recover(raw[6:], scheme, None) == prefix + hasher(message).digest()
        except InvalidSignature:
            return False

    return lambda message, parts: accepts(message, head + parts[0]), accepts


def _rsapss(key: rsa.RSAPublicKey, hash_algorithm: int) -> Holds:
    """Accept the two salts that TPMs make, and no other: the hash's length, or the longest that fits.

    Part 1, B.7 has the longest salt; FIPS 186-4, 5.5 (e) allows at most the hash's length, and TPMs that follow it use
    that. A salt of any other length was not made by a TPM, so the length is not left to the signature.
    """
    algorithm = HASHES[hash_algorithm]
    size = DIGEST_SIZES[hash_algorithm]
    longest = (key.key_size + 6) // 8 - size - 2  # As a number: PSS.MAX_LENGTH takes any salt when it verifies.
    schemes = [padding.PSS(padding.MGF1(algorithm), salt) for salt in (size, longest) if 0 <= salt <= longest]
    prehashed, hasher = Prehashed(algorithm), HASHERS[hash_algorithm]

    def holds(message: bytes, parts: tuple[bytes, ...]) -> bool:
        hashed = hasher(message).digest()
        for scheme in schemes:
            try:
                key.verify(parts[0], hashed, scheme, prehashed)
            except InvalidSignature:
                continue
            return True
        return False

    return holds


def _ecdsa(key: ec.EllipticCurvePublicKey, hash_algorithm: int) -> Holds:
    """Accept r and s between 1 and the order of the curve, each in no more bytes than a coordinate has."""
    algorithm, hasher = ec.ECDSA(Prehashed(HASHES[hash_algorithm])), HASHERS[hash_algorithm]
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
