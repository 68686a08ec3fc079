"""The fold: a node's head is the sum of its records, in order, each step a legal one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.errors.taxonomy import InvariantError, TrustError
from reconciler.evidence.fold import fold
from reconciler.evidence.raw import Submitted
from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.phase import Phase
from reconciler.model.record import Clock, Event, Head

START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
CLOCK = Clock(reset_count=1, restart_count=0, clock=1000, firmware_version=1)
BEFORE = Clock(reset_count=0, restart_count=0, clock=500, firmware_version=1)
ASSIGNED: dict[str, Any] = {"enclave": "blue", "attempt": "a1", "image": "sha256:" + "5" * 64}
JOIN = (Event.ASSIGNED, Event.APPRAISED, Event.RELEASED, Event.ADMITTED, Event.CONFIRMED)


def _details(event: Event) -> dict[str, Any]:
    match event:
        case Event.ASSIGNED:
            return ASSIGNED
        case Event.APPRAISED:
            return {"clock": CLOCK, "nonce": "ab" * 32, "accepted_at": START, "appraisal": _appraisal()}
        case Event.RELEASED:
            return {"keys": {"common": 1}}
        case _:
            return {}


def _appraisal() -> Appraisal:
    return Appraisal(
        verdict={},
        verdict_digest="sha256:" + "0" * 64,
        evidence=Submitted(
            enrolment="sha256:" + "1" * 64,
            commit="b" * 40,
            nonce="ab" * 32,
            quote="",
            signature="",
            pcrs="sha256:" + "2" * 64,
            event_log="sha256:" + "3" * 64,
            challenged_at=START,
            received_at=START,
        ),
        rules="sha256:" + "4" * 64,
        policy="measured-boot",
        image="worker",
        previous=BEFORE,
        must_be_same_boot=False,
    )


def _record(head: Head | None, event: Event, **details: Any) -> Record:  # noqa: ANN401 - Record's own fields
    sequence = head.sequence + 1 if head else 1
    base: dict[str, Any] = {
        "node": "n1",
        "sequence": sequence,
        "previous": head.digest if head else None,
        "event": event,
        "recorded_at": START + timedelta(seconds=sequence),
        "commit": "c" * 40,
        "tree": "d" * 40,
        "verifier": "ringfence/0.1.0",
    }
    return Record(**(base | details))


def _after(*events: Event) -> Head:
    head: Head | None = None
    for number, event in enumerate(events, start=1):
        head = fold(head, _record(head, event, **_details(event)), digest=f"sha256:{number:064x}")
    assert head is not None
    return head


def test_a_join_adds_up_to_a_member() -> None:
    head = _after(*JOIN)
    assert (head.phase, head.sequence, head.digest) == (Phase.ENCLAVE, 5, f"sha256:{5:064x}")
    assert (head.enclave, head.attempt, head.image) == ("blue", "a1", ASSIGNED["image"])
    assert (head.nonce, head.proven_commit, head.clock, head.clock_before) == ("ab" * 32, "b" * 40, CLOCK, BEFORE)
    assert (head.assigned_at, head.admitted_at) == (START + timedelta(seconds=1), START + timedelta(seconds=4))
    assert (head.accepted_at, head.confirmed_at) == (START, START + timedelta(seconds=5))
    assert head.keys == {"common": 1}


def test_a_rejected_appraisal_changes_nothing_by_itself() -> None:
    before = _after(Event.ASSIGNED)
    after = fold(before, _record(before, Event.APPRAISED, appraisal=_appraisal()), digest="sha256:" + "9" * 64)
    assert after == before.model_copy(update={"sequence": 2, "digest": "sha256:" + "9" * 64})


def test_rejection_ends_the_boot_and_keeps_what_the_node_knows() -> None:
    head = _after(*JOIN, Event.REJECTED)
    assert (head.phase, head.rejection, head.keys) == (Phase.REJECTED, 6, {"common": 1})
    assert (head.nonce, head.proven_commit, head.accepted_at, head.admitted_at) == (None, None, None, None)
    assert head.clock == CLOCK


@pytest.mark.parametrize("events", [(*JOIN, Event.RETURNED), (*JOIN, Event.REJECTED, Event.RETURNED)])
def test_a_returned_node_knows_and_owes_nothing_but_its_clock(events: tuple[Event, ...]) -> None:
    head = _after(*events)
    assert (head.phase, head.keys, head.rejection, head.enclave, head.attempt) == (Phase.FREE, {}, None, None, None)
    assert (head.image, head.assigned_at, head.confirmed_at, head.clock) == (None, None, None, CLOCK)


def test_a_new_attempt_forgets_the_proof_and_keeps_the_keys() -> None:
    head = _after(*JOIN, Event.ASSIGNED)
    assert (head.phase, head.nonce, head.admitted_at, head.confirmed_at) == (Phase.AIRLOCK, None, None, None)
    assert (head.keys, head.clock) == ({"common": 1}, CLOCK)


@pytest.mark.parametrize(
    "events",
    [
        (Event.ADMITTED,),
        (Event.REJECTED, Event.ASSIGNED),
        (Event.ASSIGNED, Event.REJECTED, Event.ASSIGNED),
        (Event.ASSIGNED, Event.REJECTED, Event.ADMITTED),
    ],
)
def test_a_step_that_the_table_does_not_know_is_refused(events: tuple[Event, ...]) -> None:
    with pytest.raises(InvariantError):
        _after(*events)


def test_a_free_node_may_be_rejected() -> None:
    head = _after(Event.REJECTED)
    assert (head.phase, head.rejection, head.enclave) == (Phase.REJECTED, 1, None)


@pytest.mark.parametrize(
    "change", [{"sequence": 3}, {"sequence": 1}, {"previous": None}, {"previous": "sha256:" + "f" * 64}]
)
def test_a_record_that_does_not_follow_is_refused(change: dict[str, Any]) -> None:
    head = _after(Event.ASSIGNED)
    with pytest.raises(TrustError) as caught:
        fold(head, _record(head, Event.RELEASED, **change), digest="sha256:" + "0" * 64)
    assert caught.value.reason == "ChainBroken"


def test_the_first_record_has_no_other_before_it() -> None:
    with pytest.raises(TrustError):
        fold(
            None, _record(None, Event.ASSIGNED, previous="sha256:" + "f" * 64, **ASSIGNED), digest="sha256:" + "0" * 64
        )


PORTS = {"ports": {"eno1": "access 999"}}


@pytest.mark.parametrize(
    ("events", "last", "details", "is_parked"),
    [
        ((), Event.PARKED, PORTS, True),
        ((), Event.ASSIGNED, ASSIGNED, False),
        (JOIN[:3], Event.ADMITTED, PORTS, False),
        (JOIN, Event.PARKED, PORTS, True),
        (JOIN, Event.REJECTED, PORTS, True),
        (JOIN, Event.REJECTED, {}, False),
        ((*JOIN, Event.PARKED), Event.RETURNED, PORTS, True),
        (JOIN, Event.RETURNED, {}, False),
        ((*JOIN, Event.PARKED), Event.ASSIGNED, ASSIGNED, False),
    ],
)
def test_what_is_on_record_of_ports(
    events: tuple[Event, ...], last: Event, details: dict[str, Any], *, is_parked: bool
) -> None:
    before = _after(*events) if events else None
    after = fold(before, _record(before, last, **details), digest="sha256:" + "9" * 64)
    assert after.is_parked is is_parked


def test_parking_changes_nothing_else() -> None:
    before = _after(*JOIN)
    after = fold(before, _record(before, Event.PARKED, **PORTS), digest="sha256:" + "9" * 64)
    own = {"sequence": 6, "digest": "sha256:" + "9" * 64, "is_parked": True, "ports": PORTS["ports"]}
    assert after == before.model_copy(update=own)
