import hashlib
import struct
from typing import Any

import pytest

from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.creation import check_creation, parse_creation_data
from reconciler.attest.tpm.public import PublicArea, parse_public
from tests.support.lies import flip
from tests.support.softtpm import SoftTpm, name_of, tpm2b

TPM = SoftTpm("creating")
AK = parse_public(TPM.ak_public)
PARENT = b"\0\x0b" + b"\x11" * 32
DATA = (
    struct.pack(">IHB", 1, 0x000B, 3)
    + b"\1\0\0"
    + tpm2b(b"\x22" * 32)
    + b"\1\0\x0b"
    + tpm2b(PARENT)
    + tpm2b(b"\0\x0b" + b"\x33" * 32)
    + tpm2b(b"why")
)


def attested(
    *, magic: int = 0xFF544347, kind: int = 0x801A, name: bytes = name_of(TPM.ak_public), data: bytes = DATA
) -> bytes:
    head = struct.pack(">IH", magic, kind) + tpm2b(b"\0\x0b" + bytes(32)) + tpm2b(b"") + bytes(25)
    return head + tpm2b(name) + tpm2b(hashlib.sha256(data).digest())


def codes(attestation: bytes, *, parent: bytes | None = PARENT, **changes: Any) -> list[str]:  # noqa: ANN401 - any one
    ak: PublicArea = changes.get("ak", AK)
    found = check_creation(
        attestation,
        signature=changes.get("signature", TPM.sign(attestation, TPM.ak)),
        ak=ak,
        creation_data=changes.get("data", DATA),
        parent_name=parent,
    )
    return [reason.code for reason in found]


def test_a_key_that_the_tpm_made_has_nothing_against_it() -> None:
    assert codes(attested()) == []
    assert codes(attested(), parent=None) == []


def test_the_creation_data_are_read_as_the_tpm_wrote_them() -> None:
    data = parse_creation_data(DATA)
    assert (data.selection, data.pcr_digest, data.locality) == (((0x000B, (0,)),), b"\x22" * 32, 1)
    assert (data.parent_name_algorithm, data.parent_name, data.outside_info) == (0x000B, PARENT, b"why")


@pytest.mark.parametrize(
    ("attestation", "found"),
    [
        (attested(magic=0), ["NotACreation"]),
        (attested(kind=0x8019), ["NotACreation"]),
        (attested(name=name_of(SoftTpm("another").ak_public)), ["CreationNameMismatch"]),
        (attested(data=DATA + b"x"), ["CreationHashMismatch"]),
        (attested() + b"\0", ["CreationMalformed"]),
        (attested()[:-1], ["CreationMalformed"]),
    ],
)
def test_each_field_of_the_attestation_is_held_against_the_key(attestation: bytes, found: list[str]) -> None:
    assert codes(attestation) == found


def test_the_signature_is_the_keys_own() -> None:
    good = TPM.sign(attested(), TPM.ak)
    assert codes(attested(), signature=flip(good, -1)) == ["CreationSignatureInvalid"]
    assert codes(attested(), signature=good[:2] + b"\0\x0c" + good[4:]) == ["CreationSignatureScheme"]
    assert codes(attested(), signature=good + b"\0") == ["CreationMalformed"]


def test_a_parent_that_is_not_the_expected_one_is_refused() -> None:
    assert codes(attested(), parent=flip(PARENT, -1)) == ["CreationParentMismatch"]


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"\0", struct.pack(">I", 17)])
def test_malformed_creation_data_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_creation_data(data)
    assert codes(attested(), data=data) == ["CreationMalformed"]
