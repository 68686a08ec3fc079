"""The pace of a device: how many at once, how many a second, and the break after a failure."""

from __future__ import annotations

import math

import pytest

from reconciler.drivers.pace import Pace


def test_no_more_than_allowed_run_at_once() -> None:
    pace = Pace(at_once=2, per_second=100)
    assert pace.delay(0.0) == 0.0
    pace.begin(0.0)
    pace.begin(0.0)
    assert pace.delay(5.0) == math.inf
    pace.end(5.0, is_away=False)
    assert 0.0 < pace.delay(5.0) < 0.01, "an instant in which others can join"
    assert pace.delay(5.01) == 0.0


def test_no_more_than_allowed_begin_in_any_second() -> None:
    pace = Pace(at_once=10, per_second=3)
    for now_s in (0.0, 0.25, 0.5):
        assert pace.delay(now_s) == 0.0
        pace.begin(now_s)
        pace.end(now_s, is_away=False)
    assert pace.delay(0.5) == 0.5
    assert pace.delay(1.0) == 0.0
    pace.begin(1.0)
    assert pace.delay(1.0) == 0.25


def test_break_after_failures_doubles_and_has_an_end() -> None:
    pace, breaks, now_s = Pace(at_once=1, per_second=1000), [], 0.0
    for _ in range(8):
        pace.begin(now_s)
        pace.end(now_s, is_away=True)
        breaks.append(pace.delay(now_s))
        now_s += breaks[-1]
        assert pace.delay(now_s) == 0.0
    assert breaks == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0])


def test_any_answer_ends_the_break() -> None:
    pace = Pace(at_once=2, per_second=1000)
    pace.begin(0.0)
    pace.begin(0.0)
    pace.end(0.0, is_away=True)
    assert pace.delay(0.05) > 0
    pace.end(0.0, is_away=False)
    assert pace.delay(0.05) == 0.0


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, 0.1), (1.0, 0.05)])
def test_jitter_takes_at_most_half_of_the_break(jitter: float, expected: float) -> None:
    pace = Pace(at_once=1, per_second=10)
    pace.begin(0.0)
    pace.end(0.0, is_away=True, jitter=jitter)
    assert pace.delay(0.0) == pytest.approx(expected)
