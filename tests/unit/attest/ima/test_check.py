import hashlib
from dataclasses import replace

import pytest

from reconciler.attest.ima import check as module
from reconciler.attest.ima.check import ImaResult, ImaState, check_ima
from reconciler.attest.ima.entries import MAX_REASONS
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.ima.replay import Rule
from reconciler.model.ima import BootAggregate, ImaPolicy
from tests.support.imalogs import (
    PCRS,
    RSA,
    Line,
    aggregate_of,
    ascii_of,
    binary_of,
    pem_of,
    quoted_after,
    signed,
    value_after,
)

FILES = [Line(path=b"/usr/bin/%d" % number) for number in range(5)]
LINES = [aggregate_of(), *FILES]


def policy_for(lines: list[Line], **more: object) -> ImaPolicy:
    digests: dict[str, tuple[str, ...]] = {}
    for line in lines:
        digests[line.path.decode()] = (*digests.get(line.path.decode(), ()), line.named)
    return ImaPolicy(digests=digests, **more)  # type: ignore[arg-type]


POLICY = policy_for(FILES)
REFERENCE = ImaReference(POLICY)


def codes(result: ImaResult) -> list[str]:
    return [reason.code for reason in result.reasons]


def judged(lines: list[Line], policy: ImaPolicy = POLICY) -> ImaResult:
    return check_ima(binary_of(lines), reference=ImaReference(policy), values=quoted_after(lines))


@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_a_log_of_known_files_is_accepted_and_can_be_gone_on_from(build: object) -> None:
    data = build(LINES)  # type: ignore[operator]
    result = check_ima(data, reference=REFERENCE, values=quoted_after(LINES))
    assert result.reasons == ()
    assert (result.covered, result.pending, result.rule) == (6, 0, Rule.NATIVE)
    assert result.state is not None
    assert (result.state.entries, result.state.offset) == (6, len(data))
    assert result.state.prefix_digest == hashlib.sha256(data).digest()
    assert result.state.values == {10: value_after(LINES)}


@pytest.mark.parametrize("count", range(1, 7))
def test_exactly_the_quoted_prefix_is_appraised_and_the_rest_is_pending(count: int) -> None:
    tail = [*LINES[count:], Line(path=b"/evil")]
    result = check_ima(binary_of([*LINES[:count], *tail]), reference=REFERENCE, values=quoted_after(LINES[:count]))
    assert result.reasons == ()
    assert (result.covered, result.pending) == (count, len(tail))


def test_a_log_that_does_not_reach_the_quoted_value_is_refused() -> None:
    result = check_ima(binary_of(LINES[:-1]), reference=REFERENCE, values=quoted_after(LINES))
    (reason,) = result.reasons
    assert (reason.code, reason.pcr, reason.bank) == ("ImaReplayMismatch", 10, "sha256")
    assert reason.expected == value_after(LINES[:-1]).hex()
    assert reason.found == value_after(LINES).hex()
    assert result.state is None


def test_a_quote_before_anything_was_measured_is_refused() -> None:
    values = {"sha256": {**PCRS, 10: bytes(32)}}
    assert codes(check_ima(binary_of(LINES), reference=REFERENCE, values=values)) == ["BootAggregateMissing"]
    assert codes(check_ima(b"", reference=REFERENCE, values=values)) == ["BootAggregateMissing"]


def test_a_part_goes_on_where_the_last_appraisal_ended() -> None:
    first = check_ima(binary_of(LINES[:3]), reference=REFERENCE, values=quoted_after(LINES[:3]))
    whole = check_ima(binary_of(LINES), reference=REFERENCE, values=quoted_after(LINES), state=first.state)
    tail = check_ima(
        binary_of(LINES[3:]), reference=REFERENCE, values=quoted_after(LINES), state=first.state, is_tail=True
    )
    for result in (whole, tail):
        assert (result.reasons, result.covered, result.pending) == ((), 6, 0)
        assert result.state is not None
        assert result.state.offset == len(binary_of(LINES))
    assert whole.state is not None
    assert tail.state == replace(whole.state, prefix_digest=None)


def test_nothing_new_is_as_good_as_before() -> None:
    first = check_ima(binary_of(LINES), reference=REFERENCE, values=quoted_after(LINES))
    for data, is_tail in ((binary_of(LINES), False), (b"", True), (binary_of([Line(path=b"/evil")]), True)):
        again = check_ima(data, reference=REFERENCE, values=quoted_after(LINES), state=first.state, is_tail=is_tail)
        assert again.reasons == ()
        assert again.covered == 6
        assert again.state is not None
        assert again.state.entries == 6
        assert again.state.offset == len(binary_of(LINES))


