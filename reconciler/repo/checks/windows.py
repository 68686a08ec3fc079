"""Maintenance windows: an enclave's must at some time be open together with the repository's.

Rules: both must be open for a change that disturbs a member; without windows it is always open. Times are UTC, weeks
begin on Monday, a window may reach into the next day and the next week.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.errors.taxonomy import Finding
from reconciler.model.base import format_duration
from reconciler.model.guards import MaintenanceWindow
from reconciler.model.kinds import Enclave, Repository
from reconciler.repo.catalogue import Catalogue

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 3600
_WEEK = 7 * _DAY


def check_windows(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each enclave that could never be changed."""
    for repository in found.all(Repository).values():
        general = repository.document.spec.maintenance
        for enclave in found.all(Enclave).values():
            own = enclave.document.spec.maintenance
            if general and own and not is_ever_open(general, own):
                message = "is never open together with the repository's windows, so members could never be changed"
                place = repository.place("spec", "maintenance")
                hint = f"the repository's, in UTC: {describe(general)} ({place}); choose a time within"
                yield enclave.find("spec", "maintenance", code="NeverOpen", message=message, hint=hint)


def is_ever_open(first: Sequence[MaintenanceWindow], second: Sequence[MaintenanceWindow]) -> bool:
    """Return whether there is a moment of the week at which a window of each is open."""
    others = list(_spans(second))
    return any(start < end2 and start2 < end for start, end in _spans(first) for start2, end2 in others)


def _spans(windows: Sequence[MaintenanceWindow]) -> Iterator[tuple[int, int]]:
    """Yield from when to when each is open, in seconds of the week; what reaches over its end comes twice."""
    for window in windows:
        hours, minutes = window.start.split(":")
        for day in window.days:
            start = _DAYS.index(day) * _DAY + int(hours) * 3600 + int(minutes) * 60
            end = start + int(window.duration.total_seconds())
            yield start, min(end, _WEEK)
            if end > _WEEK:
                yield 0, end - _WEEK


def describe(windows: Sequence[MaintenanceWindow]) -> str:
    """Return ``windows`` in words: ``mon, tue 22:00 for 2h; sat 04:00 for 8h``."""
    return "; ".join(f"{_days(window)} {window.start} for {format_duration(window.duration)}" for window in windows)


def _days(window: MaintenanceWindow) -> str:
    return "daily" if set(window.days) == set(_DAYS) else ", ".join(window.days)
