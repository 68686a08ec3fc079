from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from reconciler.attest.endorsement.ek import ek_public_key
from reconciler.attest.tpm.credential import SEED_LABEL, agree, check_activation, make_credential
from reconciler.attest.tpm.public import PublicKey, ak_name
from tests.support import softkeys
from tests.support.softtpm import SoftTpm

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
