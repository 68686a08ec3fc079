"""X.509 certificates as TPM vendors really make them, parsed by hand.

``cryptography`` refuses some vendors' certificates (unordered SETs) at load time, so
only signatures and keys are left to it. Bytes after the certificate are cut: NV areas
carry padding, and OpenSSL's TRUSTED form its settings. Serial numbers may be negative,
zero or long. What extensions say, and whose certificate it is, is not judged here.

Source: RFC 5280, 4.1 and 4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reconciler.attest.endorsement import der
from reconciler.attest.endorsement.names import name_text
from reconciler.attest.endorsement.oids import dotted
from reconciler.attest.endorsement.times import parse_time
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey

MAX_CERTIFICATE = 16384
"""The most bytes that a certificate, or an NV area with one, may have."""

MAX_SERIAL = 64
"""The most bytes of a serial number; RFC 5280 allows 20."""

_WHAT = "certificate"
_VERSION, _ISSUER_ID, _SUBJECT_ID, _EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
_EMPTY_NAME = b"\x30\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extension's DER value, and whether it is critical."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A parsed certificate.

    ``raw`` is its DER without padding, ``signed`` what the signature covers; ``issuer``, ``subject``, ``spki`` and
    ``algorithm`` (the AlgorithmIdentifier) are DER; ``serial`` is the INTEGER's content; extensions are by dotted
    identifier; ``fingerprint`` is the SHA-256 of ``raw`` in hexadecimal digits.
    """

    raw: bytes
    fingerprint: str
    signed: bytes
    version: int
    serial: bytes
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    spki: bytes
    extensions: Mapping[str, Extension]
    algorithm: bytes
    signature: bytes

    @property
    def is_self_issued(self) -> bool:
        """Return whether subject and issuer are the same name (RFC 5280, 3.2)."""
        return self.subject == self.issuer


def describe(certificate: Certificate) -> str:
    """Return which certificate it is, for messages: its subject, or its digest if that is empty, and its serial."""
    empty = certificate.subject == _EMPTY_NAME
    who = f"sha256:{certificate.fingerprint}" if empty else name_text(certificate.subject)
    return f"certificate {who} (serial {serial_text(certificate.serial)})"


def serial_text(serial: bytes) -> str:
    """Return a serial number in hexadecimal digits, with a sign if it is negative."""
    value = int.from_bytes(serial, signed=True)
    return f"{'-' if value < 0 else ''}0x{abs(value):x}"


def parse_certificate(data: bytes) -> Certificate:
    """Return the certificate at the start of ``data``; raise MalformedError if there is none."""
    if len(data) > MAX_CERTIFICATE:
        raise MalformedError(_WHAT, f"{len(data)} bytes long, at most {MAX_CERTIFICATE} are allowed")
    outer = der.first_element(data, what=_WHAT)
    signed, algorithm, signature = signed_parts(outer, what=_WHAT)
    fields = der.elements(signed.content, what=_WHAT)
    version, first = _version(next(fields, None))
    serial = take_serial(first if first is not None else next(fields, None), what=_WHAT)
    if _take(fields, der.SEQUENCE).raw != algorithm:
        raise MalformedError(_WHAT, "names two signature algorithms")
    issuer = _take(fields, der.SEQUENCE)
    not_before, not_after = _validity(_take(fields, der.SEQUENCE))
    subject = _take(fields, der.SEQUENCE)
    return Certificate(
        raw=outer.raw,
        fingerprint=hashlib.sha256(outer.raw).hexdigest(),
        signed=signed.raw,
        version=version,
        serial=serial,
        issuer=issuer.raw,
        subject=subject.raw,
        not_before=not_before,
        not_after=not_after,
        spki=_take(fields, der.SEQUENCE).raw,
        extensions=MappingProxyType(_extensions(fields)),
        algorithm=algorithm,
        signature=signature,
    )


