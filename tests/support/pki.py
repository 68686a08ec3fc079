"""Certificate authorities of TPM makers, made at run time: chains, EK certificates, revocation lists, odd DER."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support import softkeys

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
EARLIER, LATER = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
PAST, LONG_PAST = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
END_ENTITY = x509.BasicConstraints(ca=False, path_length=None)
SIGNS = softkeys._usage(signs_certificates=True)
RECEIVES = softkeys._usage(signs_certificates=False)
EK_USAGE = x509.ExtendedKeyUsage([softkeys.EK_CERTIFICATE_USAGE])
SERVER_USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
Extensions = Sequence[tuple[x509.ExtensionType, bool]]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def element(tag: int, *contents: bytes) -> bytes:
    """Return the DER element with ``tag`` around ``contents``."""
    content = b"".join(contents)
    size = len(content)
    length = (
        bytes([size])
        if size < 0x80
        else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8)
    )
    return bytes([tag]) + length + content


def sequence(*contents: bytes) -> bytes:
    """Return a DER SEQUENCE of ``contents``."""
    return element(0x30, *contents)


def oid(dotted: str) -> bytes:
    """Return a DER OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    encoded = b""
    for arc in (40 * first + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(0x80 | arc & 0x7F)
        encoded += bytes(reversed(octets))
    return element(0x06, encoded)


def raw_extension(dotted: str, value: bytes) -> x509.UnrecognizedExtension:
    """Return an extension with any value."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), value)


def name(common_name: str) -> x509.Name:
    """Return a name of one attribute; an empty one for an empty text."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A maker's authority: its name, its key, and a certificate for it."""

    subject: x509.Name
    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """Return the certificate as it stands in a state repository."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """Return the certificate's DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """Return an RSA key of this size, weak ones too, the same in this process."""
    return rsa.generate_private_key(65537, bits)


def certify(
    subject: x509.Name,
    key: object,
    *,
    by: Authority | None = None,
    signer: object = None,
    extensions: Extensions = (),
    serial: int = 7,
    begin: datetime = softkeys.BEGIN,
    end: datetime = softkeys.END,
    algorithm: hashes.HashAlgorithm | None = None,
    pss: padding.PSS | None = None,
) -> x509.Certificate:
    """Return a certificate for the public ``key``, signed by ``by``, or by ``signer`` in the subject's own name."""
    builder = x509.CertificateBuilder(by.subject if by else subject, subject, key, serial, begin, end)  # type: ignore[arg-type]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(by.key if by else signer, algorithm or hashes.SHA256(), rsa_padding=pss)  # type: ignore[arg-type]


def authority(
    label: str,
    *,
    by: Authority | None = None,
    key: PrivateKey | None = None,
    extensions: Extensions = ((AUTHORITY, True), (SIGNS, True)),
    serial: int = 1,
    begin: datetime = softkeys.BEGIN,
    end: datetime = softkeys.END,
    algorithm: hashes.HashAlgorithm | None = None,
    pss: padding.PSS | None = None,
) -> Authority:
    """Return an authority called ``label``, a root unless ``by`` another."""
    own = key or softkeys.ec_key(f"authority {label}")
    made = certify(
        name(label),
        own.public_key(),
        by=by,
        signer=own,
        extensions=extensions,
        serial=serial,
        begin=begin,
        end=end,
        algorithm=algorithm,
        pss=pss,
    )
    return Authority(subject=name(label), key=own, certificate=made)


def ek(
    by: Authority,
    *,
    key: object = None,
    subject: str = "",
    extensions: Extensions = ((END_ENTITY, True), (RECEIVES, True)),
    serial: int = 7,
    begin: datetime = softkeys.BEGIN,
    end: datetime = softkeys.END,
    algorithm: hashes.HashAlgorithm | None = None,
    pss: padding.PSS | None = None,
) -> bytes:
    """Return the DER EK certificate of the soft TPM ``n1``, or of the public ``key``."""
    made = certify(
        name(subject),
        key or softkeys.ec_key("ek n1").public_key(),
        by=by,
        extensions=extensions,
        serial=serial,
        begin=begin,
        end=end,
        algorithm=algorithm,
        pss=pss,
    )
    return made.public_bytes(serialization.Encoding.DER)


def revocations(
    by: Authority,
    *serials: int,
    issued: datetime = EARLIER,
    due: datetime = LATER,
    reason: x509.ReasonFlags | None = None,
    entry_extensions: Extensions = (),
    extensions: Extensions = (),
    key: PrivateKey | None = None,
    issuer: x509.Name | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
    encoding: serialization.Encoding = serialization.Encoding.DER,
) -> bytes:
    """Return a revocation list of ``by`` with these serial numbers."""
    builder = x509.CertificateRevocationListBuilder(issuer or by.subject, issued, due)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder(serial, issued)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        for extension, critical in entry_extensions:
            entry = entry.add_extension(extension, critical=critical)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key or by.key, algorithm or hashes.SHA256()).public_bytes(encoding)


def sign_list(by: Authority, *fields: bytes) -> bytes:
    """Return a revocation list whose fields after the algorithm are ``fields``, signed by ``by`` (P-256)."""
    assert isinstance(by.key, ec.EllipticCurvePrivateKey)
    algorithm = sequence(oid("1.2.840.10045.4.3.2"))
    signed = sequence(element(0x02, b"\1"), algorithm, *fields)
    return sequence(signed, algorithm, element(0x03, b"\0", by.key.sign(signed, ec.ECDSA(hashes.SHA256()))))
