"""Which records of a node a bundle shows: its stays in an enclave, and nothing of what lies between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.evidence.bundle.selection import is_start, select
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

BEGIN = datetime(2026, 3, 3, 12, tzinfo=UTC)
STORY = (
    (Event.PARKED, None),
    (Event.ASSIGNED, "blue"),
    (Event.APPRAISED, "blue"),
    (Event.ASSIGNED, "blue"),
    (Event.APPRAISED, "blue"),
    (Event.RETURNED, "blue"),
    (Event.PARKED, None),
    (Event.ASSIGNED, "green"),
    (Event.REJECTED, "green"),
    (Event.ASSIGNED, "blue"),
    (Event.PARKED, None),
    (Event.ASSIGNED, "green"),
)


def at(minute: float) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def story() -> list[Record]:
    return [
        Record(
            node="n1",
            sequence=number,
            event=event,
            recorded_at=at(number),
            commit="0" * 40,
            tree="0" * 40,
            verifier="test",
            enclave=enclave,
        )
        for number, (event, enclave) in enumerate(STORY, start=1)
    ]


def chosen(subject: str, *, since: float | None = None, until: float | None = None) -> list[int]:
    span = {"since": None if since is None else at(since), "until": None if until is None else at(until)}
    return [record.sequence for record in select(story(), subject=subject, **span)]


def test_all_records_are_of_the_node() -> None:
    assert chosen("node/n1") == list(range(1, 13))


def test_an_enclave_shows_its_stays_and_nothing_between_them() -> None:
    assert chosen("enclave/blue") == [2, 3, 4, 5, 6, 10, 11]
    assert chosen("enclave/green") == [8, 9, 12]
    assert chosen("enclave/red") == []


def test_a_span_begins_with_the_assignment_in_force() -> None:
    assert chosen("node/n1", since=5) == list(range(4, 13))
    assert chosen("node/n1", since=4) == list(range(4, 13))
    assert chosen("node/n1", since=1.5, until=3) == [2, 3]
    assert chosen("node/n1", since=0, until=2) == [1, 2]


def test_a_stay_that_was_over_before_the_span_is_not_shown() -> None:
    assert chosen("enclave/blue", since=8) == [10, 11]
    assert chosen("enclave/blue", since=12) == []
    assert chosen("node/n1", since=5, until=3) == []


def test_a_chain_can_be_followed_from_its_first_record_and_from_assignments() -> None:
    assert [record.sequence for record in story() if is_start(record)] == [1, 2, 4, 8, 10, 12]
