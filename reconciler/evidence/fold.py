"""The fold from statements to a head: what the chain of records says of a node now.

A step that the phase table does not know raises.
"""

from __future__ import annotations

from typing import Any

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.statement import Record
from reconciler.model.phase import Phase, check_step
from reconciler.model.record import Event, Head


def fold(head: Head | None, record: Record, *, digest: str) -> Head:
    """Return the head after ``record``, whose statement has ``digest``.

    Raises TrustError if ``record`` does not follow ``head`` in the chain, InvariantError if no step leads there.
    """
    _check_chain(head, record)
    before = head.phase if head else Phase.FREE
    if head is None:
        head = Head(node=record.node, sequence=record.sequence, digest=digest, phase=before, commit=record.commit)
    changes = _changes(head, record)
    after = changes.get("phase", before)
    if record.event is Event.RETURNED and before in {Phase.AIRLOCK, Phase.ENCLAVE}:
        before = check_step(before, Phase.RETURNING)  # Passed through, and over by the time it is recorded.
    check_step(before, after)
    base = {"sequence": record.sequence, "digest": digest, "commit": record.commit, "phase": after}
    if record.ports:
        base["ports"] = dict(record.ports)
    return head.model_copy(update=changes | base)


def _check_chain(head: Head | None, record: Record) -> None:
    sequence, previous = (head.sequence, head.digest) if head else (0, None)
    if record.sequence != sequence + 1 or record.previous != previous:
        raise TrustError(
            f"node {record.node}",
            f"record {record.sequence} does not follow record {sequence}",
            reason="ChainBroken",
            hint="a record was dropped, reordered or replaced on the evidence branch",
        )


def _changes(head: Head, record: Record) -> dict[str, Any]:
    changes: dict[str, Any]
    match record.event:
        case Event.PARKED:
            changes = {"is_parked": True}
        case Event.ENROLLED:
            changes = {"enrolment": record.enrolment}
        case Event.ASSIGNED:
            changes = _boot_fields() | {
                "is_parked": False,
                "phase": Phase.AIRLOCK,
                "enclave": record.enclave,
                "attempt": record.attempt,
                "image": record.image,
                "assigned_at": record.recorded_at,
            }
        case Event.APPRAISED:
            changes = _appraised(record)
        case Event.RELEASED:
            changes = {"keys": head.keys | record.keys}
        case Event.ADMITTED:
            changes = {"phase": Phase.ENCLAVE, "admitted_at": record.recorded_at, "is_parked": False}
        case Event.CONFIRMED:
            changes = {"confirmed_at": record.recorded_at}
        case Event.REJECTED:
            parked = {"is_parked": True} if record.ports else {}
            changes = _boot_fields() | parked | {"phase": Phase.REJECTED, "rejection": record.sequence}
        case Event.RETURNED:  # pragma: no branch  # mypy: the match is exhaustive
            parked = {"is_parked": True} if record.ports else {}
            left = parked | dict.fromkeys(("enclave", "attempt", "image", "assigned_at", "rejection"))
            changes = _boot_fields() | left | {"phase": Phase.FREE, "keys": {}, "enrolment": None, "ima": None}
    return changes


def _appraised(record: Record) -> dict[str, Any]:
    if record.clock is None or record.appraisal is None:
        return {}  # A rejected appraisal changes nothing by itself: parking is recorded as its own event.
    return {
        "nonce": record.nonce,
        "proven_commit": record.appraisal.evidence.commit,
        "clock": record.clock,
        "clock_before": record.appraisal.previous,
        "contacted_at": record.contacted_at,
        "accepted_at": record.accepted_at,
        "ima": record.appraisal.evidence.ima,
    }


def _boot_fields() -> dict[str, Any]:
    """Return what an end of a boot takes away; the last clock stays, so that a later quote must be newer."""
    return dict.fromkeys(("nonce", "proven_commit", "contacted_at", "accepted_at", "admitted_at", "confirmed_at"))
