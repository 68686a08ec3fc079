"""Names as text and as something to compare; object identifiers as text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement.names import name_text, normal_form, relative_names
from reconciler.attest.endorsement.oids import dotted, name_of
from reconciler.attest.reader import MalformedError
from tests.support.pki import element, oid, sequence

CN, ORGANIZATION, ODD = oid("2.5.4.3"), oid("2.5.4.10"), oid("1.2.3")


def utf8(text: str) -> bytes:
    return element(0x0C, text.encode())


def group(*pairs: tuple[bytes, bytes]) -> bytes:
    return element(0x31, *(sequence(kind, value) for kind, value in pairs))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (sequence(), ""),
        (sequence(group((ORGANIZATION, utf8("Maker"))), group((CN, utf8("TPM")))), "CN=TPM,O=Maker"),
        (sequence(group((CN, utf8("a")), (ORGANIZATION, utf8("b")))), "CN=a+O=b"),
        (sequence(group((CN, utf8(' a,"b"+c;<d>\\ ')))), 'CN=\\ a\\,\\"b\\"\\+c\\;\\<d\\>\\\\\\ '),
        (sequence(group((CN, utf8("#a# b")))), "CN=\\#a# b"),
        (sequence(group((CN, utf8("\x1b[2J\u202e")))), "CN=\\1B[2J\\E2\\80\\AE"),
        (sequence(group((ODD, element(0x02, b"\1")))), "1.2.3=#020101"),
        (sequence(group((CN, element(0x0C, b"\xff")))), "CN=#0c01ff"),
        (sequence(group((CN, element(0x1E, "Ö".encode("utf-16-be"))))), "CN=Ö"),
        (sequence(group((CN, element(0x14, b"\xd6")))), "CN=Ö"),
        (sequence(CN), "#3005" + CN.hex()),
        (sequence(element(0x31, sequence(CN))), "#" + sequence(element(0x31, sequence(CN))).hex()),
        (sequence(group((CN, utf8("x" * 400)))), "CN=" + "x" * 252 + "…"),
    ],
)
def test_names_are_shown_as_rfc_4514_has_it(name: bytes, text: str) -> None:
    assert name_text(name) == text


def test_names_are_equal_whatever_their_string_type_case_and_spaces() -> None:
    one = sequence(group((CN, utf8("Straße  One ")), (ORGANIZATION, utf8("x"))))
    two = sequence(group((ORGANIZATION, element(0x13, b"X")), (CN, element(0x1E, " STRASSE one".encode("utf-16-be")))))
    assert normal_form(one) == normal_form(two)
    assert normal_form(sequence(group((CN, utf8("a"))))) != normal_form(sequence(group((ORGANIZATION, utf8("a")))))
    assert normal_form(sequence(group((CN, utf8("#0101"))))) != normal_form(sequence(group((CN, b"\x01\x01\xff"))))
    assert normal_form(b"no name") == b"no name"


@given(st.binary(max_size=80))
def test_no_bytes_make_a_name_raise(data: bytes) -> None:
    for name in (data, sequence(data), sequence(group((CN, data)))):
        assert len(name_text(name)) <= 256
        normal_form(name)
        with contextlib.suppress(MalformedError):
            list(relative_names(name))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "#"),
        (b"\x81", "#81"),
        (b"\x01" * 65, "#" + "01" * 64),
        (b"\x27", "0.39"),
        (b"\x55\x04\x03", "2.5.4.3"),
        (b"\x67\x81\x05\x08\x01", "2.23.133.8.1"),
        (b"\x88\x37\x01", "2.999.1"),
    ],
)
def test_object_identifiers_are_shown_with_dots(content: bytes, text: str) -> None:
    assert dotted(content) == text


def test_known_identifiers_have_names() -> None:
    assert (name_of("2.5.29.19"), name_of("1.2.3")) == ("basicConstraints", "1.2.3")
