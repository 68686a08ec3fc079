"""Journals for tests: entries of any events, signed by the evidence key, chained one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from reconciler.evidence.author import Author
from reconciler.evidence.journal import Followed, JournalEvent, JournalHead
from reconciler.evidence.journal_entries import journal_entries
from reconciler.ports.ledger import Entry
from tests.support.runner import EVIDENCE_KEY

START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
COMMIT, TREE = "c" * 40, "d" * 40
FOLLOWED = Followed(commit=COMMIT, tree=TREE, is_compared=False)


def author(*, commit: str = COMMIT, tree: str = TREE, key_id: str = "evidence") -> Author:
    """Return who signs entries."""
    return Author(sign=EVIDENCE_KEY.sign, key_id=key_id, commit=commit, tree=tree)


def journal(*parts: Sequence[JournalEvent], by: Author | None = None) -> tuple[list[Entry], JournalHead]:
    """Return a journal with an entry for each of ``parts``, an hour apart, and its sum."""
    head: JournalHead | None = None
    entries: list[Entry] = []
    for number, part in enumerate(parts):
        made, head = journal_entries(head, part, author=by or author(), at=START + timedelta(hours=number))
        entries += made
    assert head is not None
    return entries, head