def signed_parts(outer: der.Element, *, what: str) -> tuple[der.Element, bytes, bytes]:
    """Return what is signed, the AlgorithmIdentifier and the signature of a SIGNED structure (RFC 5280, 4.1.1)."""
    if outer.tag != der.SEQUENCE:
        raise MalformedError(what, "is not a SEQUENCE")
    parts = der.elements(outer.content, what=what)
    signed = der.expect(parts, tag=der.SEQUENCE, what=what)
    algorithm = der.expect(parts, tag=der.SEQUENCE, what=what)
    signature = der.expect(parts, tag=der.BIT_STRING, what=what).content
    if next(parts, None) is not None or signature[:1] != b"\0":
        raise MalformedError(what, "does not end with a whole signature")
    return signed, algorithm.raw, signature[1:]


def take_serial(element: der.Element | None, *, what: str) -> bytes:
    """Return the serial number that ``element`` is; raise MalformedError if it is none, or longer than 64 bytes."""
    if element is None or element.tag != der.INTEGER or not 1 <= len(element.content) <= MAX_SERIAL:
        raise MalformedError(what, "a serial number is missing, empty or too long")
    return element.content


def _take(children: Iterator[der.Element], tag: int) -> der.Element:
    return der.expect(children, tag=tag, what=_WHAT)


def _version(first: der.Element | None) -> tuple[int, der.Element | None]:
    """Return the version and, for one that is too old to say it, the element that came in its place."""
    if first is None or first.tag != _VERSION:
        return 1, first
    number = der.only_element(first.content, tag=der.INTEGER, what=_WHAT).content
    if number not in {b"\0", b"\1", b"\2"}:
        raise MalformedError(_WHAT, "its version is not 1, 2 or 3")
    return number[0] + 1, None


def _validity(element: der.Element) -> tuple[datetime, datetime]:
    times = [parse_time(one.tag, one.content, what=_WHAT) for one in der.elements(element.content, what=_WHAT)]
    if len(times) != 2:  # noqa: PLR2004 - from and to
        raise MalformedError(_WHAT, "its validity is not two times")
    return times[0], times[1]


def _extensions(fields: Iterator[der.Element]) -> dict[str, Extension]:
    found: dict[str, Extension] = {}
    for field in fields:
        if field.tag in {_ISSUER_ID, _SUBJECT_ID}:
            continue
        if field.tag != _EXTENSIONS or found:
            raise MalformedError(_WHAT, f"holds an unknown field with tag 0x{field.tag:02x}")
        found = parse_extensions(field.content, what=_WHAT)
    return found


def parse_extensions(data: bytes, *, what: str) -> dict[str, Extension]:
    """Return the extensions in the DER Extensions ``data``, by dotted identifier; none may occur twice."""
    found: dict[str, Extension] = {}
    for element in der.elements(der.only_element(data, tag=der.SEQUENCE, what=what).content, what=what):
        children = der.elements(element.content, what=what)
        identifier = dotted(der.expect(children, tag=der.OBJECT_IDENTIFIER, what=what).content)
        if identifier in found:
            raise MalformedError(what, "holds an extension twice")
        value = next(children, None)
        critical = value is not None and value.tag == der.BOOLEAN
        if value is not None and critical:
            # A default that is spelled out is wrong in DER, and met in practice; any other content means critical.
            critical = value.content != b"\0"
            value = next(children, None)
        if value is None or value.tag != der.OCTET_STRING:
            raise MalformedError(what, "holds an extension without a value")
        der.finish(children, what=what)
        found[identifier] = Extension(critical=critical, value=value.content)
    return found


def load_spki(spki: bytes) -> PublicKey:
    """Return the RSA or elliptic-curve key in a DER SubjectPublicKeyInfo; raise MalformedError for any other."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(_WHAT, "does not hold a valid public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise MalformedError(_WHAT, "its key is neither RSA nor elliptic-curve")
    return key
