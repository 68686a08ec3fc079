from __future__ import annotations

import base64

import pytest

from reconciler.attest.algorithms import ECDSA
from reconciler.attest.tpm.creation import check_creation, parse_creation_data
from reconciler.attest.tpm.credential import identity_object
from reconciler.attest.tpm.public import PublicArea, parse_public
from reconciler.attest.tpm.signature import make_verifier, parse_signature
from tests.conformance.vectors import document, needs_vectors
from tests.support.lies import flip

pytestmark = needs_vectors


def test_go_tpms_credential_is_byte_equal() -> None:
    vector = document("go-tpm/credactivation.json")
    made = identity_object(
        bytes.fromhex(vector["ak_name_hex"]), secret=bytes.fromhex(vector["secret_hex"]), seed=bytes(32)
    )
    blob = base64.b64decode(vector["rsa_blob_b64"])
    assert blob.startswith(len(made).to_bytes(2) + made)


def test_keylimes_credential_is_byte_equal() -> None:
    vector = document("keylime/make-credential.json")
    made = identity_object(
        bytes.fromhex(vector["ak_name"]), secret=bytes.fromhex(vector["secret"]), seed=bytes.fromhex(vector["seed"])
    )
    first = bytes.fromhex(vector["credential_first_80_bytes"])
    assert first == bytes.fromhex("badcc0de00000001") + len(made).to_bytes(2) + made + b"\x01\x00"


def creation(name: str) -> tuple[bytes, bytes, PublicArea, bytes]:
    """Return attestation, signature, key and creation data of go-attestation's vector ``name``."""
    vector = {key: base64.b64decode(value) for key, value in document(f"go-attestation/activation-{name}.json").items()}
    return vector["CreateAttestation"], vector["CreateSignature"], parse_public(vector["Public"]), vector["CreateData"]


def codes(attestation: bytes, signature: bytes, *, ak: PublicArea, data: bytes) -> list[str]:
    found = check_creation(attestation, signature=signature, ak=ak, creation_data=data, parent_name=None)
    return [reason.code for reason in found]


KINDS = ["TestActivation", "TestECCActivation"]


@pytest.mark.parametrize("name", KINDS)
def test_go_attestations_keys_name_creation_hash_and_signature_hold_and_only_sha1_speaks_against_them(
    name: str,
) -> None:
    attestation, signature, ak, data = creation(name)
    assert codes(attestation, signature, ak=ak, data=data) == ["CreationSignatureScheme"]
    assert ak.scheme_hash == 0x0004
    assert parse_creation_data(data).parent_name[:2] == b"\0\x0b"


@pytest.mark.parametrize("name", KINDS)
def test_a_change_to_go_attestations_creations_is_told_by_its_reason(name: str) -> None:
    attestation, signature, ak, data = creation(name)
    for index in range(len(signature)):
        assert set(codes(attestation, flip(signature, index), ak=ak, data=data)) & {
            "CreationSignatureInvalid",
            "CreationMalformed",
        } or codes(attestation, flip(signature, index), ak=ak, data=data) == ["CreationSignatureScheme"]
    assert codes(flip(attestation, -1), signature, ak=ak, data=data) == [
        "CreationSignatureScheme",
        "CreationSignatureInvalid",
        "CreationHashMismatch",
    ]
    assert "CreationHashMismatch" in codes(attestation, signature, ak=ak, data=flip(data, -3))


def test_an_elliptic_curve_signature_on_the_rsa_key_fails() -> None:
    attestation, _, ak, data = creation("TestActivation")
    _, signature, other, _ = creation("TestECCActivation")
    assert codes(attestation, signature, ak=ak, data=data) == ["CreationSignatureScheme"]
    by_rsa_key = make_verifier(ak.key, scheme=ECDSA, hash_algorithm=0x0004)
    by_its_own = make_verifier(other.key, scheme=ECDSA, hash_algorithm=0x0004)
    attested_by_other, parts = creation("TestECCActivation")[0], parse_signature(signature).parts
    assert by_its_own.holds(attested_by_other, parts)
    assert not by_rsa_key.holds(attested_by_other, parts)
    assert not by_rsa_key.holds(attestation, parts)
