"""The TCG's templates for endorsement keys, and the names of the EKs made by them.

An EK's name is computed from the key in its certificate and the template alone. Keys of
RSA-2048 and P-256 may be of a low-range template (L-1, L-2) or a high-range one (H-1, H-2),
which the certificate does not tell: low comes first. Larger keys have one template each.
SM2 (H-5) is not supported: ``cryptography`` does not know the curve.

Source: TCG EK Credential Profile 2.6, B.3.3 and B.3.4 (low range), B.4.4 (high range), with
the policies that annex B lists; TPM 2.0 Part 2, 12.2.4 (TPMT_PUBLIC).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reconciler.attest.algorithms import CURVES, ECC, NULL, RSA, SHA256, SHA384, SHA512, digest
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey

_AES, _CFB = 0x0006, 0x0043
# fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt; high-range keys also userWithAuth.
_LOW_ATTRIBUTES, _HIGH_ATTRIBUTES = 0x000300B2, 0x000300F2
# PolicyA, which is PolicySecret(endorsement); PolicyB, which is PolicyA or PolicyAuthorizeNV(an index for each hash).
_POLICY_A = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_POLICIES_B: Mapping[int, bytes] = {
    SHA256: bytes.fromhex("ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0"),
    SHA384: bytes.fromhex(
        "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12"
    ),
    SHA512: bytes.fromhex(
        "b8221ca69e8550a4914de3faa6a18c072cc01208073a928d5d66d59ef79e49a4"
        "29c41a6b269571d57edb25fbdb1838425608b413cd616a5f6db5b6071af99bea"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template: what it is called, the hash of the name, and the AES key size that protects what is below the EK."""

    name: str
    is_low: bool
    name_algorithm: int
    aes_bits: int

    @property
    def attributes(self) -> int:
        """Return the TPMA_OBJECT."""
        return _LOW_ATTRIBUTES if self.is_low else _HIGH_ATTRIBUTES

    @property
    def policy(self) -> bytes:
        """Return the authPolicy."""
        return _POLICY_A if self.is_low else _POLICIES_B[self.name_algorithm]


def _template(name: str, *, name_algorithm: int, aes_bits: int) -> Template:
    return Template(name=name, is_low=name[0] == "L", name_algorithm=name_algorithm, aes_bits=aes_bits)


_RSA: Mapping[int, tuple[Template, ...]] = MappingProxyType(
    {
        2048: (
            _template("L-1", name_algorithm=SHA256, aes_bits=128),
            _template("H-1", name_algorithm=SHA256, aes_bits=128),
        ),
        3072: (_template("H-6", name_algorithm=SHA384, aes_bits=256),),
        4096: (_template("H-7", name_algorithm=SHA384, aes_bits=256),),
    }
)
_ECC: Mapping[str, tuple[Template, ...]] = MappingProxyType(
    {
        "secp256r1": (
            _template("L-2", name_algorithm=SHA256, aes_bits=128),
            _template("H-2", name_algorithm=SHA256, aes_bits=128),
        ),
        "secp384r1": (_template("H-3", name_algorithm=SHA384, aes_bits=256),),
        "secp521r1": (_template("H-4", name_algorithm=SHA512, aes_bits=256),),
    }
)


def templates_of(key: PublicKey) -> tuple[Template, ...]:
    """Return the templates that ``key`` may be of, low range first; raise MalformedError if there is none."""
    found = _RSA.get(key.key_size, ()) if isinstance(key, rsa.RSAPublicKey) else _ECC.get(key.curve.name, ())
    if not found:
        message = f"is {key_text(key)}; templates are known for RSA-2048, -3072 and -4096 and P-256, -384 and -521"
        raise MalformedError("endorsement key", message)
    return found


def key_text(key: PublicKey) -> str:
    """Return which kind of key it is: ``RSA-2048``, ``secp256r1``."""
    return f"RSA-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else key.curve.name


def ek_name(key: PublicKey) -> bytes:
    """Return the name of the EK that a TPM makes of ``key`` by the TCG's template, the low-range one if there are two.

    MalformedError for a key of which no template is known.
    """
    return ek_names(key)[0]


def ek_names(key: PublicKey) -> tuple[bytes, ...]:
    """Return the names of the EKs that a TPM may make of ``key``, low range first; raises like ``ek_name``."""
    return tuple(_name(key, template=template) for template in templates_of(key))


def _name(key: PublicKey, *, template: Template) -> bytes:
    policy = template.policy
    kind, parameters, unique = _rsa(key) if isinstance(key, rsa.RSAPublicKey) else _ecc(key)
    head = struct.pack(">HHIH", kind, template.name_algorithm, template.attributes, len(policy)) + policy
    symmetric_without_scheme = struct.pack(">HHHH", _AES, template.aes_bits, _CFB, NULL)
    body = b"".join(struct.pack(">H", len(part)) + part for part in unique)
    area = head + symmetric_without_scheme + parameters + body
    return struct.pack(">H", template.name_algorithm) + digest(template.name_algorithm, area)


def _rsa(key: rsa.RSAPublicKey) -> tuple[int, bytes, tuple[bytes, ...]]:
    # The exponent 0 stands for 65537, which is the only one that the templates have.
    return RSA, struct.pack(">HI", key.key_size, 0), (key.public_numbers().n.to_bytes(key.key_size // 8),)


def _ecc(key: ec.EllipticCurvePublicKey) -> tuple[int, bytes, tuple[bytes, ...]]:
    curve = next(number for number, known in CURVES.items() if known.name == key.curve.name)
    point, size = key.public_numbers(), (key.key_size + 7) // 8
    return ECC, struct.pack(">HH", curve, NULL), (point.x.to_bytes(size), point.y.to_bytes(size))
