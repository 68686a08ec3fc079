"""Which signature algorithms count, by their identifiers and parameters."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement.signatures import scheme_of
from reconciler.attest.reader import MalformedError
from tests.support.pki import element, oid, sequence

NULL = b"\x05\x00"
SHA1, SHA256, SHA384 = oid("1.3.14.3.2.26"), oid("2.16.840.1.101.3.4.2.1"), oid("2.16.840.1.101.3.4.2.2")
MGF1 = oid("1.2.840.113549.1.1.8")
HASH = element(0xA0, sequence(SHA256, NULL))
MASK = element(0xA1, sequence(MGF1, sequence(SHA256, NULL)))
SALT = element(0xA2, element(0x02, b"\x20"))


def pss(*fields: bytes) -> bytes:
    return sequence(oid("1.2.840.113549.1.1.10"), sequence(*fields))


def test_parameters_may_be_null_or_absent_and_a_trailer_may_be_spelled_out() -> None:
    assert scheme_of(sequence(oid("1.2.840.113549.1.1.11"), NULL)).name == "sha256WithRSAEncryption"
    assert scheme_of(sequence(oid("1.2.840.113549.1.1.11"))).name == "sha256WithRSAEncryption"
    assert scheme_of(sequence(oid("1.2.840.10045.4.3.4"), NULL)).padding is None
    assert scheme_of(pss(HASH, MASK, element(0xA3, element(0x02, b"\1")))).name == "RSASSA-PSS with SHA256"


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (b"", "header"),
        (sequence(), "0x06"),
        (sequence(oid("1.2.840.113549.1.1.5"), NULL), "sha1WithRSAEncryption is not accepted"),
        (sequence(oid("1.2.840.10045.4.1")), "ecdsa-with-SHA1 is not accepted"),
        (sequence(oid("1.2.840.113549.1.1.4"), NULL), "md5WithRSAEncryption is not accepted"),
        (sequence(oid("1.3.101.112")), "1.3.101.112 is not accepted"),
        (sequence(oid("1.2.840.113549.1.1.11"), sequence()), "has parameters, and takes none"),
        (sequence(oid("1.2.840.113549.1.1.11"), NULL, NULL), "followed by another"),
        (sequence(oid("1.2.840.113549.1.1.10")), "has no parameters, which means SHA-1"),
        (sequence(oid("1.2.840.113549.1.1.10"), NULL), "has no parameters, which means SHA-1"),
        (pss(), "names no hash, which means SHA-1"),
        (pss(element(0xA0, sequence(SHA1, NULL)), MASK), "with the hash 1.3.14.3.2.26 is not accepted"),
        (pss(HASH), "names no mask, which means SHA-1"),
        (pss(HASH, element(0xA1, sequence(SHA1))), "another mask generation"),
        (pss(HASH, element(0xA1, sequence(MGF1))), "0x30 is missing"),
        (pss(HASH, element(0xA1, sequence(MGF1, sequence(SHA384)))), "mixes two hashes"),
        (pss(HASH, MASK, element(0xA2, element(0x02, b"\x41"))), "salt that is too long"),
        (pss(HASH, MASK, element(0xA2, element(0x02, b"\x80"))), "too large"),
        (pss(HASH, MASK, element(0xA2, element(0x02, b"\x00\x80"))), "too large"),
        (pss(HASH, MASK, SALT, element(0xA3, element(0x02, b"\2"))), "another trailer"),
        (pss(HASH, MASK, SALT, NULL), "unknown parameters"),
    ],
)
def test_what_does_not_count_is_named(algorithm: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        scheme_of(algorithm)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for algorithm in (data, sequence(data), pss(data), pss(HASH, element(0xA1, data))):
        with contextlib.suppress(MalformedError):
            scheme_of(algorithm)
