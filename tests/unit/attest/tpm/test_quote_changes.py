import struct
from dataclasses import replace

import pytest

from reconciler.attest.tpm.quote import check_quote, enrol, judge_quote
from reconciler.attest.tpm.selection import require
from tests.support.lies import flip
from tests.support.quotes import (
    bank_values,
    changes,
    ecc_key_and_sign,
    places,
    quote_over,
    rsa_key_and_sign,
    software_quotes,
)

QUOTES = software_quotes()
USUAL = {"sha256": bank_values("sha256", (0, 4, 9))}


@pytest.mark.parametrize("name", QUOTES)
def test_a_good_quote_of_every_kind_has_nothing_against_it(name: str) -> None:
    assert QUOTES[name].codes() == set()


@pytest.mark.parametrize("name", QUOTES)
def test_every_single_field_change_is_rejected_with_the_reason_that_fits_and_no_other(name: str) -> None:
    seen = []
    for change in changes(QUOTES[name]):
        assert change.case.codes() == change.codes, f"{name}: {change.name}"
        seen.append(change.name)
    assert len(seen) > 40
    assert len(set(seen)) == len(seen)


def test_a_wider_bitmap_is_the_same_selection() -> None:
    key = ecc_key_and_sign(curve="p256", hash_name="sha256")
    assert quote_over(USUAL, key=key, hash_name="sha256", bitmap_size=4).codes() == set()


def test_banks_are_signed_in_the_order_in_which_they_are_required() -> None:
    case = QUOTES["p256-sha256, two banks"]
    other = replace(case, selection=case.selection[::-1])
    assert other.codes() == {"PcrSelectionMismatch"}


def test_a_value_in_another_bank_is_no_value_of_the_required_one() -> None:
    case = QUOTES["rsassa-sha256"]
    moved = replace(case, values={"sha384": case.values["sha256"]})
    assert moved.codes() == {"PcrValueMalformed", "PcrDigestMismatch"}
    more = replace(case, values={**case.values, "sha384": {}})
    assert more.codes() == set()


def test_an_empty_requirement_refuses_even_an_empty_quote() -> None:
    key = ecc_key_and_sign(curve="p256", hash_name="sha256")
    for values in ({}, {"sha256": {}}):
        assert quote_over(values, key=key, hash_name="sha256").codes() == {"PcrSelectionMismatch"}


@pytest.mark.parametrize(
    "selection", [[("sha256", [0]), ("sha256", [1])], [("md5", [0])], [("sha256", [32])], [("sha256", [-1])]]
)
def test_no_requirement_is_made_of_what_is_no_pcr(selection: list[tuple[str, list[int]]]) -> None:
    with pytest.raises(ValueError, match=r"twice|no such"):
        require(selection)


def test_a_pcr_above_23_can_be_required() -> None:
    values = {"sha256": bank_values("sha256", (31,))}
    key = ecc_key_and_sign(curve="p256", hash_name="sha256")
    assert quote_over(values, key=key, hash_name="sha256", bitmap_size=4).codes() == set()


def test_without_an_earlier_clock_the_clock_is_left_to_the_caller() -> None:
    case = QUOTES["p256-sha256"]
    key, requirement = enrol(case.ak, qualified_signer=case.signer), require(case.selection)
    assert case.resign is not None
    unsafe = case.message.replace(struct.pack(">IIB", 3, 2, 1), struct.pack(">IIB", 3, 2, 0))
    assert unsafe != case.message
    assert (
        judge_quote(
            unsafe,
            signature=case.resign(unsafe),
            key=key,
            extra_data=case.nonce,
            requirement=requirement,
            values=case.values,
        )
        == []
    )


@pytest.mark.parametrize("safe", [2, 255])
def test_a_clock_that_is_neither_safe_nor_unsafe_is_malformed_even_if_the_key_signed_it(safe: int) -> None:
    case = QUOTES["p256-sha256"]
    unclear = case.message.replace(struct.pack(">IIB", 3, 2, 1), struct.pack(">IIB", 3, 2, safe))
    assert case.resign is not None
    signature = case.resign(unclear)
    for after in (None, case.before):
        (reason,) = judge_quote(
            unclear,
            signature=signature,
            key=enrol(case.ak, qualified_signer=case.signer),
            extra_data=case.nonce,
            requirement=require(case.selection),
            values=case.values,
            after=after,
        )
        assert reason.code == "QuoteMalformed"
    reasons, quote = check_quote(
        unclear,
        signature=signature,
        ak=case.ak,
        extra_data=case.nonce,
        bank="sha256",
        pcrs=(0, 4, 9),
        values=case.values["sha256"],
        qualified_signer=case.signer,
    )
    assert ([reason.code for reason in reasons], quote) == (["QuoteMalformed"], None)


@pytest.mark.parametrize("salt", [0, 20, 33, 221])
def test_a_salt_that_no_tpm_makes_is_refused(salt: int) -> None:
    case = quote_over(USUAL, key=rsa_key_and_sign(hash_name="sha256", salt=salt), hash_name="sha256")
    assert case.codes() == {"QuoteSignatureInvalid"}


@pytest.mark.parametrize("name", QUOTES)
def test_no_flipped_bit_that_the_key_signed_passes_and_none_raises(name: str) -> None:
    case = QUOTES[name]
    key, requirement = enrol(case.ak, qualified_signer=case.signer), require(case.selection)
    assert case.resign is not None
    clock = places(case.message)["clock"].start
    for index in range(0, len(case.message), 3 if name.startswith("rsa") else 1):
        message = flip(case.message, index, bit=index % 8)
        reasons = judge_quote(
            message,
            signature=case.resign(message),
            key=key,
            extra_data=case.nonce,
            requirement=requirement,
            values=case.values,
        )
        # Without an earlier clock to compare with, another clock is as good as this one.
        is_clock = clock <= index < clock + 25
        assert is_clock or reasons, f"byte {index}"
