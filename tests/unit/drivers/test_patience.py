"""How long a device that gives no answer is left alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reconciler.drivers.patience import FIRST_S, LONGEST_S, Patience
from reconciler.errors.taxonomy import TransientError


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def is_asked(patience: Patience, device: str = "a") -> bool:
    try:
        patience.check(device, subject="node n1")
    except TransientError as error:
        return error.reason != "DeviceLeftAlone"
    return True


def test_one_failure_costs_nothing() -> None:
    patience = Patience(clock=Clock())
    assert is_asked(patience)
    patience.failed("a")
    assert is_asked(patience)
    assert patience.is_suspect("a")
    assert not patience.is_suspect("b")


def test_pauses_double_up_to_a_limit() -> None:
    clock = Clock()
    patience = Patience(clock=clock)
    patience.failed("a")
    for pause_s in (FIRST_S, 2 * FIRST_S, 4 * FIRST_S, LONGEST_S, LONGEST_S):
        patience.failed("a")
        clock.now_s += pause_s - 0.1
        assert not is_asked(patience)
        assert is_asked(patience, "b"), "others are asked all the while"
        clock.now_s += 0.2
        assert is_asked(patience)


def test_answer_ends_it() -> None:
    patience = Patience(clock=Clock())
    for _ in range(3):
        patience.failed("a")
    patience.answered("a")
    assert is_asked(patience)
    assert not patience.is_suspect("a")


def test_error_says_when_it_is_asked_again() -> None:
    patience = Patience(clock=Clock())
    for _ in range(2):
        patience.failed("a")
    with pytest.raises(TransientError, match="2 times in a row, and is asked again in 5 s"):
        patience.check("a", subject="node n1")
