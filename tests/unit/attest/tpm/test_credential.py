import hashlib
import hmac
import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from reconciler.attest.algorithms import BANK_NAMES
from reconciler.attest.endorsement.ek import ek_public_key
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.credential import (
    L_TEMPLATE,
    SEED_LABEL,
    agree,
    check_activation,
    identity_object,
    make_credential,
    protection_of,
)
from reconciler.attest.tpm.public import PublicKey, ak_name
from tests.support import softkeys
from tests.support.softtpm import SoftTpm, tpm2b

SECRET, SEED = bytes(range(32)), bytes(range(32, 64))


def encrypt(key: PublicKey, seed: bytes) -> bytes:
    assert isinstance(key, rsa.RSAPublicKey)
    return key.encrypt(seed, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), SEED_LABEL))


@pytest.mark.parametrize("secret", [SECRET, SECRET[:16]])
def test_the_tpm_that_a_credential_was_made_for_opens_it(secret: bytes) -> None:
    tpm = SoftTpm("n1", ek="rsa")
    key = ek_public_key(tpm.ek_certificate)
    made = make_credential(key, ak_name(tpm.ak_public), secret=secret, seed=SEED, encrypt=encrypt)
    assert tpm.activate(made.credential_blob, made.encrypted_secret) == secret


def test_an_elliptic_curve_ek_agrees_on_the_seed() -> None:
    tpm = SoftTpm("n1")
    key = ek_public_key(tpm.ek_certificate)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    seed, point = agree(key, ephemeral=softkeys.ec_key("ephemeral"))
    made = make_credential(key, ak_name(tpm.ak_public), secret=SECRET, seed=seed, encrypt=lambda *_: point)
    assert tpm.activate(made.credential_blob, made.encrypted_secret) == SECRET


@pytest.mark.parametrize(
    ("curve", "hash_name", "key_bits"), [(ec.SECP384R1(), "sha384", 256), (ec.SECP521R1(), "sha512", 256)]
)
def test_a_larger_curve_protects_by_a_larger_hash_and_cipher(
    curve: ec.EllipticCurve, hash_name: str, key_bits: int
) -> None:
    ek, ephemeral = ec.derive_private_key(7, curve), ec.derive_private_key(11, curve)
    protection = protection_of(ek.public_key())
    assert (BANK_NAMES[protection.hash], protection.key_bits) == (hash_name, key_bits)
    seed, point = agree(ek.public_key(), ephemeral=ephemeral)
    size = (curve.key_size + 7) // 8
    own, peer = ephemeral.public_key().public_numbers(), ek.public_key().public_numbers()
    shared = ek.exchange(ec.ECDH(), ephemeral.public_key())
    data = b"\0\0\0\1" + shared + b"IDENTITY\0" + own.x.to_bytes(size) + peer.x.to_bytes(size)
    assert seed == hashlib.new(hash_name, data).digest()
    assert point == tpm2b(own.x.to_bytes(size)) + tpm2b(own.y.to_bytes(size))
    name = b"\0\x0b" + bytes(32)
    made = identity_object(name, secret=SECRET, seed=seed, protection=protection)
    outer, identity = made[2 : 2 + len(seed)], made[2 + len(seed) :]
    integrity = hmac.digest(seed, b"\0\0\0\1INTEGRITY\0" + struct.pack(">I", 8 * len(seed)), hash_name)
    assert outer == hmac.digest(integrity, identity + name, hash_name)
    key = hmac.digest(seed, b"\0\0\0\1STORAGE\0" + name + b"\0\0\1\0", hash_name)[:32]
    plain = Cipher(algorithms.AES(key), CFB(bytes(16))).decryptor().update(identity)
    assert plain == tpm2b(SECRET)


def test_an_ek_without_a_known_template_protects_nothing() -> None:
    assert protection_of(softkeys.rsa_key("ek").public_key()) == L_TEMPLATE
    numbers = rsa.RSAPublicNumbers(65537, (1 << 1535) + 1)
    with pytest.raises(MalformedError, match="1536 bits"):
        protection_of(numbers.public_key())


def test_no_other_attestation_key_opens_it() -> None:
    tpm, other = SoftTpm("n1", ek="rsa"), SoftTpm("n2")
    key = ek_public_key(tpm.ek_certificate)
    made = make_credential(key, ak_name(other.ak_public), secret=SECRET, seed=SEED, encrypt=encrypt)
    with pytest.raises(AssertionError, match="integrity"):
        tpm.activate(made.credential_blob, made.encrypted_secret)


def codes(tpm: SoftTpm, name: bytes | None, **changes: bytes) -> list[str]:
    activation = replace(tpm.issue("session"), **changes)
    return [reason.code for reason in check_activation(activation, ak_name=name)]


def test_an_activation_holds_only_for_the_key_that_it_was_issued_for() -> None:
    tpm = SoftTpm("n1")
    name = ak_name(tpm.ak_public)
    assert codes(tpm, name) == []
    assert codes(tpm, ak_name(SoftTpm("n2").ak_public)) == ["CredentialMismatch"]
    assert codes(tpm, name, returned=b"") == ["ActivationFailed"]
    assert codes(tpm, None) == []
    assert codes(tpm, None, returned=b"") == ["ActivationFailed"]


def test_an_empty_secret_proves_nothing() -> None:
    tpm = SoftTpm("n1")
    assert codes(tpm, None, secret=b"", returned=b"") == ["ActivationFailed"]
