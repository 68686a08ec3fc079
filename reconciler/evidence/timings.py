"""How long things took, by the records: from power-on to enclave, and what part of it was ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reconciler.evidence.statement import Record
from reconciler.model.record import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One completed join of a node, in seconds.

    ``boot_s`` is from the assignment (power-on follows at once) to the node's first call: POST, download and boot.
    ``admission_s`` is from the arrival of its evidence to the recorded admission: verdict, record, keys and network.
    ``control_s`` is everything from the first call to the confirmation; ``total_s`` is all of it.
    """

    node: str
    attempt: str
    boot_s: float
    admission_s: float
    control_s: float
    total_s: float


def timings(records: Iterable[Record]) -> list[Timing]:
    """Return the timing of every join that was confirmed, in the order of ``records`` (each node's in sequence)."""
    assigned: dict[str, datetime] = {}
    proven: dict[str, Record] = {}
    admitted: dict[str, datetime] = {}
    done: list[Timing] = []
    for record in records:
        if record.event is Event.ASSIGNED:
            assigned[record.node] = record.recorded_at
            proven.pop(record.node, None)
            admitted.pop(record.node, None)
        elif record.event is Event.APPRAISED and record.accepted_at and record.node not in admitted:
            proven[record.node] = record
        elif record.event is Event.ADMITTED:
            admitted[record.node] = record.recorded_at
        elif record.event is Event.CONFIRMED and {record.node} <= assigned.keys() & proven.keys() & admitted.keys():
            done.append(_timing(record, assigned[record.node], proven[record.node], admitted[record.node]))
    return done


def _timing(confirmed: Record, assigned: datetime, proof: Record, admitted: datetime) -> Timing:
    contacted = proof.contacted_at or proof.recorded_at
    received = proof.accepted_at or proof.recorded_at
    return Timing(
        node=confirmed.node,
        attempt=confirmed.attempt or "",
        boot_s=(contacted - assigned).total_seconds(),
        admission_s=(admitted - received).total_seconds(),
        control_s=(confirmed.recorded_at - contacted).total_seconds(),
        total_s=(confirmed.recorded_at - assigned).total_seconds(),
    )
