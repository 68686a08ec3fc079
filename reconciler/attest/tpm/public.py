"""Public areas of TPM objects: parsing a TPMT_PUBLIC, and the names that follow from it.

Bounded, without trailing bytes. Whether a key may be used for something is not checked
here but in ``attestation_key`` and ``endorsement``.

Source: TPM 2.0 Part 1, 16 (names); Part 2, 12.2 (TPMT_PUBLIC).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reconciler.attest.algorithms import CURVES, DIGEST_SIZES, ECC, HASHES, NULL, RSA, digest
from reconciler.attest.reader import MalformedError, Reader

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_WHAT = "public area"
_MAX_DIGEST = 64
_MAX_MODULUS = 512
_MAX_COORDINATE = 66
_DEFAULT_EXPONENT = 65537
_ENDORSEMENT_HIERARCHY = struct.pack(">I", 0x4000000B)
_MAX_AREA = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicArea:
    """A TPMT_PUBLIC; ``raw`` is all of it, ``scheme`` and ``scheme_hash`` are NULL where the key names none."""

    raw: bytes
    name_algorithm: int
    attributes: int
    symmetric: int
    scheme: int
    scheme_hash: int
    key: PublicKey


def parse_public(raw: bytes) -> PublicArea:
    """Return the RSA or ECC public area in ``raw``; raise MalformedError if it is none."""
    if len(raw) > _MAX_AREA:
        raise MalformedError(_WHAT, f"{len(raw)} bytes long, at most {_MAX_AREA} are allowed")
    reader = Reader(raw, what=_WHAT)
    kind, name_algorithm, attributes = reader.integer(2), reader.integer(2), reader.integer(4)
    reader.sized(limit=_MAX_DIGEST)  # The policy; a restricted signing key may be used in any way it allows.
    symmetric = reader.integer(2)
    if symmetric != NULL:
        reader.take(4)
    scheme = reader.integer(2)
    scheme_hash = NULL if scheme == NULL else reader.integer(2)
    try:
        key = _parse_key(kind, reader)
    except ValueError as error:
        raise MalformedError(_WHAT, "does not hold a valid public key") from error
    reader.finish()
    if name_algorithm not in HASHES:  # SHA-1 makes a name too; whether it may is for ``attestation_key`` to say.
        raise MalformedError(_WHAT, f"its name algorithm 0x{name_algorithm:04x} is not known")
    return PublicArea(
        raw=raw,
        name_algorithm=name_algorithm,
        attributes=attributes,
        symmetric=symmetric,
        scheme=scheme,
        scheme_hash=scheme_hash,
        key=key,
    )


def _parse_key(kind: int, reader: Reader) -> PublicKey:
    if kind == RSA:
        reader.integer(2)  # The key's size in bits, which the modulus says better.
        exponent = reader.integer(4) or _DEFAULT_EXPONENT
        modulus = int.from_bytes(reader.sized(limit=_MAX_MODULUS))
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if kind == ECC:
        curve = CURVES.get(reader.integer(2))
        if curve is None:
            raise MalformedError(_WHAT, "its curve is not P-256, P-384 or P-521")
        if reader.integer(2) != NULL:
            reader.integer(2)  # A key derivation's hash.
        x, y = reader.sized(limit=_MAX_COORDINATE), reader.sized(limit=_MAX_COORDINATE)
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    raise MalformedError(_WHAT, f"its type 0x{kind:04x} is neither RSA nor ECC")


def name_of(area: PublicArea) -> bytes:
    """Return the name of the object with ``area``: its name algorithm and the hash of all of it."""
    return _name(area.name_algorithm, area.raw)


def ak_name(ak_public: bytes) -> bytes:
    """Return the name of the attestation key whose TPMT_PUBLIC is ``ak_public``; raise MalformedError if it is none."""
    return name_of(parse_public(ak_public))


def qualified_name(ak: PublicArea, *, ek_name: bytes) -> bytes:
    """Return the qualified name of an AK that was made under the EK called ``ek_name``.

    The EK is a primary object of the endorsement hierarchy. Raise MalformedError if ``ek_name`` is no name. Source:
    TPM 2.0 Part 1, 16 (QN := nameAlg of the child, and its hash of the parent's QN and the child's name).
    """
    ek_qualified = qualify(ek_name, parent=_ENDORSEMENT_HIERARCHY)
    return qualify(name_of(ak), parent=ek_qualified)


def qualify(name: bytes, *, parent: bytes) -> bytes:
    """Return the qualified name of the object called ``name`` under one with the qualified name ``parent``.

    A hierarchy's qualified name is its handle. Raise MalformedError if ``name`` is not the name of an object: a hash
    algorithm and as many bytes as it makes.
    """
    algorithm = int.from_bytes(name[:2])
    if DIGEST_SIZES.get(algorithm) != len(name) - 2:
        raise MalformedError("name", f"{len(name)} bytes that begin with {name[:2].hex()} are not an object's name")
    return _name(algorithm, parent + name)


def _name(algorithm: int, data: bytes) -> bytes:
    return struct.pack(">H", algorithm) + digest(algorithm, data)
