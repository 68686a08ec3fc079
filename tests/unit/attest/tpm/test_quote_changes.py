import struct
from dataclasses import replace

import pytest

from reconciler.attest.tpm.quote import enrol, judge_quote
from reconciler.attest.tpm.selection import require
from tests.support.quotes import bank_values, changes, ecc_key_and_sign, quote_over, rsa_key_and_sign, software_quotes

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


@pytest.mark.parametrize("salt", [0, 20, 33, 221])
def test_a_salt_that_no_tpm_makes_is_refused(salt: int) -> None:
    case = quote_over(USUAL, key=rsa_key_and_sign(hash_name="sha256", salt=salt), hash_name="sha256")
    assert case.codes() == {"QuoteSignatureInvalid"}
