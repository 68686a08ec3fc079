"""Writing the journal: from events to signed ledger entries, chained to what came before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reconciler.evidence.author import VERIFIER, Author
from reconciler.evidence.canonical import canonical_value, digest
from reconciler.evidence.envelope import seal
from reconciler.evidence.journal import (
    HEAD_PATH,
    JournalEntry,
    JournalEvent,
    JournalHead,
    journal_bytes,
    journal_path,
)
from reconciler.evidence.journal_fold import fold_journal
from reconciler.ports.ledger import Entry

MANY = 500
"""How many events one entry holds at most."""


def journal_entries(
    head: JournalHead | None,
    events: Sequence[JournalEvent],
    *,
    author: Author,
    at: datetime,
    sums: Mapping[str, bytes] | None = None,
) -> tuple[list[Entry], JournalHead | None]:
    """Return the entries that record ``events`` after ``head``, to be appended together, and the head after them.

    ``at`` is the time of recording; ``sums`` are other files that are written anew with the last of them.
    """
    entries: list[Entry] = []
    parts = [events[start : start + MANY] for start in range(0, len(events), MANY)]
    for part in parts:
        entry = JournalEntry(
            sequence=head.sequence + 1 if head else 1,
            previous=head.digest if head else None,
            recorded_at=at,
            commit=author.commit,
            tree=author.tree,
            verifier=VERIFIER,
            signer=author.key_id,
            events=tuple(part),
        )
        payload = journal_bytes(entry)
        head = fold_journal(head, entry, digest=digest(payload))
        others = dict(sums or {}) if part is parts[-1] else {}
        entries.append(
            Entry(
                path=journal_path(entry),
                envelope=seal(payload, sign=author.sign, key_id=author.key_id),
                blobs={},
                sums=others | {HEAD_PATH: canonical_value(head)},
            )
        )
    return entries, head
