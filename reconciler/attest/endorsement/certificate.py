"""X.509 certificates as TPM vendors really make them, parsed by hand.

``cryptography`` refuses some vendors' certificates (unordered SETs) at load time, so
only signatures and keys are left to it. Bytes after the certificate are cut: NV areas
carry padding. Names are compared byte by byte. Revocation is not checked here.

Source: RFC 5280, 4.1 and 4.2.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reconciler.attest.endorsement import der
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey

BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE = (
    bytes.fromhex("551d13"),
    bytes.fromhex("551d0f"),
    bytes.fromhex("551d25"),
)

_WHAT = "certificate"
_MAX_CERTIFICATE = 16384
_PEM = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----\s([A-Za-z0-9+/=\s]+?)-----END ")
_VERSION, _ISSUER_ID, _SUBJECT_ID, _EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
_RSA_SIGNATURES: Mapping[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2a864886f70d01010b"): hashes.SHA256(),
    bytes.fromhex("2a864886f70d01010c"): hashes.SHA384(),
    bytes.fromhex("2a864886f70d01010d"): hashes.SHA512(),
}
_ECDSA_SIGNATURES: Mapping[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("2a8648ce3d040303"): hashes.SHA384(),
    bytes.fromhex("2a8648ce3d040304"): hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extension's DER value, and whether it is critical."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A parsed certificate; ``issuer``, ``subject`` and ``spki`` are DER, extensions are by encoded identifier."""

    signed: bytes
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    spki: bytes
    extensions: Mapping[bytes, Extension]
    algorithm: bytes
    signature: bytes


def parse_certificate(data: bytes) -> Certificate:
    """Return the certificate at the start of ``data``; raise MalformedError if there is none."""
    if len(data) > _MAX_CERTIFICATE:
        raise MalformedError(_WHAT, f"{len(data)} bytes long, at most {_MAX_CERTIFICATE} are allowed")
    outer = der.first_element(data, what=_WHAT)
    if outer.tag != der.SEQUENCE:
        raise MalformedError(_WHAT, "is not a SEQUENCE")
    parts = der.elements(outer.content, what=_WHAT)
    signed = _take(parts, der.SEQUENCE)
    algorithm = _take(parts, der.SEQUENCE)
    signature = _take(parts, der.BIT_STRING).content
    if next(parts, None) is not None or signature[:1] != b"\0":
        raise MalformedError(_WHAT, "does not end with a whole signature")
    fields = der.elements(signed.content, what=_WHAT)
    _take(fields, _VERSION)
    _take(fields, der.INTEGER)
    if _take(fields, der.SEQUENCE).raw != algorithm.raw:
        raise MalformedError(_WHAT, "names two signature algorithms")
    issuer = _take(fields, der.SEQUENCE)
    validity = der.elements(_take(fields, der.SEQUENCE).content, what=_WHAT)
    subject = _take(fields, der.SEQUENCE)
    return Certificate(
        signed=signed.raw,
        issuer=issuer.raw,
        subject=subject.raw,
        not_before=_time(next(validity, None)),
        not_after=_time(next(validity, None)),
        spki=_take(fields, der.SEQUENCE).raw,
        extensions=_extensions(fields),
        algorithm=_take(der.elements(algorithm.content, what=_WHAT), der.OBJECT_IDENTIFIER).content,
        signature=signature[1:],
    )


def _take(children: Iterator[der.Element], tag: int) -> der.Element:
    return der.expect(children, tag=tag, what=_WHAT)


def _time(element: der.Element | None) -> datetime:
    forms = {der.UTC_TIME: "%y%m%d%H%M%SZ", der.GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
    lengths = {der.UTC_TIME: 13, der.GENERALIZED_TIME: 15}
    if element is None or lengths.get(element.tag) != len(element.content):
        raise MalformedError(_WHAT, "its validity is not two times")
    try:
        parsed = datetime.strptime(element.content.decode("ascii"), forms[element.tag]).replace(tzinfo=UTC)
    except ValueError as error:
        raise MalformedError(_WHAT, "its validity is not two times") from error
    # RFC 5280, 4.1.2.5.1: two-digit years reach from 1950 to 2049; strptime's from 1969 to 2068.
    late = element.tag == der.UTC_TIME and parsed.year >= 2050  # noqa: PLR2004 - the year of the rule above
    return parsed.replace(year=parsed.year - 100) if late else parsed


def _extensions(fields: Iterator[der.Element]) -> Mapping[bytes, Extension]:
    found: dict[bytes, Extension] = {}
    for field in fields:
        if field.tag in {_ISSUER_ID, _SUBJECT_ID}:
            continue
        if field.tag != _EXTENSIONS:
            raise MalformedError(_WHAT, f"holds an unknown field with tag 0x{field.tag:02x}")
        for element in der.elements(der.first_element(field.content, what=_WHAT).content, what=_WHAT):
            children = der.elements(element.content, what=_WHAT)
            identifier = _take(children, der.OBJECT_IDENTIFIER).content
            if identifier in found:
                raise MalformedError(_WHAT, "holds an extension twice")
            value = next(children, None)
            critical = value is not None and value.tag == der.BOOLEAN
            if critical:
                value = next(children, None)
            if value is None or value.tag != der.OCTET_STRING:
                raise MalformedError(_WHAT, "holds an extension without a value")
            found[identifier] = Extension(critical=critical, value=value.content)
    return found


def parse_pem(bundle: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM bundle that can be parsed; the others vouch for nobody."""
    found = []
    for body in _PEM.findall(bundle):
        try:
            found.append(parse_certificate(base64.b64decode(b"".join(body.split()), validate=True)))
        except (binascii.Error, MalformedError):
            continue
    return tuple(found)


def load_spki(spki: bytes) -> PublicKey:
    """Return the RSA or elliptic-curve key in a DER SubjectPublicKeyInfo; raise MalformedError for any other."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(_WHAT, "does not hold a valid public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise MalformedError(_WHAT, "its key is neither RSA nor elliptic-curve")
    return key


def is_signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Return whether the key of ``issuer`` signed ``certificate``, with SHA-256 or better."""
    try:
        key = load_spki(issuer.spki)
        if isinstance(key, rsa.RSAPublicKey):
            rsa_hash = _RSA_SIGNATURES[certificate.algorithm]
            key.verify(certificate.signature, certificate.signed, padding.PKCS1v15(), rsa_hash)
        else:
            key.verify(certificate.signature, certificate.signed, ec.ECDSA(_ECDSA_SIGNATURES[certificate.algorithm]))
    except (InvalidSignature, KeyError, MalformedError, UnsupportedAlgorithm, ValueError):
        return False
    return True
