"""Signatures on certificates and revocation lists: which algorithms count, and whether one holds.

RSA PKCS #1 v1.5, RSA-PSS with its parameters, and ECDSA, each with SHA-256, SHA-384 or
SHA-512. MD5, SHA-1 and SHA-224 are refused: only an anchor may be signed with them, since
its own signature is never looked at. Keys that sign have at least 2048 bits of RSA, or
are on P-256, P-384 or P-521.

Source: RFC 4055, 3.1 (PSS) and 5 (RSA); RFC 5758, 3.2 (ECDSA); NIST SP 800-131A, 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from reconciler.attest.endorsement import der, oids
from reconciler.attest.endorsement.certificate import load_spki
from reconciler.attest.endorsement.oids import dotted, name_of
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey

_WHAT = "signature algorithm"
_RSA: Mapping[str, hashes.HashAlgorithm] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_ECDSA: Mapping[str, hashes.HashAlgorithm] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_HASH, _MASK, _SALT, _TRAILER = 0xA0, 0xA1, 0xA2, 0xA3
_DEFAULT_SALT, _MAX_SALT = 20, 64
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192
_CURVES = ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How something is signed; ``padding`` is None for ECDSA."""

    name: str
    hash: hashes.HashAlgorithm
    padding: padding.PKCS1v15 | padding.PSS | None


def scheme_of(algorithm: bytes) -> Scheme:
    """Return the scheme that a DER AlgorithmIdentifier names; raise MalformedError if it is none that counts."""
    children = der.elements(der.only_element(algorithm, tag=der.SEQUENCE, what=_WHAT).content, what=_WHAT)
    identifier = dotted(der.expect(children, tag=der.OBJECT_IDENTIFIER, what=_WHAT).content)
    parameters = next(children, None)
    der.finish(children, what=_WHAT)
    if identifier == oids.RSA_PSS:
        return _pss(parameters)
    found = _RSA.get(identifier) or _ECDSA.get(identifier)
    if found is None:
        raise MalformedError(_WHAT, f"{name_of(identifier)} is not accepted (SHA-256 or better is needed)")
    # RFC 4055, 5 asks for NULL and RFC 5758, 3.2 for nothing; makers confuse the two, and neither says more.
    if parameters is not None and parameters.raw != b"\x05\x00":
        raise MalformedError(_WHAT, f"{name_of(identifier)} has parameters, and takes none")
    return Scheme(name=name_of(identifier), hash=found, padding=padding.PKCS1v15() if identifier in _RSA else None)


def _pss(parameters: der.Element | None) -> Scheme:
    """Return the scheme of RSASSA-PSS-params; absent fields mean SHA-1, which is refused like a named one."""
    if parameters is None or parameters.tag != der.SEQUENCE:
        raise MalformedError(_WHAT, "RSASSA-PSS has no parameters, which means SHA-1 and is not accepted")
    fields = {field.tag: field.content for field in der.elements(parameters.content, what=_WHAT)}
    if fields.keys() - {_HASH, _MASK, _SALT, _TRAILER}:
        raise MalformedError(_WHAT, "RSASSA-PSS has unknown parameters")
    digest = _named_hash(fields.get(_HASH, b""))
    if _mask_hash(fields.get(_MASK, b"")).name != digest.name:
        raise MalformedError(_WHAT, "RSASSA-PSS mixes two hashes")
    salt = _small(fields[_SALT]) if _SALT in fields else _DEFAULT_SALT
    if salt > _MAX_SALT or (_TRAILER in fields and _small(fields[_TRAILER]) != 1):
        raise MalformedError(_WHAT, "RSASSA-PSS has a salt that is too long, or another trailer")
    return Scheme(
        name=f"RSASSA-PSS with {digest.name.upper()}", hash=digest, padding=padding.PSS(padding.MGF1(digest), salt)
    )


def _identified(algorithm: bytes) -> tuple[str, Iterator[der.Element]]:
    children = der.elements(der.only_element(algorithm, tag=der.SEQUENCE, what=_WHAT).content, what=_WHAT)
    return dotted(der.expect(children, tag=der.OBJECT_IDENTIFIER, what=_WHAT).content), children


def _named_hash(algorithm: bytes) -> hashes.HashAlgorithm:
    if not algorithm:
        raise MalformedError(_WHAT, "RSASSA-PSS names no hash, which means SHA-1 and is not accepted")
    identifier, _ = _identified(algorithm)
    found = _HASHES.get(identifier)
    if found is None:
        raise MalformedError(_WHAT, f"RSASSA-PSS with the hash {identifier} is not accepted")
    return found


def _mask_hash(algorithm: bytes) -> hashes.HashAlgorithm:
    if not algorithm:
        raise MalformedError(_WHAT, "RSASSA-PSS names no mask, which means SHA-1 and is not accepted")
    identifier, children = _identified(algorithm)
    if identifier != oids.MGF1:
        raise MalformedError(_WHAT, "RSASSA-PSS has another mask generation than MGF1")
    return _named_hash(der.expect(children, tag=der.SEQUENCE, what=_WHAT).raw)


def _small(integer: bytes) -> int:
    content = der.only_element(integer, tag=der.INTEGER, what=_WHAT).content
    if len(content) != 1 or content[0] & 0x80:
        raise MalformedError(_WHAT, "RSASSA-PSS has a number that is too large")
    return content[0]


def load_signer(spki: bytes) -> PublicKey:
    """Return a key that may sign certificates; raise MalformedError if it is too weak, too large or of another kind."""
    key = load_spki(spki)
    if isinstance(key, rsa.RSAPublicKey) and not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        limits = f"{_MIN_RSA_BITS} to {_MAX_RSA_BITS}"
        raise MalformedError("issuer's key", f"has {key.key_size} bits of RSA, and {limits} are accepted")
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        raise MalformedError("issuer's key", f"is on the curve {key.curve.name}, which is not accepted")
    return key


def is_signature(signature: bytes, *, signed: bytes, scheme: Scheme, spki: bytes) -> bool:
    """Return whether ``signature`` over ``signed`` is by the key ``spki`` and in ``scheme``."""
    try:
        key = load_signer(spki)
        if isinstance(key, rsa.RSAPublicKey):
            if scheme.padding is None:
                return False
            key.verify(signature, signed, scheme.padding, scheme.hash)
        else:
            if scheme.padding is not None:
                return False
            key.verify(signature, signed, ec.ECDSA(scheme.hash))
    except (InvalidSignature, MalformedError, UnsupportedAlgorithm, ValueError):
        return False
    return True
