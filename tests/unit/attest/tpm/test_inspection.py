import hashlib
import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.inspection import Check, QuoteReport, inspect_quote, load_key
from tests.support.lies import flip
from tests.support.quotes import Case, software_quotes
from tests.support.softtpm import tpm2b

QUOTES = software_quotes()
CASE = QUOTES["p256-sha256"]
PEM, SPKI = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo


def inspect(case: Case = CASE, **changes: Any) -> QuoteReport:  # noqa: ANN401 - any one of the arguments
    given = {"signature": case.signature, "key": case.ak.raw, "nonce": case.nonce, "values": case.values, **changes}
    return inspect_quote(given.pop("message", case.message), **given)


@pytest.mark.parametrize("name", QUOTES)
def test_a_good_quote_is_told_to_be_good_as_far_as_it_was_checked(name: str) -> None:
    report = inspect(QUOTES[name])
    assert (report.signature, report.nonce, report.values, report.holds) == (Check.OK, Check.OK, Check.OK, True)
    assert report.reasons == ()
    assert report.unchecked == ("clock", "qualified signer")
    assert report.name == b"\0\x0b" + hashlib.sha256(QUOTES[name].ak.raw).digest()


def test_what_was_not_given_is_not_checked_and_never_called_good() -> None:
    pem = CASE.ak.key.public_bytes(PEM, SPKI)
    report = inspect(key=pem, nonce=None, values=None)
    assert (report.nonce, report.values) == (Check.NOT_CHECKED, Check.NOT_CHECKED)
    assert report.unchecked == ("attestation key", "nonce", "values", "clock", "qualified signer")
    assert (report.name, report.scheme_of_key) == (None, False)


def test_the_report_is_plain_json() -> None:
    told = json.loads(json.dumps(inspect(nonce=b"another").to_json()))
    assert told["type"] == "quote"
    assert told["magic"] == "ff544347"
    assert told["extra_data"] == CASE.nonce.hex()
    assert told["clock"] == {"clock": 90_000, "reset_count": 3, "restart_count": 2, "safe": True}
    assert told["selection"] == [{"bank": "sha256", "pcrs": [0, 4, 9]}]
    assert told["signature"] == {
        "scheme": "ecdsa",
        "hash": "sha256",
        "named_by": "key",
        "holds": True,
        "check": "ok",
    }
    assert (told["nonce"], told["values"]) == ("failed", "ok")
    assert [reason["code"] for reason in told["reasons"]] == ["QualifyingDataMismatch"]
    assert told["unchecked"] == ["clock", "qualified signer"]


def test_a_key_is_taken_in_each_of_its_three_forms() -> None:
    pem = CASE.ak.key.public_bytes(PEM, SPKI)
    for form in (pem, CASE.ak.raw, tpm2b(CASE.ak.raw)):
        assert inspect(key=form).signature is Check.OK


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"", "ends within"),
        (b"\0", "ends within"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a public key"),
        (b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 9000, "at most 8192"),
        (ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes(PEM, SPKI), "neither RSA"),
    ],
)
def test_what_is_no_key_is_refused(key: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        load_key(key)


def test_what_is_no_quote_is_described_and_its_values_are_not_checked() -> None:
    time = flip(CASE.message, 5)
    assert CASE.resign is not None
    report = inspect(message=time, signature=CASE.resign(time))
    assert [reason.code for reason in report.reasons] == ["NotAQuote"]
    assert (report.values, report.to_json()["type"]) == (Check.NOT_CHECKED, "8019")


def test_a_signature_by_another_scheme_than_the_keys_does_not_hold() -> None:
    report = inspect(signature=CASE.signature[:2] + b"\0\x12" + CASE.signature[4:])
    assert (report.holds, report.signature) == (False, Check.FAILED)
    assert report.to_json()["signature"] == {
        "scheme": "ecdsa",
        "hash": "0012",
        "named_by": "key",
        "holds": False,
        "check": "failed",
    }


def test_values_are_exactly_those_that_were_quoted() -> None:
    for values in ({}, {"sha256": {0: bytes(32)}}, {**CASE.values, "sha384": {0: bytes(48)}}):
        report = inspect(values=values)
        assert report.values is Check.FAILED
        assert report.reasons[0].code == "PcrSelectionMismatch"
    spare = inspect(values={**CASE.values, "md5": {0: bytes(16)}})
    assert [(reason.code, reason.expected) for reason in spare.reasons] == [("PcrValueMalformed", "no value")]


def test_a_selection_of_an_unknown_bank_is_told_by_its_number() -> None:
    message = CASE.message.replace(struct.pack(">IH", 1, 0x000B), struct.pack(">IH", 1, 0x0012))
    assert inspect(message=message).to_json()["selection"] == [{"bank": "0012", "pcrs": [0, 4, 9]}]


def test_a_hash_that_is_not_known_makes_no_signature_hold_and_leaves_the_values_unchecked() -> None:
    pem = CASE.ak.key.public_bytes(PEM, SPKI)
    report = inspect(key=pem, signature=CASE.signature[:2] + b"\0\x12" + CASE.signature[4:])
    assert (report.holds, report.signature, report.values) == (False, Check.FAILED, Check.NOT_CHECKED)
    assert "values" in report.unchecked


def test_malformed_bytes_are_refused() -> None:
    for changes in ({"message": b""}, {"signature": b""}, {"message": replace(CASE).message + b"\0"}):
        with pytest.raises(MalformedError):
            inspect(**changes)
