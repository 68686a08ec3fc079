"""What a certificate says of its TPM: the forms that makers use, and what is missing or malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.endorsed import TpmClaims
from reconciler.attest.endorsement.manufacturer import tpm_claims
from tests.support import pki
from tests.support.pki import element, oid, raw_extension, sequence

ROOT = pki.authority("Root")
FIELDS = {"2.23.133.2.1": "id:53544D20", "2.23.133.2.2": "ST33", "2.23.133.2.3": "id:00490004"}


def pair(kind: str, text: str, *, tag: int = 0x0C) -> bytes:
    return sequence(oid(kind), element(tag, text.encode()))


def directory(*groups: bytes) -> bytes:
    return element(0xA4, sequence(*groups))


def san(*general: bytes) -> tuple[raw_extension, bool]:  # type: ignore[valid-type]
    return raw_extension("2.5.29.17", sequence(*general)), False


def claims(*extensions: object) -> TpmClaims:
    return tpm_claims(parse_certificate(pki.ek(ROOT, extensions=extensions)))  # type: ignore[arg-type]


SEPARATE = directory(*(element(0x31, pair(kind, text)) for kind, text in FIELDS.items()))
OTHER = directory(element(0x31, pair("2.5.4.3", "TPM")))
TOGETHER = directory(element(0x31, *(pair(kind, text) for kind, text in FIELDS.items())))


@pytest.mark.parametrize("general", [(SEPARATE,), (TOGETHER,), (element(0x82, b"host.example"), OTHER, TOGETHER)])
def test_manufacturer_model_and_version_are_read(general: tuple[bytes, ...]) -> None:
    found = claims(san(*general))
    assert (found.manufacturer, found.vendor, found.model, found.version) == (
        "id:53544D20",
        "STM",
        "ST33",
        "id:00490004",
    )
    assert found.remarks == ()


def test_what_is_missing_is_a_remark() -> None:
    assert claims().remarks == ("there is no subject alternative name (TCG EK Credential Profile, 3.2)",)
    assert claims(san()).remarks == tuple(
        f"the subject alternative name has no TPM {name}" for name in ("manufacturer", "model", "version")
    )


@pytest.mark.parametrize(
    ("general", "remark"),
    [
        (directory(b"\x05\x00"), "something else than sets"),
        (directory(element(0x31, pair("2.23.133.2.2", "x" * 129))), "model is not text"),
        (directory(element(0x31, pair("2.23.133.2.2", "\x1b[2J"))), "model is not text"),
        (directory(element(0x31, pair("2.23.133.2.2", "x", tag=0x02))), "model is not text"),
        (directory(element(0x31, pair("2.23.133.2.2", "a"), pair("2.23.133.2.2", "b"))), "two TPM models"),
        (b"\xa4", "header"),
    ],
)
def test_a_malformed_name_is_a_remark_and_says_nothing(general: bytes, remark: str) -> None:
    found = claims(san(general))
    assert found.model is None
    assert remark in found.remarks[0]


@pytest.mark.parametrize(
    "text", ["53544D20", "id:53544D", "id:0000000G", "id:00000000", "id:53544DFF", "id:1B1B1B1B", ""]
)
def test_a_manufacturer_that_is_no_vendor_identifier_is_a_remark(text: str) -> None:
    found = claims(san(directory(element(0x31, pair("2.23.133.2.1", text)))))
    assert (found.manufacturer, found.vendor) == (text, None)
    assert "the TPM manufacturer is not id: and eight hexadecimal digits" in found.remarks


def attributes(*values: bytes) -> tuple[object, bool]:
    return raw_extension("2.5.29.9", sequence(*values)), False


def specification(*values: bytes) -> bytes:
    return sequence(oid("2.23.133.2.16"), element(0x31, sequence(*values)))


ZERO, REVISION = element(0x02, b"\0"), element(0x02, b"\x74")


def test_the_specification_is_read() -> None:
    other = sequence(oid("2.23.133.2.18"), element(0x31, sequence()))
    found = claims(attributes(other, specification(element(0x0C, b"2.0"), ZERO, REVISION)))
    assert found.specification == "2.0 level 0 revision 116"
    assert claims(attributes(other)).specification is None


@pytest.mark.parametrize(
    "values",
    [
        (),
        (ZERO, ZERO, REVISION),
        (element(0x0C, b"2.0"), ZERO),
        (element(0x0C, b"\x1b"), ZERO, ZERO),
        (element(0x0C, b"2" * 129), ZERO, ZERO),
    ],
)
def test_a_malformed_specification_is_a_remark(values: tuple[bytes, ...]) -> None:
    found = claims(attributes(specification(*values)))
    assert found.specification is None
    assert "subject directory attributes" in found.remarks[1]


@given(st.binary(max_size=60))
def test_no_bytes_in_it_raise(data: bytes) -> None:
    claims((raw_extension("2.5.29.17", data), False), (raw_extension("2.5.29.9", data), False))
    claims(san(directory(data)), attributes(data))
