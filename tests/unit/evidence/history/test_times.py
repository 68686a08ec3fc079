"""Times as auditors write them: what is understood, what is refused and what is said then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.evidence.history.times import (
    Window,
    parse_moment,
    parse_window,
    span_text,
    time_json,
    time_text,
    up_to,
)

NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-03T12:00Z",
        "2026-03-03 12:00",
        "2026-03-03t12:00:00z",
        " 2026-03-03 12:00:00 Z ",
        "2026-03-03T12:00:00.0Z",
        "2026-03-03T14:00+02:00",
        "2026-03-03 04:30-07:30",
    ],
)
def test_a_moment_may_be_written_in_several_ways(text: str) -> None:
    assert parse_moment(text) == NOON
    assert parse_moment(text).tzinfo is UTC


def test_a_fraction_of_a_second_is_kept() -> None:
    assert parse_moment("2026-03-03T12:00:00.25") == NOON + SECOND / 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("noon", "is no time"),
        ("2026-3-3 12:00", "is no time"),
        ("2026-03-03T12", "is no time"),
        ("1772539200", "is no time"),
        ("2026-03-03T12:00 CET", "is no time"),
        ("٢٠٢٦-03-03T12:00Z", "is no time"),
        ("2026-02-30T12:00Z", "is no time of any calendar"),
        ("2026-03-03T25:00Z", "is no time of any calendar"),
        ("0001-01-01T00:00+01:00", "is no time of any calendar"),
        ("2026-03-03", "is a day, not a moment"),
        ("2026-02-30", "is no day of any calendar"),
    ],
)
def test_what_is_no_moment_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_moment(text)
    assert (caught.value.reason, caught.value.message) == ("TimeMalformed", said)
    assert "2026-0" in (caught.value.hint or "")


def test_a_day_as_a_window_is_whole() -> None:
    window = parse_window("2026-03-03", "2026-03-03")
    assert window.has(datetime(2026, 3, 3, tzinfo=UTC))
    assert window.has(datetime(2026, 3, 3, 23, 59, 59, 999999, tzinfo=UTC))
    assert not window.has(datetime(2026, 3, 4, tzinfo=UTC))


def test_moments_as_a_window_leave_the_end_out() -> None:
    window = parse_window("2026-03-03 12:00", "2026-03-03 12:01")
    assert (window.has(NOON), window.has(NOON + 60 * SECOND), window.has(NOON - SECOND)) == (True, False, False)


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("2026-03-04", "2026-03-03", "is no span of time"),
        ("2026-03-03 12:00", "2026-03-03 12:00", "is no span of time"),
        ("2026-03-03", "9999-12-31", "has no day after it"),
        ("2026-02-30", "2026-03-03", "is no day of any calendar"),
        ("2026-03-03", "later", "is no time"),
    ],
)
def test_what_is_no_window_is_refused(since: str, until: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_window(since, until)
    assert caught.value.message == said


def test_a_window_meets_what_has_an_instant_in_it() -> None:
    window = Window(since=NOON, until=NOON + 10 * SECOND)
    assert window.meets(NOON - SECOND, None)
    assert window.meets(NOON - SECOND, NOON + SECOND)
    assert not window.meets(NOON - SECOND, NOON)
    assert window.meets(NOON, NOON)
    assert not window.meets(NOON + 10 * SECOND, None)
    assert Window().meets(NOON, NOON)


def test_all_time_up_to_a_moment_includes_it() -> None:
    assert up_to(NOON).has(NOON)
    assert not up_to(NOON).has(NOON + timedelta(microseconds=1))


def test_times_are_shown_in_utc() -> None:
    elsewhere = datetime.fromisoformat("2026-03-03T14:00:00.500+02:00")
    assert time_text(elsewhere) == "2026-03-03 12:00:00"
    assert time_json(elsewhere) == "2026-03-03T12:00:00.500000Z"
    assert (time_text(None), time_json(None)) == ("", None)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (31.9, "31 s"), (60, "1 min"), (3661, "1 h 1 min"), (90000, "1 d 1 h")]
)
def test_a_length_of_time_has_two_units(seconds: float, text: str) -> None:
    assert span_text(seconds) == text
