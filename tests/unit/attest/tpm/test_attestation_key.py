import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.attestation_key import check_attestation_key
from reconciler.attest.tpm.public import ak_name, name_of, parse_public, qualified_name, qualify
from reconciler.attest.verdict import Reason
from tests.support import softkeys
from tests.support.softtpm import AK_ATTRIBUTES, SoftTpm, ak_public_area, tpm2b
from tests.support.softtpm import name_of as name_by_the_tpm

KEY = softkeys.ec_key("ak n1").public_key()
GOOD = ak_public_area(KEY)
POINT = GOOD[-68:]
MODULUS = softkeys.rsa_key("ak").public_key().public_numbers().n


def reasons(area: bytes) -> list[Reason]:
    return list(check_attestation_key(parse_public(area)))


def rsa_area(*, scheme: int = 0x0014, scheme_hash: int = 0x000B, exponent: int = 0, modulus: int = MODULUS) -> bytes:
    size = modulus.bit_length()
    head = struct.pack(">HHIH", 0x0001, 0x000B, AK_ATTRIBUTES, 0) + struct.pack(">HHH", 0x0010, scheme, scheme_hash)
    return head + struct.pack(">HI", size, exponent) + tpm2b(modulus.to_bytes((size + 7) // 8))


def ecc_area(key: ec.EllipticCurvePublicKey, *, curve: int) -> bytes:
    numbers, size = key.public_numbers(), (key.key_size + 7) // 8
    head = struct.pack(">HHIH", 0x0023, 0x000B, AK_ATTRIBUTES, 0)
    scheme = struct.pack(">HHHHH", 0x0010, 0x0018, 0x000C, curve, 0x0010)
    return head + scheme + tpm2b(numbers.x.to_bytes(size)) + tpm2b(numbers.y.to_bytes(size))


@pytest.mark.parametrize(
    "area",
    [
        GOOD,
        rsa_area(),
        rsa_area(scheme=0x0016, scheme_hash=0x000D, exponent=65537),
        ecc_area(ec.generate_private_key(ec.SECP384R1()).public_key(), curve=4),
        ecc_area(ec.generate_private_key(ec.SECP521R1()).public_key(), curve=5),
    ],
)
def test_good_attestation_keys_are_accepted(area: bytes) -> None:
    assert reasons(area) == []


def test_the_name_of_a_key_is_what_its_tpm_says_it_is() -> None:
    tpm = SoftTpm("n1")
    assert ak_name(tpm.ak_public) == name_of(parse_public(tpm.ak_public)) == name_by_the_tpm(tpm.ak_public)


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0x2, "fixedTPM"),
        (0x10, "fixedParent"),
        (0x20, "sensitiveDataOrigin"),
        (0x400, "noDA"),
        (0x10000, "restricted"),
        (0x40000, "sign"),
    ],
)
def test_a_key_without_an_attribute_is_refused_by_its_name(bit: int, name: str) -> None:
    (reason,) = reasons(ak_public_area(KEY, attributes=AK_ATTRIBUTES & ~bit))
    assert (reason.code, reason.expected) == ("AkAttributes", name)


def test_a_key_that_decrypts_is_refused() -> None:
    (reason,) = reasons(ak_public_area(KEY, attributes=AK_ATTRIBUTES | 0x20000))
    assert (reason.code, reason.found) == ("AkAttributes", "decrypt")


@pytest.mark.parametrize(
    "area",
    [
        rsa_area(scheme=0x0018),
        rsa_area(scheme_hash=0x0004),
        GOOD.replace(bytes.fromhex("0018000b0003"), bytes.fromhex("0014000b0003")),
        GOOD.replace(bytes.fromhex("00100018000b0003"), bytes.fromhex("0006008000430018000b0003")),
        GOOD.replace(bytes.fromhex("0018000b0003"), bytes.fromhex("00100003")),
        rsa_area(modulus=(1 << 1024) - 105),
    ],
)
def test_a_key_of_another_scheme_or_strength_is_refused(area: bytes) -> None:
    assert [reason.code for reason in reasons(area)] == ["AkAlgorithm"]


@pytest.mark.parametrize(
    ("area", "message"),
    [
        (b"", "ends within"),
        (bytes(3000), "at most"),
        (GOOD + b"\0", "too many"),
        (GOOD[:8] + b"\xff\xff" + GOOD[10:], "at most 64"),
        (b"\0\x08" + GOOD[2:], "neither RSA nor ECC"),
        (GOOD[:2] + b"\0\x12" + GOOD[4:], "name algorithm 0x0012"),
        (GOOD.replace(bytes.fromhex("0018000b0003"), bytes.fromhex("0018000b0010")), "curve"),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "valid public key"),
        (rsa_area(modulus=(1 << 16) + 1), "valid public key"),
    ],
)
def test_a_malformed_public_area_is_refused_and_says_why(area: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_public(area)


def test_a_key_derivation_scheme_is_read_over() -> None:
    area = GOOD[:-70] + bytes.fromhex("0020000b") + POINT
    assert parse_public(area).key.public_numbers() == KEY.public_numbers()
    assert replace(parse_public(area), raw=b"") == replace(parse_public(GOOD), raw=b"")


@pytest.mark.parametrize(
    ("algorithm", "hasher"),
    [(0x0004, hashlib.sha1), (0x000B, hashlib.sha256), (0x000C, hashlib.sha384), (0x000D, hashlib.sha512)],
)
def test_names_and_qualified_names_are_made_with_the_keys_own_name_algorithm(
    algorithm: int, hasher: Callable[[bytes], Any]
) -> None:
    area = GOOD[:2] + struct.pack(">H", algorithm) + GOOD[4:]
    name = struct.pack(">H", algorithm) + hasher(area).digest()
    assert ak_name(area) == name
    ek = b"\0\x0c" + bytes(48)
    above = b"\0\x0c" + hashlib.sha384(b"\x40\0\0\x0b" + ek).digest()
    expected = struct.pack(">H", algorithm) + hasher(above + name).digest()
    assert qualified_name(parse_public(area), ek_name=ek) == expected


@pytest.mark.parametrize("name", [b"", b"\0\x0b", b"\0\x0b" + bytes(31), b"\0\x12" + bytes(32)])
def test_what_is_not_a_name_is_not_qualified(name: bytes) -> None:
    with pytest.raises(MalformedError, match="not an object's name"):
        qualify(name, parent=b"")


def test_a_key_that_is_named_by_sha1_is_refused() -> None:
    (reason,) = reasons(GOOD[:2] + b"\0\x04" + GOOD[4:])
    assert (reason.code, reason.found) == ("AkAlgorithm", "0x0004")
