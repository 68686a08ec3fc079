"""How long steps took, by the records: medians for what a plan will take.

Rules: only the first proof of an attempt counts, since a member's later proofs are no part of a join. Steps that leave
no record (power, ports that are parked) have no duration here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from reconciler.evidence.statement import Record
from reconciler.model.record import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """The median of ``samples`` recorded runs of one step, in seconds."""

    median_s: float
    samples: int


def durations(records: Iterable[Record]) -> dict[str, Duration]:
    """Return how long steps took, by the verb of the action; ``records`` are each node's in sequence.

    ``attest``: from the assignment (power-on follows at once) to the evidence. ``record-evidence``: from the evidence
    to its record. ``release-keys``: from there to the admission, read back. ``confirm``: from there to the node's call.
    """
    steps: dict[str, list[float]] = {}
    since: dict[str, tuple[str, datetime]] = {}
    for record in records:
        node, at = record.node, record.recorded_at
        match record.event:
            case Event.ASSIGNED:
                since[node] = ("attest", at)
            case Event.APPRAISED if record.accepted_at is not None and since.get(node, ("", at))[0] == "attest":
                steps.setdefault("attest", []).append(_seconds(since[node][1], record.accepted_at))
                steps.setdefault("record-evidence", []).append(_seconds(record.accepted_at, at))
                since[node] = ("release-keys", at)
            case Event.ADMITTED if since.get(node, ("", at))[0] == "release-keys":
                steps.setdefault("release-keys", []).append(_seconds(since[node][1], at))
                since[node] = ("confirm", at)
            case Event.CONFIRMED if since.get(node, ("", at))[0] == "confirm":
                steps.setdefault("confirm", []).append(_seconds(since.pop(node)[1], at))
            case Event.REJECTED | Event.RETURNED:
                since.pop(node, None)
            case _:
                pass
    return {verb: Duration(median_s=median(taken), samples=len(taken)) for verb, taken in sorted(steps.items())}


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