def test_entries_of_a_part_are_numbered_from_the_boot() -> None:
    first = check_ima(binary_of(LINES), reference=REFERENCE, values=quoted_after(LINES))
    lines = [*LINES, Line(path=b"/evil")]
    result = check_ima(
        binary_of(lines[6:]), reference=REFERENCE, values=quoted_after(lines), state=first.state, is_tail=True
    )
    assert [(reason.code, reason.event) for reason in result.reasons] == [("ImaUnknownFile", 6)]


def test_a_changed_beginning_is_refused() -> None:
    first = check_ima(binary_of(LINES), reference=REFERENCE, values=quoted_after(LINES))
    changed = [LINES[0], Line(path=b"/other"), *LINES[2:]]
    for data in (binary_of(changed), binary_of(LINES)[:-1], ascii_of(LINES), b""):
        result = check_ima(data, reference=REFERENCE, values=quoted_after(LINES), state=first.state)
        assert codes(result) == ["ImaPrefixChanged"]


def test_under_another_policy_everything_is_appraised_again() -> None:
    first = check_ima(binary_of(LINES), reference=REFERENCE, values=quoted_after(LINES))
    other = ImaReference(policy_for(FILES[1:]))
    whole = check_ima(binary_of(LINES), reference=other, values=quoted_after(LINES), state=first.state)
    assert [(reason.code, reason.event) for reason in whole.reasons] == [("ImaUnknownFile", 1)]
    tail = check_ima(b"", reference=other, values=quoted_after(LINES), state=first.state, is_tail=True)
    assert codes(tail) == ["ImaStateStale"]
    assert codes(check_ima(b"", reference=other, values=quoted_after(LINES), is_tail=True)) == ["ImaStateStale"]


def test_a_state_made_of_parts_does_not_stand_for_a_whole_log() -> None:
    first = check_ima(binary_of(LINES), reference=REFERENCE, values=quoted_after(LINES))
    assert first.state is not None
    state = replace(first.state, prefix_digest=None)
    evil = [LINES[0], Line(path=b"/evil")]
    result = check_ima(binary_of(evil), reference=REFERENCE, values=quoted_after(evil), state=state)
    assert codes(result) == ["ImaUnknownFile"]


def test_padded_sha1_is_recognized_and_counts_only_where_the_policy_says_so() -> None:
    values = quoted_after(LINES, is_padded=True)
    result = check_ima(binary_of(LINES), reference=REFERENCE, values=values)
    assert (codes(result), result.rule) == (["ImaWeakTemplates"], Rule.PADDED_SHA1)
    waived = ImaReference(policy_for(FILES, unsafe_allow_sha1=True))
    result = check_ima(binary_of(LINES), reference=waived, values=values)
    assert result.reasons == ()
    again = check_ima(binary_of(LINES), reference=waived, values=values, state=result.state)
    assert (again.reasons, again.rule) == ((), Rule.PADDED_SHA1)


def test_one_rule_holds_for_the_whole_log() -> None:
    mixed = hashlib.sha256(value_after(LINES[:-1]) + LINES[-1].extends("sha256", is_padded=True)).digest()
    values = {"sha256": {**PCRS, 10: mixed}}
    assert codes(check_ima(binary_of(LINES), reference=REFERENCE, values=values)) == ["ImaReplayMismatch"]
    first = check_ima(binary_of(LINES[:-1]), reference=REFERENCE, values=quoted_after(LINES[:-1]))
    again = check_ima(binary_of(LINES), reference=REFERENCE, values=values, state=first.state)
    assert codes(again) == ["ImaReplayMismatch"]


@pytest.mark.parametrize("bank", ["sha1", "sha256", "sha384", "sha512"])
def test_any_bank_can_be_replayed(bank: str) -> None:
    lines = [aggregate_of(), *FILES, Line(path=b"/v", is_violation=True)]
    values = {"sha256": PCRS}
    values[bank] = {**values.get(bank, {}), 10: value_after(lines, bank=bank)}
    reference = ImaReference(policy_for(FILES, unsafe_allow_violations=True))
    result = check_ima(binary_of(lines, bank=bank), reference=reference, values=values, bank=bank)
    assert (result.reasons, result.rule) == ((), Rule.NATIVE)


def test_a_bank_that_cannot_be_replayed_is_refused() -> None:
    result = check_ima(binary_of(LINES), reference=REFERENCE, values={"sm3_256": {10: bytes(32)}}, bank="sm3_256")
    assert codes(result) == ["ImaBankUnsupported"]


