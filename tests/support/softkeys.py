"""Keys and EK certificates for software TPMs: one manufacturer's CA, one key pair per label.

Keys are derived from their labels at run time, so that a generated world is the same
world the next time, and cached, so that hundreds of worlds are cheap. They protect
nothing.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EK_CERTIFICATE_USAGE = ObjectIdentifier("2.23.133.8.1")
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2060, 1, 1, tzinfo=UTC)


@cache
def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key of ``label``."""
    scalar = int.from_bytes(hashlib.sha512(b"ringfence test key " + label.encode()).digest()) % (P256_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


@cache
def rsa_key(label: str) -> rsa.RSAPrivateKey:
    """Return the RSA-2048 key of ``label`` in this process."""
    del label
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def spki(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    """Return the DER SubjectPublicKeyInfo of ``key``."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@cache
def root(manufacturer: str, *, is_ca: bool = True, begin: datetime = BEGIN, end: datetime = END) -> x509.Certificate:
    """Return the self-signed certificate of ``manufacturer``."""
    key = ec_key(f"manufacturer {manufacturer}")
    return (
        x509.CertificateBuilder()
        .subject_name(_name(manufacturer))
        .issuer_name(_name(manufacturer))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=is_ca), critical=True)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )


def root_pem(manufacturer: str) -> bytes:
    """Return the PEM certificate that stands in a state repository's trust/ek-roots."""
    return root(manufacturer).public_bytes(serialization.Encoding.PEM)


@cache
def ek_certificate(
    label: str,
    *,
    kind: str = "ecc",
    manufacturer: str = "Ringfence Test TPMs",
    is_ca: bool = False,
    usage: ObjectIdentifier | None = EK_CERTIFICATE_USAGE,
    begin: datetime = BEGIN,
    end: datetime = END,
) -> bytes:
    """Return the DER EK certificate of ``label``, signed by ``manufacturer``."""
    key = (ec_key if kind == "ecc" else rsa_key)(f"ek {label}").public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(f"EK of {label}"))
        .issuer_name(_name(manufacturer))
        .public_key(key)
        .serial_number(int.from_bytes(hashlib.sha256(label.encode()).digest()[:8]) + 1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=is_ca), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signed = builder.sign(ec_key(f"manufacturer {manufacturer}"), hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)
