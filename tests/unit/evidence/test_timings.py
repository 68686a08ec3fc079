"""Timings: only joins that were confirmed count, and each of their parts is from the records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from reconciler.evidence.statement import Record
from reconciler.evidence.timings import Timing, timings
from reconciler.model.record import Event

START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
JOIN = ((Event.ASSIGNED, 0), (Event.APPRAISED, 41), (Event.RELEASED, 41), (Event.ADMITTED, 43), (Event.CONFIRMED, 50))


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _records(events: Sequence[tuple[Event, int]], *, node: str = "n1", attempt: str | None = "a1") -> list[Record]:
    return [
        Record(
            node=node,
            sequence=number,
            event=event,
            recorded_at=_at(seconds),
            commit="c" * 40,
            tree="d" * 40,
            verifier="ringfence/0.1.0",
            attempt=attempt,
            accepted_at=_at(seconds - 1) if event is Event.APPRAISED else None,
            contacted_at=_at(seconds - 11) if event is Event.APPRAISED else None,
        )
        for number, (event, seconds) in enumerate(events, start=1)
    ]


def test_a_join_is_split_into_boot_and_control() -> None:
    timing = Timing(node="n1", attempt="a1", boot_s=30, admission_s=3, control_s=20, total_s=50)
    assert timings(_records(JOIN)) == [timing]


def test_a_join_that_was_not_confirmed_has_no_timing() -> None:
    for length in range(len(JOIN)):
        assert timings(_records(JOIN[:length])) == []
    assert timings(_records(JOIN[1:])) == []
    assert timings(_records([*JOIN[:1], *JOIN[2:]])) == []
    assert timings(_records([*JOIN[:3], *JOIN[4:]])) == []


def test_a_second_attempt_does_not_borrow_from_the_first() -> None:
    events = [*JOIN[:4], (Event.ASSIGNED, 100), (Event.CONFIRMED, 200)]
    assert timings(_records(events)) == []


def test_what_a_member_proves_later_is_no_part_of_its_join() -> None:
    events = [*JOIN[:4], (Event.APPRAISED, 49), JOIN[4]]
    assert timings(_records(events))[0].admission_s == 3


def test_a_rejected_appraisal_is_no_proof() -> None:
    records = _records(JOIN)
    records[1] = records[1].model_copy(update={"accepted_at": None})
    assert timings(records) == []


def test_a_record_without_a_first_call_counts_from_the_verdict() -> None:
    records = _records(JOIN, attempt=None)
    records[1] = records[1].model_copy(update={"contacted_at": None})
    assert timings(records) == [Timing(node="n1", attempt="", boot_s=41, admission_s=3, control_s=9, total_s=50)]


def test_nodes_do_not_mix() -> None:
    both = sorted(_records(JOIN) + _records(JOIN, node="n2"), key=lambda record: record.recorded_at)
    assert [timing.node for timing in timings(both)] == ["n1", "n2"]
