"""Which records of a node belong into a bundle.

1. Of a node: all of them. Of an enclave: from each assignment to it until the node left it, and nothing of the time
   before and after, which may be another tenant's.
2. A span of time begins with the assignment that was in force at its start, so that what came of it can be followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from reconciler.evidence.statement import Record
from reconciler.model.record import Event

NODE, ENCLAVE = "node", "enclave"


def select(
    records: Sequence[Record], *, subject: str, since: datetime | None = None, until: datetime | None = None
) -> list[Record]:
    """Return those of ``records``, one node's in chain order, that a bundle about ``subject`` shows."""
    kind, _, name = subject.partition("/")
    chosen: list[Record] = []
    for run in [list(records)] if kind == NODE else _stays(records, enclave=name):
        chosen += _within(run, since=since, until=until)
    return chosen


def is_start(record: Record) -> bool:
    """Return whether what comes of ``record`` and after it depends on no record before it."""
    return record.sequence == 1 or record.event is Event.ASSIGNED


def _stays(records: Iterable[Record], *, enclave: str) -> list[list[Record]]:
    stays: list[list[Record]] = []
    is_there = False
    for record in records:
        if record.event is Event.ASSIGNED and record.enclave == enclave and not is_there:
            stays.append([])
            is_there = True
        is_there = is_there and record.enclave in {enclave, None}
        if is_there:
            stays[-1].append(record)
        is_there = is_there and record.event is not Event.RETURNED
    return stays


def _within(run: Sequence[Record], *, since: datetime | None, until: datetime | None) -> list[Record]:
    asked = next((index for index, each in enumerate(run) if since is None or each.recorded_at >= since), len(run))
    first = max((index for index, each in enumerate(run[: asked + 1]) if is_start(each)), default=0)
    shown = [record for record in run[first:] if until is None or record.recorded_at <= until]
    # A stay that was over before the time that is asked about has nothing to show of it.
    return shown if shown and (since is None or shown[-1].recorded_at >= since) else []
