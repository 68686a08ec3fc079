"""Reading revocation lists: forms that are met, forms that are refused, and large ones."""

from __future__ import annotations

import contextlib

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement.crl import MAX_LIST, parse_list
from reconciler.attest.reader import MalformedError
from tests.support.pki import authority, element, oid, raw_extension, revocations, sequence

ROOT = authority("Root")
GOOD = revocations(ROOT, 1, 2, 3, reason=x509.ReasonFlags.superseded)
ALGORITHM = sequence(oid("1.2.840.10045.4.3.2"))
NAME = ROOT.subject.public_bytes()
DATE, NEXT = element(0x17, b"260501000000Z"), element(0x17, b"260701000000Z")
SERIAL = element(0x02, b"\x05")
VERSION = element(0x02, b"\1")
IDENTIFIER = element(0x06, b"\x55\x1d\x15")


def listed(*fields: bytes) -> bytes:
    return sequence(sequence(*fields), ALGORITHM, element(0x03, b"\0signature"))


def entries(*content: bytes) -> bytes:
    return listed(VERSION, ALGORITHM, NAME, DATE, NEXT, sequence(*content))


def extended(dotted: str, value: bytes, *, critical: bool = True) -> bytes:
    flag = element(0x01, b"\xff") if critical else b""
    extension = sequence(oid(dotted), flag, element(0x04, value))
    return listed(VERSION, ALGORITHM, NAME, DATE, NEXT, element(0xA0, sequence(extension)))


def test_entries_are_found_by_their_serial_number() -> None:
    parsed = parse_list(GOOD)
    found = parsed.find(b"\x02")
    assert found is not None
    assert (found.reason, found.date.year) == ("superseded", 2026)
    assert parsed.find(b"\x09") is None


def test_the_first_of_two_entries_for_one_certificate_stands() -> None:
    late = sequence(SERIAL, NEXT)
    found = parse_list(entries(sequence(SERIAL, DATE), late)).find(b"\x05")
    assert found is not None
    assert found.date.month == 5


def test_a_list_of_the_first_version_and_an_empty_one_are_read() -> None:
    parsed = parse_list(listed(ALGORITHM, NAME, DATE, NEXT))
    assert (parsed.offsets, parsed.number, parsed.scope) == ({}, None, b"")
    assert parse_list(listed(ALGORITHM, NAME, DATE)).next_update is None


def test_odd_extensions_that_are_not_critical_are_left_alone() -> None:
    assert parse_list(extended("1.2.3", b"x", critical=False)).issuer == NAME
    entry = revocations(ROOT, 5, entry_extensions=[(raw_extension("1.2.3", b"x"), False)])
    found = parse_list(entry).find(b"\x05")
    assert found is not None
    assert found.reason is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(MAX_LIST + 1), "at most"),
        (b"\x31\x00", "0x30"),
        (listed(), "0x30 is missing"),
        (listed(element(0x02, b"\0"), ALGORITHM), "version is not 2"),
        (listed(VERSION, sequence()), "two signature algorithms"),
        (listed(VERSION, ALGORITHM, sequence(bytes(20000))), "name is too long"),
        (listed(VERSION, ALGORITHM, NAME), "no time of issue"),
        (listed(VERSION, ALGORITHM, NAME, SERIAL), "two forms"),
        (listed(VERSION, ALGORITHM, NAME, NEXT, DATE), "before it was issued"),
        (listed(VERSION, ALGORITHM, NAME, DATE, element(0xA1, b"")), "unknown field"),
        (entries(SERIAL), "not a SEQUENCE"),
        (entries(sequence()), "header"),
        (entries(sequence(DATE, DATE)), "serial number"),
        (entries(sequence(SERIAL)), "header"),
        (entries(sequence(SERIAL, SERIAL)), "two forms"),
        (entries(sequence(SERIAL, DATE, b"\x05\x00")), "0x30"),
        (entries(sequence(SERIAL, DATE, sequence(sequence(IDENTIFIER, element(0x04, b"\x05\x00"))))), "0x0a"),
        (extended("2.5.29.28", b"\x30\x02\x86\x00"), "unknown field"),
        (extended("2.5.29.28", b"\x30\x06\x81\x01\xff\x82\x01\xff"), "end entities only and for authorities only"),
        (extended("2.5.29.28", b"\x30\x04\x83\x02\x01\x02"), "some reasons"),
        (extended("2.5.29.20", b"\x05\x00"), "0x02"),
    ],
)
def test_a_malformed_or_misleading_list_is_refused_and_says_why(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_list(data)


def test_a_scope_that_spells_out_its_defaults_is_for_all() -> None:
    parsed = parse_list(extended("2.5.29.28", b"\x30\x06\x81\x01\x00\x84\x01\x00"))
    assert (parsed.is_for_users, parsed.is_for_authorities) == (True, True)


def test_a_list_of_four_mebibytes_is_read_and_looked_up() -> None:
    reason = sequence(sequence(IDENTIFIER, element(0x04, b"\x0a\x01\x01")))
    body = b"".join(
        sequence(element(0x02, number.to_bytes(17)), DATE, reason) for number in range(1 << 120, (1 << 120) + 80_000)
    )
    whole = entries(body)
    assert MAX_LIST - (1 << 19) < len(whole) <= MAX_LIST
    parsed = parse_list(whole)
    found = parsed.find(((1 << 120) + 79_999).to_bytes(17))
    assert found is not None
    assert found.reason == "key compromise"
    assert parsed.find(((1 << 120) + 80_000).to_bytes(17)) is None


@given(st.integers(0, len(GOOD) - 1))
def test_a_truncated_list_raises_only_our_error(length: int) -> None:
    with pytest.raises(MalformedError):
        parse_list(GOOD[:length])


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for whole in (data, sequence(data), listed(data), listed(VERSION, ALGORITHM, NAME, DATE, data), entries(data)):
        with contextlib.suppress(MalformedError):
            parse_list(whole)
