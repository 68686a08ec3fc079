"""The records of one node in a bundle, one after the other.

1. They are about the bundle's subject and nothing else.
2. Each run of records has no gap, begins where nothing before it matters, and follows the phases of a node's life.
3. The log has them in the same order.
4. No key was released and no node admitted or confirmed without an acceptance in the same attempt before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.reading import Shown
from reconciler.evidence.bundle.selection import NODE, is_start
from reconciler.evidence.fold import fold
from reconciler.evidence.gates import check_gate
from reconciler.evidence.statement import Record
from reconciler.model.phase import Phase
from reconciler.model.record import Event, Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Records of one node without a gap: the first and the last, and where the node stood after that."""

    node: str
    first: int
    last: int
    begins_at: datetime
    ends_at: datetime
    phase: Phase
    enclave: str | None


def split(shown: Sequence[Shown]) -> list[list[Shown]]:
    """Return ``shown`` in the order of their chains, cut where the node changes or a record is missing."""
    runs: list[list[Shown]] = []
    for each in sorted(shown, key=lambda each: (each.record.node, each.record.sequence)):
        last = runs[-1][-1].record if runs else None
        goes_on = last is not None and (each.record.node, each.record.sequence) == (last.node, last.sequence + 1)
        if goes_on:
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def check_subject(runs: Sequence[Sequence[Shown]], *, subject: str) -> None:
    """Raise TrustError unless ``runs`` are about ``subject``."""
    kind, _, name = subject.partition("/")
    records = [each.record for run in runs for each in run]
    if kind == NODE:
        is_about = len(runs) == 1 and all(record.node == name for record in records)
    else:
        is_about = all(record.enclave in {name, None} for record in records)
        is_about = is_about and all(
            (run[0].record.event, run[0].record.enclave) == (Event.ASSIGNED, name) for run in runs
        )
    if not runs or not is_about:
        message = "it holds records of something else, or a record is missing between two others"
        raise TrustError(subject, message, reason="SubjectDiffers", hint="the bundle was altered")


def check_order(run: Sequence[Shown], *, places: Mapping[str, int]) -> None:
    """Raise TrustError unless the log has the records of ``run`` in their order."""
    found = [places[each.path] for each in run]
    if any(later <= earlier for earlier, later in pairwise(found)):
        raise TrustError(f"node {run[0].record.node}", "the log has its records in another order", reason="LogDiffers")


def follow(run: Sequence[Shown], *, judge: Callable[[Shown, Head, bool], None]) -> Run:
    """Return the sum of ``run``; TrustError where it does not hold.

    ``judge`` is called for every appraisal with the head before it, and whether that head's clock is known.
    """
    first, last = run[0].record, run[-1].record
    if not is_start(first):
        message = f"its records begin with number {first.sequence}, and what came before it matters"
        raise TrustError(f"node {first.node}", message, reason="ChainBroken")
    head = _before(first)
    is_clock_known = head is None
    for each in run:
        record, before = each.record, head
        head = fold(before, record, digest=each.digest)
        check_gate(before, record)
        if record.event is Event.APPRAISED:
            judge(each, before or head, is_clock_known)
            is_clock_known = is_clock_known or record.clock is not None
    return Run(
        node=first.node,
        first=first.sequence,
        last=last.sequence,
        begins_at=first.recorded_at,
        ends_at=last.recorded_at,
        phase=head.phase if head else Phase.FREE,
        enclave=head.enclave if head else None,
    )


def _before(first: Record) -> Head | None:
    """Return a head that ``first`` follows and that allows nothing: what made the true one is not shown."""
    if first.sequence == 1 or first.previous is None:
        return None
    sequence, digest = first.sequence - 1, first.previous
    return Head(node=first.node, sequence=sequence, digest=digest, phase=Phase.FREE, commit=first.commit)
