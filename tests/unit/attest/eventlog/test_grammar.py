from collections.abc import Callable

import pytest

from reconciler.attest.eventlog.grammar import check_grammar
from reconciler.attest.eventlog.log import parse_event_log, replay
from reconciler.model.facts import FactAssertion
from tests.support import firmware
from tests.support.appraisals import booted, codes_of, expected_of, policy_with, rejected
from tests.support.firmware import (
    EV_EFI_ACTION,
    EV_EFI_VARIABLE_BOOT,
    EV_EFI_VARIABLE_DRIVER_CONFIG,
    EV_SEPARATOR,
    LogEvent,
    change_digest,
    hashed,
    variable,
)
from tests.support.softtpm import SoftTpm

Log = list[LogEvent]
AUTHORITY = 0x800000E0
BOOT2 = 0x8000000C


def appended(*events: LogEvent) -> Callable[[Log], Log]:
    return lambda log: [*log, *events]


def before_the_separator(event: LogEvent) -> Callable[[Log], Log]:
    return lambda log: [event, *log]


def without(kind: int, pcr: int) -> Callable[[Log], Log]:
    return lambda log: [event for event in log if (event.type, event.pcr) != (kind, pcr)]


def separator_of_7(data: bytes) -> Callable[[Log], Log]:
    drop = without(EV_SEPARATOR, 7)
    return lambda log: [*drop(log), hashed(7, EV_SEPARATOR, data)]


def measured(change: Callable[[Log], Log]) -> SoftTpm:
    tpm = booted()
    log = change(tpm.events)
    tpm.reset()
    tpm.measure(log)
    return tpm


@pytest.mark.parametrize(
    ("change", "code", "pcr"),
    [
        (without(EV_SEPARATOR, 0), "SeparatorMissing", 0),
        (without(EV_SEPARATOR, 7), "SeparatorMissing", 7),
        (appended(hashed(1, EV_SEPARATOR, bytes(4))), "SeparatorRepeated", 1),
        (separator_of_7(b"\xff\xff\xff\xff"), "SeparatorInvalid", 7),
        (separator_of_7(b"WBCL"), "SeparatorInvalid", 7),
        (appended(hashed(0, 0x12345678, b"")), "UnknownEventType", 0),
        (appended(hashed(4, 0x0000000D, b"")), "UnknownEventType", 4),
        (appended(hashed(7, 0x00000001, b"")), "UnknownEventType", 7),
        (appended(change_digest(hashed(5, EV_EFI_ACTION, b"text"))), "DigestNotOfData", 5),
        (appended(change_digest(hashed(7, AUTHORITY, b"authority"))), "DigestNotOfData", 7),
        (appended(change_digest(hashed(1, EV_EFI_VARIABLE_BOOT, variable("Boot0007", b"x")))), "DigestNotOfData", 1),
        (appended(change_digest(hashed(1, BOOT2, b"no variable"))), "DigestNotOfData", 1),
        (before_the_separator(hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, b"no variable")), "VariableMalformed", 7),
        (
            before_the_separator(hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable("SecureBoot", b"\1"))),
            "VariableRepeated",
            7,
        ),
        (appended(hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable("More", b"\1"))), "VariableAfterSeparator", 7),
    ],
)
def test_what_breaks_the_grammar_is_named_with_its_pcr(change: Callable[[Log], Log], code: str, pcr: int) -> None:
    tpm = measured(change)
    found = {reason.code: reason for reason in rejected(tpm.evidence(), expected_of(tpm)).reasons}
    assert code in found
    assert found[code].pcr == pcr


@pytest.mark.parametrize(
    "event",
    [
        hashed(1, EV_EFI_VARIABLE_BOOT, variable("Boot0007", b"whole variable")),
        hashed(1, BOOT2, variable("Boot0007", b"whole variable")),
        hashed(7, AUTHORITY, variable("db", b"certificate", guid=firmware.SECURITY_DATABASE)),
        hashed(4, EV_EFI_ACTION, b"Returning from EFI Application from Boot Option"),
    ],
)
def test_what_the_profile_allows_is_accepted(event: LogEvent) -> None:
    tpm = measured(appended(event))
    assert find_reasons(tpm) == set()


def find_reasons(tpm: SoftTpm) -> set[str]:
    return codes_of(tpm.evidence(), expected_of(tpm))


def test_a_separator_that_reports_an_error_shows_what_it_held() -> None:
    tpm = measured(separator_of_7(b"\xff\xff\xff\xff"))
    (reason,) = rejected(tpm.evidence(), expected_of(tpm)).reasons
    assert (reason.expected, reason.found, reason.event_type) == ("00000000", "ffffffff", "EV_SEPARATOR")
    assert reason.message == "the firmware reports an error"


def test_pcrs_that_are_not_quoted_are_not_judged() -> None:
    tpm = measured(appended(hashed(6, 0x12345678, b"unknown")))
    assert find_reasons(tpm) == set()


def test_a_policy_without_pcr_0_and_7_judges_neither() -> None:
    # The model refuses such a policy; the grammar by itself must not trip over it.
    tpm = booted()
    replayed = replay(parse_event_log(tpm.event_log, bank="sha256"))
    assert list(check_grammar(replayed, quoted=(4,), bank="sha256")) == []


def with_secure_boot(value: bytes, *, guid: bytes = firmware.GLOBAL) -> Callable[[Log], Log]:
    event = hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable("SecureBoot", value, guid=guid))
    return lambda log: [event if b"S\0e\0c\0u\0r\0e\0B" in old.data else old for old in log]


def test_secure_boot_that_no_event_proves_is_rejected_where_it_is_asserted() -> None:
    tpm = measured(with_secure_boot(b"\2"))
    expectation = expected_of(tpm, policy=policy_with(facts=(FactAssertion(fact="secureBoot", equals=True),)))
    codes = [reason.code for reason in rejected(tpm.evidence(), expectation).reasons]
    assert codes == ["VariableMalformed", "FactAmbiguous"]
