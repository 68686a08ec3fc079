"""Times as an auditor writes them: ISO 8601, in UTC unless an offset is given.

A moment is ``2026-03-03T12:00Z``, ``2026-03-03 12:00`` or one with seconds; a day is ``2026-03-03``. A day is no
moment: it has a beginning and an end, and which of them is meant depends on the question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from reconciler.errors.taxonomy import InputError

_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)\s?(?P<zone>[Zz]|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_HINT = "write 2026-03-03T12:00Z, or 2026-03-03 12:00; times are UTC"
_SHOWN = 256
_TICK = timedelta(microseconds=1)
"""What times are told apart by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time from ``since`` (included) to ``until`` (excluded); None has no bound."""

    since: datetime | None = None
    until: datetime | None = None

    def has(self, moment: datetime) -> bool:
        """Return whether ``moment`` lies in it."""
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)

    def meets(self, since: datetime, until: datetime | None) -> bool:
        """Return whether it has an instant in common with what lasted from ``since`` to ``until`` (None: it lasts).

        What began and ended in the same instant counts, if that instant lies in it.
        """
        begins_before_end = self.until is None or since < self.until
        ends_after_start = self.since is None or until is None or until > self.since or since >= self.since
        return begins_before_end and ends_after_start


def up_to(moment: datetime) -> Window:
    """Return all time up to ``moment``, which is included."""
    return Window(until=moment + _TICK)


def parse_moment(text: str) -> datetime:
    """Return the moment that ``text`` names, in UTC; InputError if it names none."""
    stripped = text.strip()
    if _DAY.fullmatch(stripped):
        _day(stripped)
        hint = f"write {stripped}T12:00Z, or ask for the whole day: --between {stripped} {stripped}"
        raise _no_time(text, "is a day, not a moment", hint=hint)
    return _moment(stripped)


def parse_window(since: str, until: str) -> Window:
    """Return the time between two moments or days; a day as the end is included. InputError if there is none."""
    start, end = since.strip(), until.strip()
    begins = datetime.combine(_day(start), datetime.min.time(), UTC) if _DAY.fullmatch(start) else _moment(start)
    if _DAY.fullmatch(end):
        try:
            ends = datetime.combine(_day(end), datetime.min.time(), UTC) + timedelta(days=1)
        except OverflowError:
            raise _no_time(until, "has no day after it", hint=_HINT) from None
    else:
        ends = _moment(end)
    if begins >= ends:
        hint = "the earlier of the two comes first; for one day, write it twice"
        raise _no_time(f"{since} to {until}", "is no span of time", hint=hint)
    return Window(since=begins, until=ends)


def time_text(moment: datetime | None) -> str:
    """Return ``moment`` in UTC to the second (the fraction is cut off), an empty text for None."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def time_json(moment: datetime | None) -> str | None:
    """Return ``moment`` in UTC by ISO 8601, whole, None for None."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def span_text(seconds: float) -> str:
    """Return a length of time in its two largest units, without a fraction: ``2 d 3 h``, ``31 s``."""
    left = int(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _moment(text: str) -> datetime:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise _no_time(text, "is no time", hint=_HINT)
    zone = (found["zone"] or "Z").upper().replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{found['day']}T{_whole(found['time'])}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_time(text, "is no time of any calendar", hint=_HINT) from None


def _whole(time: str) -> str:
    """Return ``time`` with six digits of a second's fraction, as all readers of ISO 8601 take it."""
    whole, point, fraction = time.partition(".")
    return f"{whole}.{fraction:0<6}" if point else whole


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "is no day of any calendar", hint="write 2026-03-03") from None


def _no_time(text: str, message: str, *, hint: str) -> InputError:
    return InputError(text[:_SHOWN], message, reason="TimeMalformed", hint=hint)
