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


def test_bmc_that_starts_again_is_found_again_and_has_not_touched_its_machine(powers: PowerBench) -> None:
    assert powers.power.turn_on() is PowerState.ON
    with powers.away(), pytest.raises(TransientError):
        powers.power.turn_off()
    assert powers.power.status() is PowerState.ON
    assert powers.is_on()
    assert powers.resets() == 0


def test_bmc_that_takes_a_command_and_does_nothing_is_not_believed(powers: PowerBench) -> None:
    with powers.idle():
        assert powers.power.turn_on() is PowerState.OFF
        assert not powers.is_on()
    assert powers.power.turn_on() is PowerState.ON
    with powers.idle():
        assert powers.power.turn_off() is PowerState.ON
        assert powers.is_on()
    assert powers.power.turn_off() is PowerState.OFF
    assert not powers.is_on()


def test_machine_that_would_not_boot_from_the_network_is_not_switched_on(powers: PowerBench) -> None:
    with powers.stubborn():
        with pytest.raises(DeviceError):
            powers.power.turn_on()
        assert not powers.is_on()
    assert powers.power.turn_on() is PowerState.ON
    assert powers.is_on()