def test_without_pcr_10_in_the_quote_nothing_is_accepted() -> None:
    assert codes(check_ima(binary_of(LINES), reference=REFERENCE, values={"sha256": PCRS})) == ["ImaPcrNotQuoted"]
    assert codes(check_ima(binary_of(LINES), reference=REFERENCE, values={})) == ["ImaPcrNotQuoted"]


def test_a_malformed_log_is_refused_and_says_why() -> None:
    result = check_ima(binary_of(LINES)[:-1], reference=REFERENCE, values=quoted_after(LINES))
    (reason,) = result.reasons
    assert reason.code == "ImaMalformed"
    assert "entry 5" in reason.message


@pytest.mark.parametrize(
    "policy",
    [ImaPolicy(), ImaPolicy(excludes=(".*",)), ImaPolicy(buffers={"x": ("sha256:" + "0" * 64,)})],
    ids=["nothing", "exclusions", "buffers"],
)
def test_a_policy_that_allows_nothing_refuses(policy: ImaPolicy) -> None:
    assert codes(judged(LINES, policy))[0] == "ImaPolicyEmpty"
    assert codes(judged([aggregate_of()], policy)) == ["ImaPolicyEmpty"]


def test_every_pcr_that_was_measured_into_must_agree() -> None:
    lines = [aggregate_of(), FILES[0], replace(FILES[1], pcr=12), FILES[2], replace(FILES[3], pcr=12)]

    def after(count: int, other: int) -> dict[str, dict[int, bytes]]:
        twelve = value_after(lines[:other], pcr=12)
        return {"sha256": {**PCRS, 10: value_after(lines[:count]), 12: twelve}}

    for count in range(1, 6):
        result = check_ima(binary_of(lines), reference=REFERENCE, values=after(count, count))
        assert (result.reasons, result.covered) == ((), count)
    apart = check_ima(binary_of(lines), reference=REFERENCE, values=after(2, 5))
    assert [(reason.code, reason.pcr) for reason in apart.reasons] == [("ImaReplayMismatch", 12)]
    late = check_ima(binary_of(lines), reference=REFERENCE, values=after(5, 2))
    assert [(reason.code, reason.pcr) for reason in late.reasons] == [("ImaReplayMismatch", 12)]
    first = check_ima(binary_of(lines), reference=REFERENCE, values=after(3, 3))
    gone_on = check_ima(binary_of(lines), reference=REFERENCE, values=after(5, 5), state=first.state)
    assert (gone_on.reasons, gone_on.covered) == ((), 5)


def test_an_entry_in_a_pcr_that_is_not_quoted_is_refused() -> None:
    lines = [aggregate_of(), replace(FILES[0], pcr=12), FILES[1]]
    (reason,) = check_ima(binary_of(lines), reference=REFERENCE, values=quoted_after(lines)).reasons
    assert (reason.code, reason.pcr, reason.event) == ("ImaPcrNotQuoted", 12, 1)


def test_reasons_are_bounded_and_the_rest_is_counted() -> None:
    lines = [aggregate_of(), *(Line(path=b"/evil/%d" % number) for number in range(MAX_REASONS + 50))]
    result = judged(lines)
    assert codes(result) == ["ImaUnknownFile"] * MAX_REASONS + ["ImaMoreReasons"]
    assert result.reasons[-1].found == "50"
    exact = judged(lines[: MAX_REASONS + 1])
    assert codes(exact) == ["ImaUnknownFile"] * MAX_REASONS


def test_a_state_tells_what_it_was_made_under() -> None:
    result = judged(LINES)
    assert isinstance(result.state, ImaState)
    assert result.state.policy == REFERENCE.digest
    assert result.state.bank == "sha256"
    assert module.ImaState is ImaState


def test_signed_files_are_accepted_by_key_wherever_they_are() -> None:
    lines = [aggregate_of(), signed(Line(path=b"/a"), key=RSA), signed(Line(path=b"/b"), key=RSA)]
    assert judged(lines, ImaPolicy(keys=(pem_of(RSA),))).reasons == ()


def test_a_boot_aggregate_can_be_left_out_of_account_and_still_something_must_be_covered() -> None:
    policy = policy_for(FILES, boot_aggregate=BootAggregate.UNSAFE_IGNORED)
    assert judged(FILES, policy).reasons == ()
    assert judged([aggregate_of(range(3)), *FILES], policy).reasons == ()
    nothing = check_ima(b"", reference=ImaReference(policy), values={"sha256": {10: bytes(32)}})
    assert codes(nothing) == ["BootAggregateMissing"]
