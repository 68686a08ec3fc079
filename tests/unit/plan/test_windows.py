"""Maintenance windows: open from their start for their duration, over midnight too, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from reconciler.model.guards import MaintenanceWindow
from reconciler.plan.windows import is_open, next_opening


def window(start: str, duration: str, *days: str) -> MaintenanceWindow:
    fields: dict[str, Any] = {"start": start, "duration": duration}
    return MaintenanceWindow.model_validate(fields | ({"days": days} if days else {}))


def at(day: int, clock: str) -> datetime:
    """Return a time in the week of Monday 2 March 2026."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 3, 1 + day, hour, minute, tzinfo=UTC)


NIGHT = window("22:00", "4h", "mon", "sun")


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (1, "21:59", False),
        (1, "22:00", True),
        (1, "23:59", True),
        (2, "01:59", True),
        (2, "02:00", False),
        (2, "22:00", False),
        (3, "01:00", False),
        (7, "22:30", True),
        (8, "01:30", True),
        (1, "01:30", True),
    ],
)
def test_a_window_of_two_days_that_crosses_midnight(day: int, clock: str, *, expected: bool) -> None:
    assert is_open([NIGHT], now=at(day, clock)) is expected


def test_without_windows_it_is_always_open_and_of_several_one_is_enough() -> None:
    assert is_open([], now=at(3, "12:00"))
    assert is_open([NIGHT, window("11:00", "2h")], now=at(3, "12:00"))


def test_times_are_utc_wherever_the_clock_stands() -> None:
    berlin = timezone(timedelta(hours=1))
    assert is_open([NIGHT], now=at(1, "22:30").astimezone(berlin))
    assert not is_open([NIGHT], now=datetime(2026, 3, 2, 22, 30, tzinfo=berlin))


def test_a_window_of_a_whole_day_is_open_all_day() -> None:
    assert is_open([window("00:00", "24h", "wed")], now=at(3, "23:59"))
    assert not is_open([window("00:00", "24h", "wed")], now=at(4, "00:00"))


def test_the_next_opening_is_the_earliest_to_come() -> None:
    assert next_opening([NIGHT], now=at(3, "12:00")) == at(7, "22:00")
    assert next_opening([NIGHT], now=at(1, "22:00")) == at(7, "22:00")
    assert next_opening([NIGHT, window("11:00", "1h", "thu")], now=at(3, "12:00")) == at(4, "11:00")
    assert next_opening([window("12:00", "1h", "wed")], now=at(3, "12:00")) == at(10, "12:00")
