"""The names of EKs follow from the TCG's templates; written here a second time, from the profile's tables."""

from __future__ import annotations

import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reconciler.attest.endorsement import templates
from reconciler.attest.endorsement.templates import ek_name, ek_names, key_text, templates_of
from reconciler.attest.reader import MalformedError
from tests.support import pki, softkeys
from tests.support.softtpm import ek_public_area, name_of, tpm2b

HASHES = {0x000B: "sha256", 0x000C: "sha384", 0x000D: "sha512"}
# PolicyAuthorizeNV with the name of the NV index of each hash, as the profile's annex B has it.
POLICY_C = {
    0x000B: "3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde",
    0x000C: "d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165",
    0x000D: (
        "589ee1e146544716e8deafe6db247b01b81e9f9c7dd16b814aa159138749105f"
        "ba5388dd1dea702f35240c184933121e2c61b8f50d3ef91393a49a38c3f73fc8"
    ),
}


def policy_a(algorithm: int) -> bytes:
    """Return PolicySecret(endorsement): the command code and the hierarchy, then an empty reference."""
    hashed = HASHES[algorithm]
    size = hashlib.new(hashed).digest_size
    inner = hashlib.new(hashed, bytes(size) + struct.pack(">II", 0x151, 0x4000000B)).digest()
    return hashlib.new(hashed, inner).digest()


def policy_b(algorithm: int) -> bytes:
    """Return PolicyOR of PolicyA and PolicyC."""
    hashed = HASHES[algorithm]
    both = policy_a(algorithm) + bytes.fromhex(POLICY_C[algorithm])
    return hashlib.new(hashed, bytes(hashlib.new(hashed).digest_size) + struct.pack(">I", 0x171) + both).digest()


@pytest.mark.parametrize("algorithm", HASHES)
def test_the_policies_are_what_the_tpms_commands_compute(algorithm: int) -> None:
    assert templates._POLICIES_B[algorithm] == policy_b(algorithm)
    assert policy_a(0x000B) == templates._POLICY_A


def high_name(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, *, algorithm: int, aes: int, curve: int = 0) -> bytes:
    head = struct.pack(">HI", algorithm, 0x000300F2) + tpm2b(policy_b(algorithm))
    head += struct.pack(">HHHH", 0x0006, aes, 0x0043, 0x0010)
    if isinstance(key, rsa.RSAPublicKey):
        modulus = key.public_numbers().n.to_bytes(key.key_size // 8)
        area = struct.pack(">H", 0x0001) + head + struct.pack(">HI", key.key_size, 0) + tpm2b(modulus)
    else:
        size = {3: 32, 4: 48, 5: 66}[curve]
        point = key.public_numbers()
        area = struct.pack(">H", 0x0023) + head + struct.pack(">HH", curve, 0x0010)
        area += tpm2b(point.x.to_bytes(size)) + tpm2b(point.y.to_bytes(size))
    return struct.pack(">H", algorithm) + hashlib.new(HASHES[algorithm], area).digest()


@pytest.mark.parametrize(
    ("key", "name", "algorithm", "aes", "curve"),
    [
        (softkeys.rsa_key("a").public_key(), ["L-1", "H-1"], 0x000B, 128, 0),
        (pki.rsa_key(3072).public_key(), ["H-6"], 0x000C, 256, 0),
        (pki.rsa_key(4096).public_key(), ["H-7"], 0x000C, 256, 0),
        (softkeys.ec_key("a").public_key(), ["L-2", "H-2"], 0x000B, 128, 3),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), ["H-3"], 0x000C, 256, 4),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), ["H-4"], 0x000D, 256, 5),
    ],
)
def test_names_follow_from_the_key_and_its_template(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, name: list[str], algorithm: int, aes: int, curve: int
) -> None:
    assert [template.name for template in templates_of(key)] == name
    assert ek_names(key)[-1] == high_name(key, algorithm=algorithm, aes=aes, curve=curve)
    assert ek_name(key) == ek_names(key)[0]
    if len(name) == 2:
        assert ek_name(key) == name_of(ek_public_area(key))


@pytest.mark.parametrize("key", [pki.rsa_key(1024).public_key(), ec.generate_private_key(ec.SECP256K1()).public_key()])
def test_a_key_without_a_template_says_which_are_known(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> None:
    with pytest.raises(MalformedError, match=f"is {key_text(key)}; templates are known for RSA-2048, -3072"):
        ek_name(key)
