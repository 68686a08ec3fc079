"""A whole journal checked at once, as the audit does it entry by entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.journal import JournalEntry, JournalHead
from reconciler.evidence.journal_check import History, JournalFlaw, JournalReview, flaw_of, open_entry


@dataclass(slots=True, kw_only=True)
class JournalFindings:
    """What was found: the entries that hold, in order, their sum, and when each commit came into force."""

    flaws: list[JournalFlaw] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)
    head: JournalHead | None = None
    followed: dict[str, datetime] = field(default_factory=dict)


def check_journal(envelopes: Iterable[tuple[str, bytes]], *, history: History, head: bytes | None) -> JournalFindings:
    """Return everything found in a journal of ``envelopes`` (path, envelope; any order) with the claimed ``head``."""
    found = JournalFindings()
    opened: list[tuple[int, str, bytes]] = []
    for path, envelope in envelopes:
        try:
            opened.append(open_entry(path, envelope, history))
        except RingfenceError as error:
            found.flaws.append(flaw_of(path, error))
    review = JournalReview(history, tell=found.entries.append)
    for _, path, payload in sorted(opened):
        found.flaws += review.take(path, payload)
    found.flaws += review.finish(head)
    found.head, found.followed = review.head, review.followed
    return found
