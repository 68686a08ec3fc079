"""The fold from the journal's entries to its head. An entry that does not go on from the head raises.

What is asked here is what the chain itself can tell: numbers, digests, and that each event follows from what stood
before. Whether a commit is trusted and a key may sign is asked in ``journal_check``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.journal import (
    DriftHealed,
    DriftOver,
    DriftSeen,
    Followed,
    JournalEntry,
    JournalEvent,
    JournalHead,
    KeyRotated,
    Pinned,
    Refusal,
    RefusalOver,
    Refused,
    Sighting,
    SignerChanged,
)
from reconciler.model.drift import LONGEST

KEPT = 10
"""How many times of putting right are remembered of one subject."""


@dataclass(slots=True, kw_only=True)
class _Sum:
    """What stands while an entry is folded in."""

    commit: str | None = None
    signer: str | None = None
    keys: dict[str, int] = field(default_factory=dict)
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    drift: dict[str, Sighting] = field(default_factory=dict)
    bouts: dict[str, tuple[datetime, ...]] = field(default_factory=dict)


def fold_journal(head: JournalHead | None, entry: JournalEntry, *, digest: str) -> JournalHead:
    """Return the head after ``entry``, whose statement has ``digest``; TrustError if it does not follow ``head``."""
    sequence, previous = (head.sequence, head.digest) if head else (0, None)
    if entry.sequence != sequence + 1 or entry.previous != previous:
        raise _broken(entry, f"does not follow entry {sequence}", reason="ChainBroken")
    total = _sum_of(head)
    for event in entry.events:
        problem = _apply(total, event, at=entry.recorded_at)
        if problem:
            raise _broken(entry, problem, reason="JournalStray")
    if total.commit != entry.commit:
        raise _broken(entry, f"is made under {entry.commit[:12]}, which is not in force", reason="JournalStray")
    if total.signer not in {None, entry.signer}:
        raise _broken(entry, "is signed by another key, and does not say so", reason="JournalStray")
    return JournalHead(
        sequence=entry.sequence,
        digest=digest,
        commit=entry.commit,
        signer=entry.signer,
        keys=dict(sorted(total.keys.items())),
        refusals=tuple(refusal for _, refusal in sorted(total.refusals.items())),
        drift=tuple(drift for _, drift in sorted(total.drift.items())),
        bouts=_recent(total.bouts, at=entry.recorded_at) or None,
    )


def _recent(bouts: Mapping[str, tuple[datetime, ...]], *, at: datetime) -> dict[str, tuple[datetime, ...]]:
    late = {subject: tuple(time for time in times if at - time < LONGEST) for subject, times in sorted(bouts.items())}
    return {subject: times[-KEPT:] for subject, times in late.items() if times}


def _sum_of(head: JournalHead | None) -> _Sum:
    if head is None:
        return _Sum()
    return _Sum(
        commit=head.commit,
        signer=head.signer,
        keys=dict(head.keys),
        refusals={refusal.key: refusal for refusal in head.refusals},
        drift={drift.subject: drift for drift in head.drift},
        bouts=dict(head.bouts or {}),
    )


def _apply(total: _Sum, event: JournalEvent, *, at: datetime) -> str:
    """Take ``event`` into ``total``; return what is wrong with it, if anything."""
    match event:
        case Followed():
            problem = _follow(total, event)
        case SignerChanged():
            is_next, total.signer = event.before == total.signer != event.after, event.after
            problem = "" if is_next else "changes from a signer that was none"
        case KeyRotated():
            problem = _rotate(total.keys, event)
        case Refused(refusal=refusal):
            problem = "refuses what is refused already" if refusal.key in total.refusals else ""
            total.refusals[refusal.key] = refusal
        case RefusalOver(refusal=refusal):
            problem = "" if total.refusals.pop(refusal.key, None) == refusal else "ends a refusal that does not stand"
        case DriftSeen(drift=drift):
            problem = "tells of drift that is on record" if total.drift.get(drift.subject) == drift else ""
            total.drift[drift.subject] = drift
        case DriftOver(drift=drift):
            problem = "" if total.drift.pop(drift.subject, None) == drift else "ends drift that does not stand"
        case DriftHealed(drift=drift):
            problem = "" if total.drift.pop(drift.subject, None) == drift else "puts right what does not stand"
            total.bouts[drift.subject] = (*total.bouts.get(drift.subject, ()), at)
        case Pinned():  # pragma: no branch  # mypy: the match is exhaustive
            problem = ""
    return problem


def _follow(total: _Sum, event: Followed) -> str:
    is_next = event.before == total.commit != event.commit
    total.commit = event.commit
    return "" if is_next else "follows a commit after another than the one in force"


def _rotate(keys: dict[str, int], event: KeyRotated) -> str:
    before = keys.get(event.name)
    is_next = event.before == before and event.after > (before or 0)
    keys[event.name] = event.after
    return "" if is_next else f"rotates {event.name} from a version that was not on record"


def standing(head: JournalHead | None) -> tuple[Mapping[tuple[str, str], Refusal], Mapping[str, Sighting]]:
    """Return the refusals (by key) and the drift (by subject) that stand."""
    total = _sum_of(head)
    return total.refusals, total.drift


def _broken(entry: JournalEntry, message: str, *, reason: str) -> TrustError:
    hint = "an entry was dropped, reordered or replaced on the evidence branch"
    return TrustError(f"journal entry {entry.sequence}", message, reason=reason, hint=hint)
