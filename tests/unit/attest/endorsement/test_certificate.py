import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement import der
from reconciler.attest.endorsement.certificate import describe, parse_certificate, serial_text
from reconciler.attest.reader import MalformedError
from tests.support import softkeys
from tests.support.pki import element, sequence

ALGORITHM = sequence(element(der.OBJECT_IDENTIFIER, b"\x2a\x03"))
NAME, SPKI = sequence(), sequence(b"\x05\x00")
OLD, NEW = element(der.UTC_TIME, b"500101000000Z"), element(der.UTC_TIME, b"491231235959Z")
SIGNATURE = element(der.BIT_STRING, b"\0signature")
VERSION, SERIAL = element(0xA0, b"\x02\x01\x02"), element(der.INTEGER, b"\x01")


def certificate(
    *tail: bytes,
    validity: bytes = sequence(OLD, NEW),
    algorithm: bytes = ALGORITHM,
    signature: tuple[bytes, ...] = (SIGNATURE,),
    version: bytes = VERSION,
    serial: bytes = SERIAL,
) -> bytes:
    body = sequence(version, serial, ALGORITHM, NAME, validity, NAME, SPKI, *tail)
    return sequence(body, algorithm, *signature)


def extensions(*contents: bytes) -> bytes:
    return element(0xA3, sequence(*contents))


IDENTIFIER = element(der.OBJECT_IDENTIFIER, b"\x55\x1d\x13")
VALUE = element(der.OCTET_STRING, b"value")


def test_two_digit_years_reach_from_1950_to_2049() -> None:
    parsed = parse_certificate(certificate())
    assert parsed.not_before == datetime(1950, 1, 1, tzinfo=UTC)
    assert parsed.not_after == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_unique_identifiers_are_skipped_and_extensions_kept() -> None:
    whole = certificate(element(0x81, b"x"), element(0x82, b"y"), extensions(sequence(IDENTIFIER, VALUE)))
    parsed = parse_certificate(whole + b"padding")
    assert {name: (found.critical, found.value) for name, found in parsed.extensions.items()} == {
        "2.5.29.19": (False, b"value")
    }
    assert parsed.signature == b"signature"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(20000), "at most"),
        (b"", "header"),
        (b"\x30", "header"),
        (b"\x31\x00", "not a SEQUENCE"),
        (b"\x3f\x00", "tag number"),
        (b"\x30\x80", "not definite"),
        (b"\x30\x84\x00\x00\x00\x01", "too long"),
        (b"\x30\x82\x01", "too long"),
        (b"\x30\x81\x01\x00", "shortest"),
        (b"\x30\x82\x00\xff" + bytes(255), "shortest"),
        (b"\x30\x05\x00", "longer than what holds it"),
        (sequence(), "tag 0x30 is missing"),
        (sequence(SERIAL), "tag 0x30 is missing"),
        (certificate(algorithm=sequence()), "two signature algorithms"),
        (certificate(signature=(SIGNATURE, SIGNATURE)), "whole signature"),
        (certificate(signature=(element(der.BIT_STRING, b"\1signature"),)), "whole signature"),
        (certificate(validity=sequence(OLD)), "two times"),
        (certificate(validity=sequence(OLD, SERIAL)), "one of its two forms"),
        (certificate(validity=sequence(OLD, element(der.UTC_TIME, b"50010100000Z"))), "one of its two forms"),
        (certificate(validity=sequence(OLD, element(der.UTC_TIME, b"501301000000Z"))), "not in the calendar"),
        (certificate(validity=sequence(OLD, element(der.UTC_TIME, b"\xff" * 13))), "one of its two forms"),
        (certificate(element(0x85, b"")), "unknown field"),
        (certificate(extensions(sequence(IDENTIFIER, VALUE), sequence(IDENTIFIER, VALUE))), "twice"),
        (certificate(extensions(sequence(IDENTIFIER))), "without a value"),
        (certificate(extensions(sequence(IDENTIFIER, SERIAL))), "without a value"),
        (certificate(extensions(sequence(IDENTIFIER, element(der.BOOLEAN, b"\xff")))), "without a value"),
        (certificate(extensions(sequence(IDENTIFIER, VALUE, VALUE))), "followed by another"),
        (certificate(element(0xA3, b"")), "header"),
        (certificate(element(0xA3, sequence(), sequence())), "is not one element"),
        (certificate(extensions(sequence(IDENTIFIER, VALUE)), extensions()), "unknown field"),
        (certificate(version=element(0xA0, b"\x02\x01\x03")), "not 1, 2 or 3"),
        (certificate(serial=element(der.INTEGER, b"")), "serial number"),
        (certificate(serial=element(der.INTEGER, bytes(65))), "serial number"),
    ],
)
def test_a_malformed_certificate_is_refused_and_says_why(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_certificate(data)


def test_four_digit_years_are_read() -> None:
    late = element(der.GENERALIZED_TIME, b"99991231235959Z")
    assert parse_certificate(certificate(validity=sequence(OLD, late))).not_after.year == 9999


def test_a_real_builders_certificate_is_read() -> None:
    parsed = parse_certificate(softkeys.ek_certificate("n1"))
    assert (parsed.not_before, parsed.not_after) == (softkeys.BEGIN, softkeys.END)


@pytest.mark.parametrize(
    ("content", "shown"),
    [(b"\x00", "0x0"), (b"\xff", "-0x1"), (b"\x00\xff", "0xff"), (b"\x7f" * 40, "0x" + "7f" * 40)],
)
def test_odd_serial_numbers_are_tolerated(content: bytes, shown: str) -> None:
    parsed = parse_certificate(certificate(serial=element(der.INTEGER, content)))
    assert serial_text(parsed.serial) == shown


def test_a_certificate_without_a_version_is_one_of_the_first() -> None:
    assert parse_certificate(certificate(version=b"")).version == 1
    assert parse_certificate(certificate()).version == 3


def test_a_default_that_is_spelled_out_is_no_critical_extension() -> None:
    told = sequence(IDENTIFIER, element(der.BOOLEAN, b"\0"), VALUE)
    odd = sequence(element(der.OBJECT_IDENTIFIER, b"\x2a\x03"), element(der.BOOLEAN, b"\x01"), VALUE)
    parsed = parse_certificate(certificate(extensions(told, odd)))
    assert {name: found.critical for name, found in parsed.extensions.items()} == {"2.5.29.19": False, "1.2.3": True}


def test_a_certificate_without_a_subject_is_named_by_its_digest() -> None:
    parsed = parse_certificate(certificate())
    assert describe(parsed) == f"certificate sha256:{parsed.fingerprint} (serial 0x1)"


@given(st.integers(0, 1 << 30))
def test_a_truncated_certificate_raises_only_our_error(length: int) -> None:
    whole = softkeys.ek_certificate("n1")
    with pytest.raises(MalformedError):
        parse_certificate(whole[: length % len(whole)])


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for whole in (data, sequence(data), sequence(sequence(data), ALGORITHM, SIGNATURE)):
        with contextlib.suppress(MalformedError):
            parse_certificate(whole)
