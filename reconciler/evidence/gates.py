"""The gates as records show them: what must not have happened to a node before its evidence was accepted."""

from __future__ import annotations

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.statement import Record
from reconciler.model.record import Event, Head

GATED = frozenset({Event.RELEASED, Event.ADMITTED, Event.CONFIRMED})


def check_gate(head: Head | None, record: Record) -> None:
    """Raise TrustError if ``record`` says that a gate was passed which was not open; ``head`` is the one before it."""
    is_open = head is not None and head.nonce is not None and head.attempt == record.attempt
    if record.event in GATED and not is_open:
        raise TrustError(f"node {record.node}", f"it was {record.event} without proof", reason="GateSkipped")
