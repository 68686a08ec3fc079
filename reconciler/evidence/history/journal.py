"""The journal in words: what concerns the whole repository, for people.

Rules: entries are taken as said, each event in one line; what is quoted in them is a stranger's text and stays so. Only
questions about everything, or about a commit, have the journal in their answer: it is about no node and no enclave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.evidence.canonical import to_json
from reconciler.evidence.history.chronicle import Scope
from reconciler.evidence.history.times import time_json
from reconciler.evidence.journal import (
    DriftHealed,
    DriftOver,
    DriftSeen,
    Followed,
    JournalEntry,
    JournalEvent,
    KeyRotated,
    Pinned,
    RefusalOver,
    Refused,
    SignerChanged,
    Step,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event of the journal in words: when, what it is, what it is about, and what is said of it."""

    at: datetime
    sequence: int
    what: str
    subject: str
    details: tuple[str, ...]


def entries_in(entries: Iterable[JournalEntry], *, scope: Scope) -> tuple[JournalEntry, ...]:
    """Return the entries in ``scope``, in their order; none for a question about one node or one enclave."""
    if scope.node is not None or scope.enclave is not None:
        return ()
    return tuple(
        entry
        for entry in sorted(entries, key=lambda entry: entry.sequence)
        if scope.window.has(entry.recorded_at) and entry.commit.startswith(scope.commit or "")
    )


def entry_json(entry: JournalEntry) -> dict[str, Any]:
    """Return an entry as JSON, its events as they are recorded."""
    return {
        "entry": entry.sequence,
        "recordedAt": time_json(entry.recorded_at),
        "desiredState": entry.commit,
        "signer": entry.signer,
        "events": [to_json(event) for event in entry.events],
    }


def tell(entries: Iterable[JournalEntry]) -> list[Told]:
    """Return every event of ``entries`` in words."""
    return [_told(entry, event) for entry in entries for event in entry.events]


def _told(entry: JournalEntry, event: JournalEvent) -> Told:
    what, subject, details = _words(event)
    return Told(at=entry.recorded_at, sequence=entry.sequence, what=what, subject=subject, details=tuple(details))


def _words(event: JournalEvent) -> tuple[str, str, list[str]]:
    match event:
        case Followed():
            details = [_step(step) for step in event.steps]
            details += [
                f"override, {one.what} of {one.subject}: {one.before or 'none'}, now {one.after or 'none'}"
                for one in event.overrides
            ]
            words = "a desired state came into force", event.commit, details
        case Refused():
            words = "a commit was refused", event.refusal.subject, [event.refusal.code, *event.refusal.messages]
        case RefusalOver():
            words = "a refusal does not stand any more", event.refusal.subject, [event.refusal.code]
        case DriftSeen():
            seen = event.drift
            words = "drift was seen", seen.subject, [f"declared: {seen.declared}", f"found: {seen.found}"]
        case DriftOver():
            words = "drift is over", event.drift.subject, []
        case DriftHealed():
            words = "drift was put right", event.drift.subject, []
        case KeyRotated():
            before = f" after version {event.before}" if event.before is not None else ""
            words = "a key has a new version", event.name, [f"version {event.after}{before}", event.why]
        case SignerChanged():
            words = "evidence is signed by another key", event.after, [f"before: {event.before}"]
        case Pinned():  # pragma: no branch  # mypy: the match is exhaustive
            words = "only one plan was allowed", event.plan, list(event.actions)
    return words


def _step(step: Step) -> str:
    signer = f" signed by {step.signer}" if step.signer else ""
    approved = f", approved by {', '.join(step.approved_by)}" if step.approved_by else ""
    confirmed = f", confirms {'; '.join(step.confirms)}" if step.confirms else ""
    return f"commit {step.commit}{signer}{approved}{confirmed}"
