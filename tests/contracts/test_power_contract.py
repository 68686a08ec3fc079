"""The contract of ``ports.power.Power``."""

from __future__ import annotations

import time

import pytest

from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import PowerState
from tests.support.benches import DEADLINE_S, PowerBench


def test_machine_that_is_off_reads_as_off(powers: PowerBench) -> None:
    assert powers.power.status() is PowerState.OFF


def test_machine_is_switched_on_and_off(powers: PowerBench) -> None:
    assert powers.power.turn_on() is PowerState.ON
    assert powers.is_on()
    assert powers.power.status() is PowerState.ON
    assert powers.power.turn_off() is PowerState.OFF
    assert not powers.is_on()
    assert powers.power.status() is PowerState.OFF


def test_machine_that_is_on_is_not_reset_by_switching_it_on(powers: PowerBench) -> None:
    for _ in range(3):
        assert powers.power.turn_on() is PowerState.ON
    assert powers.is_on()
    assert powers.resets() == 0


def test_switching_off_a_machine_that_is_off_succeeds(powers: PowerBench) -> None:
    for _ in range(2):
        assert powers.power.turn_off() is PowerState.OFF
    assert not powers.is_on()


def test_bad_credentials_are_the_operators_to_mend(powers: PowerBench) -> None:
    for call in (powers.refusing.status, powers.refusing.turn_on, powers.refusing.turn_off):
        with pytest.raises(DeviceError):
            call()
    assert not powers.is_on()


def test_silent_bmc_is_given_up_at_the_deadline_and_found_again(powers: PowerBench) -> None:
    with powers.silent():
        begun = time.monotonic()
        with pytest.raises(TransientError):
            powers.power.status()
        assert time.monotonic() - begun < DEADLINE_S + 30
    assert powers.power.turn_on() is PowerState.ON
