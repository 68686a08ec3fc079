from __future__ import annotations

import base64

from reconciler.attest.tpm.credential import identity_object
from tests.conformance.vectors import document, needs_vectors

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
