"""Maintenance windows: whether one is open now, and when the next one begins. All times are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from reconciler.model.guards import MaintenanceWindow

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = 7


def is_open(windows: Iterable[MaintenanceWindow], *, now: datetime) -> bool:
    """Return whether one of ``windows`` is open at ``now``; without any, it always is."""
    windows = tuple(windows)
    return not windows or any(
        start <= now < start + window.duration for window in windows for start in _starts(window, now, days=(-1, 0))
    )


def next_opening(windows: Iterable[MaintenanceWindow], *, now: datetime) -> datetime:
    """Return when the next of ``windows`` begins after ``now``; there is at least one."""
    days = range(_WEEK + 1)
    return min(start for window in windows for start in _starts(window, now, days=days) if start > now)


def _starts(window: MaintenanceWindow, now: datetime, *, days: Iterable[int]) -> Iterator[datetime]:
    """Yield when ``window`` begins on those of ``days``, counted from today, that are its own."""
    hour, minute = map(int, window.start.split(":"))
    today = now.astimezone(UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    for day in days:
        start = today + timedelta(days=day)
        if _DAYS[start.weekday()] in window.days:
            yield start
