from datetime import UTC, datetime

import pytest

from reconciler.attest.endorsement import der
from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.reader import MalformedError
from tests.support import softkeys


def element(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = bytes([len(content)]) if len(content) < 128 else b"\x82" + len(content).to_bytes(2)
    return bytes([tag]) + length + content


def sequence(*contents: bytes) -> bytes:
    return element(der.SEQUENCE, *contents)


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
) -> bytes:
    body = sequence(VERSION, SERIAL, ALGORITHM, NAME, validity, NAME, SPKI, *tail)
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
    assert {name.hex(): (found.critical, found.value) for name, found in parsed.extensions.items()} == {
        "551d13": (False, b"value")
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
        (certificate(validity=sequence(OLD, SERIAL)), "two times"),
        (certificate(validity=sequence(OLD, element(der.UTC_TIME, b"50010100000Z"))), "two times"),
        (certificate(validity=sequence(OLD, element(der.UTC_TIME, b"501301000000Z"))), "two times"),
        (certificate(validity=sequence(OLD, element(der.UTC_TIME, b"\xff" * 13))), "two times"),
        (certificate(element(0x85, b"")), "unknown field"),
        (certificate(extensions(sequence(IDENTIFIER, VALUE), sequence(IDENTIFIER, VALUE))), "twice"),
        (certificate(extensions(sequence(IDENTIFIER))), "without a value"),
        (certificate(extensions(sequence(IDENTIFIER, SERIAL))), "without a value"),
        (certificate(extensions(sequence(IDENTIFIER, element(der.BOOLEAN, b"\xff")))), "without a value"),
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
