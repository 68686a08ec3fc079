from collections.abc import Callable

import pytest

from reconciler.attest.appraise import appraise
from reconciler.attest.verdict import Accepted
from reconciler.model.submission import BootClock
from tests.support.appraisals import MEASUREMENTS, booted, codes_of, expected_of
from tests.support.softtpm import SoftTpm


def accepted_clock(tpm: SoftTpm) -> BootClock:
    verdict = appraise(tpm.evidence(), expectation=expected_of(tpm))
    assert isinstance(verdict, Accepted)
    return verdict.clock


def reboot(tpm: SoftTpm) -> None:
    tpm.boot(MEASUREMENTS)


def do_nothing(tpm: SoftTpm) -> None:
    del tpm


def change_firmware(tpm: SoftTpm) -> None:
    tpm.firmware_version += 1


def freeze(tpm: SoftTpm) -> None:
    tpm.clock -= 1


def forget_a_reset(tpm: SoftTpm) -> None:
    tpm.reset_count -= 1


@pytest.mark.parametrize(
    ("happening", "codes"),
    [
        (do_nothing, set()),
        (freeze, {"ClockFellBack"}),
        (forget_a_reset, {"ClockFellBack"}),
        (reboot, {"BootLost"}),
        (SoftTpm.resume, {"Resumed"}),
        (change_firmware, {"TpmFirmwareChanged"}),
    ],
)
def test_a_member_is_of_the_very_same_boot_at_a_later_time(
    happening: Callable[[SoftTpm], None], codes: set[str]
) -> None:
    tpm = booted()
    before = accepted_clock(tpm)
    happening(tpm)
    assert codes_of(tpm.evidence(), expected_of(tpm, previous=before, must_be_same_boot=True)) == codes


@pytest.mark.parametrize(
    ("happening", "codes"),
    [
        (do_nothing, {"NotRebooted"}),
        (SoftTpm.resume, {"NotRebooted"}),
        (freeze, {"ClockFellBack"}),
        (forget_a_reset, {"ClockFellBack"}),
        (reboot, set()),
    ],
)
def test_a_join_comes_from_a_boot_after_the_last_accepted_one(
    happening: Callable[[SoftTpm], None], codes: set[str]
) -> None:
    tpm = booted()
    before = accepted_clock(tpm)
    happening(tpm)
    assert codes_of(tpm.evidence(), expected_of(tpm, previous=before)) == codes


def test_a_member_without_an_earlier_quote_is_rejected() -> None:
    tpm = booted()
    assert codes_of(tpm.evidence(), expected_of(tpm, must_be_same_boot=True)) == {"NoEarlierBoot"}


def test_the_same_quote_twice_is_not_a_later_one() -> None:
    tpm = booted()
    evidence = tpm.evidence()
    verdict = appraise(evidence, expectation=expected_of(tpm))
    assert isinstance(verdict, Accepted)
    again = expected_of(tpm, previous=verdict.clock, must_be_same_boot=True)
    assert codes_of(evidence, again) == {"ClockFellBack"}
