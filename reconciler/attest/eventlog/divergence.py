"""Where a boot went another way than a good one: the first event that differs, PCR by PCR.

Digests are compared, texts are not. Within a PCR the order is measured; across PCRs it is
not, so each PCR is followed by itself, and the divergence that comes first in the found
log is the first of all. Cost grows with the number of events, not with its square.

It explains and decides nothing: both logs must have been replayed to quoted values first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.attest.eventlog.describe import describe_event
from reconciler.attest.eventlog.record import PCR_COUNT, Event
from reconciler.attest.eventlog.replay import Replay, replay


class DivergenceKind(StrEnum):
    """How two boots part: another start value, an event less, an event more, or another event."""

    START = "start"
    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first difference in ``pcr``, at its event number ``position`` from 0.

    ``expected`` is the good boot's event there and ``found`` this boot's; either is None where that boot has no more.
    ``pcr`` starts elsewhere (another locality, another launch) if the kind is START.
    """

    kind: DivergenceKind
    pcr: int
    position: int
    expected: Event | None
    found: Event | None

    def describe(self) -> str:
        """Return one line for people; the events' own texts in it are not trusted."""
        expected = "nothing" if self.expected is None else _line(self.expected)
        found = "nothing" if self.found is None else _line(self.found)
        texts = {
            DivergenceKind.START: "starts at another value: another locality, or another launch",
            DivergenceKind.MISSING: f"missing {expected}; found {found} instead",
            DivergenceKind.EXTRA: f"{found} was not expected; expected {expected}",
            DivergenceKind.CHANGED: f"expected {expected}; found {found}",
        }
        return f"PCR {self.pcr}: {texts[self.kind]}"


def first_divergence(
    good: Replay | Iterable[Event], found: Replay | Iterable[Event], *, quoted: Collection[int] = range(PCR_COUNT)
) -> Divergence | None:
    """Return the first event at which ``found`` went another way than ``good``, in the order of the found log.

    Only the ``quoted`` PCRs are compared, and both must be of one bank. None if they are the same.
    """
    before, after = _replayed(good), _replayed(found)
    parted = divergences(before, after, quoted=quoted)
    if not parted:
        return None
    matched = sorted([*_matched(before, after, quoted=quoted), *_changed(parted)])
    return min(parted, key=lambda divergence: _place(divergence, matched=matched))


def divergences(
    good: Replay | Iterable[Event], found: Replay | Iterable[Event], *, quoted: Collection[int] = range(PCR_COUNT)
) -> tuple[Divergence, ...]:
    """Return the first divergence of each of the ``quoted`` PCRs that has one, by PCR."""
    before, after = _replayed(good), _replayed(found)
    compared = [_compare(before, after, pcr=pcr) for pcr in sorted(quoted)]
    return tuple(divergence for divergence in compared if divergence is not None)


def _replayed(boot: Replay | Iterable[Event]) -> Replay:
    return boot if isinstance(boot, Replay) else replay(boot)


def _compare(good: Replay, found: Replay, *, pcr: int) -> Divergence | None:
    expected, seen = good.extended[pcr], found.extended[pcr]
    position = _common(expected, seen)
    if position == len(expected) == len(seen):
        if good.values[pcr] == found.values[pcr]:
            return None
        return Divergence(kind=DivergenceKind.START, pcr=pcr, position=0, expected=None, found=None)
    return Divergence(
        kind=_kind(expected[position:], seen[position:]),
        pcr=pcr,
        position=position,
        expected=expected[position] if position < len(expected) else None,
        found=seen[position] if position < len(seen) else None,
    )


def _common(expected: Sequence[Event], found: Sequence[Event]) -> int:
    for position, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one.digest != other.digest:
            return position
    return min(len(expected), len(found))


def _kind(expected: Sequence[Event], found: Sequence[Event]) -> DivergenceKind:
    """Return how two rests part that differ at once: what comes back sooner tells what was put between."""
    if not expected:
        return DivergenceKind.EXTRA
    if not found:
        return DivergenceKind.MISSING
    later = _distance(found, digest=expected[0].digest)
    sooner = _distance(expected, digest=found[0].digest)
    if later == sooner:
        return DivergenceKind.CHANGED
    return DivergenceKind.EXTRA if later < sooner else DivergenceKind.MISSING


def _distance(events: Sequence[Event], *, digest: bytes) -> int:
    return next((place for place, event in enumerate(events) if event.digest == digest), 1 << 32)


def _matched(good: Replay, found: Replay, *, quoted: Collection[int]) -> Iterator[tuple[int, int]]:
    for pcr in quoted:
        expected, seen = good.extended[pcr], found.extended[pcr]
        for position in range(_common(expected, seen)):
            yield expected[position].index, seen[position].index


def _changed(parted: Iterable[Divergence]) -> Iterator[tuple[int, int]]:
    for divergence in parted:
        if divergence.expected is not None and divergence.found is not None:
            yield divergence.expected.index, divergence.found.index


def _place(divergence: Divergence, *, matched: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """Return where in the found log the divergence stands; an absent event stands after what preceded it."""
    if divergence.kind is DivergenceKind.START:
        return (-1, 0, divergence.pcr)
    if divergence.found is not None:
        return (divergence.found.index, 0, divergence.pcr)
    index = -1 if divergence.expected is None else divergence.expected.index
    before = matched[: bisect_left(matched, (index, 0))]
    return (max((seen for _, seen in before), default=-1), 1, divergence.pcr)


def _line(event: Event) -> str:
    text = describe_event(event)
    return f"event {event.index} {event.type_name}" + (f" ({text})" if text else "") + f" {event.digest.hex()[:16]}"
