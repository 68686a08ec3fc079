"""The endorsement: whether an EK certificate is a trusted manufacturer's, and this node's.

Every certificate among the roots is an anchor: they all stand in the reviewed state
repository, and nodes send no intermediates. Dates are judged at the given time.
Names in the certificate (manufacturer, model) and revocation are not judged.

Source: TCG EK Credential Profile 2.5, 3.2 (certificate), B.3.3 and B.3.4 (templates
L-1 and L-2); RFC 5280, 6.1.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reconciler.attest.endorsement import der
from reconciler.attest.endorsement.certificate import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    Certificate,
    is_signed_by,
    load_spki,
    parse_certificate,
    parse_pem,
)
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey
from reconciler.attest.verdict import Reason

_EK_CERTIFICATE = bytes.fromhex("06056781050801")  # 2.23.133.8.1, tcg-kp-EKCertificate
_WHAT = "certificate extension"
_KEY_ENCIPHERMENT, _KEY_AGREEMENT, _CERTIFICATE_SIGN = 0x20, 0x08, 0x04
_RSA_BITS = 2048
_EK_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_ATTRIBUTES = 0x000300B2
# subjectAltName, certificatePolicies, authorityKeyIdentifier, cRLDistributionPoints, subjectDirectoryAttributes,
# subjectKeyIdentifier: they narrow nothing that is decided here.
_HARMLESS = frozenset(bytes.fromhex(text) for text in ("551d11", "551d20", "551d23", "551d1f", "551d09", "551d0e"))
_UNDERSTOOD = _HARMLESS | {BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE}


def check_endorsement(
    data: bytes, *, roots: Sequence[bytes], endorsement: str, at: datetime
) -> tuple[list[Reason], PublicKey | None]:
    """Judge the EK certificate in ``data``; return what speaks against it, and its key if it has a usable one.

    1. It parses, and any padding after it is cut.
    2. A root named as its issuer signed it, may do so, and both are within their dates.
    3. It is an end-entity certificate for an EK, without unknown critical extensions.
    4. Its key is the one that the node's document pins.
    5. Its key is of a kind whose template is known.
    """
    try:
        certificate = parse_certificate(data)
        reasons = list(_check_usage(certificate))
    except MalformedError as error:
        return [Reason(code="EkCertificateMalformed", message=str(error))], None
    anchors = [anchor for bundle in roots for anchor in parse_pem(bundle)]
    reasons = [*_check_issuer(certificate, anchors=anchors, at=at), *reasons]
    found = f"sha256:{hashlib.sha256(certificate.spki).hexdigest()}"
    if not hmac.compare_digest(found, endorsement):
        message = "the EK is not the one that the node's document names"
        reasons.append(Reason(code="EndorsementMismatch", message=message, expected=endorsement, found=found))
    try:
        key = load_spki(certificate.spki)
        ek_name(key)
    except MalformedError as error:
        return [*reasons, Reason(code="EkKeyUnsupported", message=str(error))], None
    return reasons, key


def _check_issuer(certificate: Certificate, *, anchors: Sequence[Certificate], at: datetime) -> Iterator[Reason]:
    named = [anchor for anchor in anchors if anchor.subject == certificate.issuer]
    if not named:
        yield Reason(code="EkIssuerUnknown", message="none of the trusted roots is the EK certificate's issuer")
    issuer = next((anchor for anchor in named if is_signed_by(certificate, anchor)), None)
    if named and issuer is None:
        yield Reason(code="EkSignatureInvalid", message="the EK certificate is not signed by the issuer that it names")
    if issuer is not None and not _may_issue(issuer):
        yield Reason(code="EkIssuerUnfit", message="the issuer's certificate is not that of a certificate authority")
    for what, judged in (("the EK certificate", certificate), ("its issuer's certificate", issuer)):
        if judged is not None and not judged.not_before <= at <= judged.not_after:
            dates = f"{judged.not_before.isoformat()} to {judged.not_after.isoformat()}"
            yield Reason(
                code="EkCertificateExpired",
                message=f"{what} is outside its dates",
                expected=dates,
                found=at.isoformat(),
            )


def _check_usage(certificate: Certificate) -> Iterator[Reason]:
    if _is_authority(certificate):
        yield Reason(code="EkCertificateUsage", message="the certificate is that of a certificate authority")
    usage = _key_usage(certificate)
    if usage is not None and not usage & (_KEY_ENCIPHERMENT | _KEY_AGREEMENT):
        yield Reason(code="EkCertificateUsage", message="the certificate's key may not receive secrets")
    extended = certificate.extensions.get(EXTENDED_KEY_USAGE)
    if extended is not None:
        purposes = der.elements(der.first_element(extended.value, what=_WHAT).content, what=_WHAT)
        if _EK_CERTIFICATE not in {purpose.raw for purpose in purposes}:
            yield Reason(code="EkCertificateUsage", message="the certificate is not for an endorsement key")
    for identifier, extension in certificate.extensions.items():
        if extension.critical and identifier not in _UNDERSTOOD:
            message = "a critical extension is not understood"
            yield Reason(code="EkCertificateExtension", message=message, found=identifier.hex())


def _may_issue(issuer: Certificate) -> bool:
    try:
        usage = _key_usage(issuer)
        understood = all(name in _UNDERSTOOD for name, extension in issuer.extensions.items() if extension.critical)
        return _is_authority(issuer) and understood and (usage is None or bool(usage & _CERTIFICATE_SIGN))
    except MalformedError:
        return False


def _is_authority(certificate: Certificate) -> bool:
    extension = certificate.extensions.get(BASIC_CONSTRAINTS)
    if extension is None:
        return False
    first = next(der.elements(der.first_element(extension.value, what=_WHAT).content, what=_WHAT), None)
    return first is not None and first.tag == der.BOOLEAN and first.content == b"\xff"


def _key_usage(certificate: Certificate) -> int | None:
    extension = certificate.extensions.get(KEY_USAGE)
    if extension is None:
        return None
    bits = der.first_element(extension.value, what=_WHAT)
    if bits.tag != der.BIT_STRING or len(bits.content) < 2:  # noqa: PLR2004 - the count of unused bits, and bits
        raise MalformedError(_WHAT, "the key usage is not a string of bits")
    return bits.content[1]


def ek_public_key(certificate_der: bytes) -> PublicKey:
    """Return the key of an EK certificate, padding allowed after it; raise MalformedError if there is none.

    It is *not* checked whose certificate it is: a credential may be made for any key, and is judged later.
    """
    return load_spki(parse_certificate(certificate_der).spki)


def ek_name(key: PublicKey) -> bytes:
    """Return the name of the EK that a TPM makes of the TCG's template and ``key``.

    RSA-2048 is template L-1, P-256 is L-2; MalformedError for any other key.
    """
    parameters: bytes
    unique: tuple[bytes, ...]
    match key:
        case rsa.RSAPublicKey() if key.key_size == _RSA_BITS:
            kind, parameters = 0x0001, struct.pack(">HI", _RSA_BITS, 0)
            unique = (key.public_numbers().n.to_bytes(256),)
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            kind, parameters = 0x0023, struct.pack(">HH", 0x0003, 0x0010)
            point = key.public_numbers()
            unique = (point.x.to_bytes(32), point.y.to_bytes(32))
        case _:
            raise MalformedError("endorsement key", "is neither RSA-2048 nor P-256")
    head = struct.pack(">HHIH32s", kind, 0x000B, _ATTRIBUTES, 32, _EK_POLICY)
    aes_128_cfb_without_scheme = struct.pack(">HHHH", 0x0006, 128, 0x0043, 0x0010)
    body = b"".join(struct.pack(">H", len(part)) + part for part in unique)
    return b"\x00\x0b" + hashlib.sha256(head + aes_128_cfb_without_scheme + parameters + body).digest()
