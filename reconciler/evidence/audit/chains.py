"""Chains: each node's records one after the other, their sum, and that no time goes back.

After a break the chain goes on from the record that was found, so that one record that is gone is one flaw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.errors.taxonomy import InvariantError, TrustError
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.fold import fold
from reconciler.evidence.statement import Record
from reconciler.model.phase import Phase
from reconciler.model.record import Head

LATE = timedelta(minutes=10)
"""How far back in the log a time may go. An admission is dated when its first port is moved and written when the last
one was read back, while other nodes' records go ahead of it; a switch that hangs holds it up for minutes."""


@dataclass(slots=True, kw_only=True)
class _Chain:
    head: Head
    recorded_at: datetime | None


class Chains:
    """What the records say of each node so far."""

    def __init__(self, *, found: Findings, begin: Mapping[str, Head]) -> None:
        """Go on from the heads in ``begin``; nobody else has a record yet."""
        self._found = found
        self._of = {node: _Chain(head=head, recorded_at=None) for node, head in begin.items()}
        self._latest: datetime | None = None

    def head(self, node: str) -> Head | None:
        """Return the sum of the node's records so far."""
        chain = self._of.get(node)
        return chain.head if chain else None

    def heads(self) -> dict[str, Head]:
        """Return the sums of all records, by node."""
        return {node: chain.head for node, chain in sorted(self._of.items())}

    def note_time(self, path: str, at: datetime) -> None:
        """Compare the time of the statement at ``path`` with those before it in the log."""
        if self._latest is not None and at < self._latest - LATE:
            message = f"it is dated {at.isoformat()}, and stands in the log after {self._latest.isoformat()}"
            self._found.add(path, "TimeReversed", message)
        self._latest = at if self._latest is None else max(self._latest, at)

    def take(self, path: str, record: Record, *, digest: str) -> None:
        """Add ``record``, which stands at ``path``, to its node's chain."""
        chain = self._of.get(record.node)
        if chain is not None and chain.recorded_at is not None and record.recorded_at < chain.recorded_at:
            message = f"node {record.node}: record {record.sequence} is dated before the one ahead of it"
            self._found.add(path, "TimeReversed", message)
        head = self._next(path, chain.head if chain else None, record, digest=digest)
        self._of[record.node] = _Chain(head=head, recorded_at=record.recorded_at)

    def _next(self, path: str, before: Head | None, record: Record, *, digest: str) -> Head:
        try:
            return fold(before, record, digest=digest)
        except TrustError as error:
            self._found.refuse(path, error)
        except InvariantError as error:
            self._found.add(path, error.reason, f"node {record.node}, record {record.sequence}: {error.message}")
        try:
            first = record.model_copy(update={"sequence": 1, "previous": None})
            fitted = before.model_copy(update={"sequence": 0, "digest": None}) if before else None
            after = fold(fitted, first, digest=digest)
        except InvariantError:
            after = before or Head(node=record.node, sequence=1, digest=digest, phase=Phase.FREE, commit=record.commit)
        return after.model_copy(update={"sequence": record.sequence, "digest": digest})
