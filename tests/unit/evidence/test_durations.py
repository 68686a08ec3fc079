"""Durations of steps: medians over joins, from the records and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from reconciler.evidence.durations import Duration, durations
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
JOIN = (
    (Event.ASSIGNED, 0),
    (Event.APPRAISED, 41),
    (Event.RELEASED, 41),
    (Event.ADMITTED, 44),
    (Event.APPRAISED, 46),
    (Event.CONFIRMED, 50),
)


def _records(events: Sequence[tuple[Event, float]], *, node: str = "n1") -> list[Record]:
    return [
        Record(
            node=node,
            sequence=number,
            event=event,
            recorded_at=START + timedelta(seconds=seconds),
            commit="c" * 40,
            tree="d" * 40,
            verifier="ringfence/0.1.0",
            accepted_at=START + timedelta(seconds=seconds - 1) if event is Event.APPRAISED else None,
        )
        for number, (event, seconds) in enumerate(events, start=1)
    ]


def test_a_join_gives_one_sample_of_each_step() -> None:
    assert {verb: (d.median_s, d.samples) for verb, d in durations(_records(JOIN)).items()} == {
        "attest": (40, 1),
        "record-evidence": (1, 1),
        "release-keys": (3, 1),
        "confirm": (6, 1),
    }


def test_the_median_is_taken_over_all_joins() -> None:
    slow = [(event, seconds * 3) for event, seconds in JOIN]
    records = [*_records(JOIN), *_records(slow, node="n2"), *_records(JOIN, node="n3")]
    assert durations(records)["attest"] == Duration(median_s=40, samples=3)


def test_what_did_not_begin_here_has_no_duration() -> None:
    assert durations([]) == {}
    assert durations(_records(JOIN[1:])) == {}


def test_an_attempt_that_ended_lends_nothing_to_the_next() -> None:
    for end in (Event.REJECTED, Event.RETURNED):
        assert durations(_records([(Event.ASSIGNED, 0), (end, 10), *JOIN[1:]])) == {}


def test_clocks_that_go_backwards_never_give_less_than_nothing() -> None:
    assert durations(_records([(Event.ASSIGNED, 100), *JOIN[1:]]))["attest"].median_s == 0
