"""Writing records: from an event to a signed ledger entry, chained to what came before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.evidence.canonical import canonical_value, digest
from reconciler.evidence.envelope import seal
from reconciler.evidence.fold import fold
from reconciler.evidence.round import records_bytes, records_path, round_bytes, round_path
from reconciler.evidence.statement import Record, statement_bytes, statement_path
from reconciler.model.record import Event, Head
from reconciler.ports.ledger import Entry

VERIFIER = "ringfence/0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who signs records, and under which desired state.

    ``sign`` makes a raw Ed25519 signature with the evidence key ``key_id``; ``commit`` and ``tree`` are the desired
    state's.
    """

    sign: Callable[[bytes], bytes]
    key_id: str
    commit: str
    tree: str

    def entry(self, head: Head | None, news: News, *, at: datetime) -> Entry:
        """Return the entry that records ``news`` after ``head``; ``at`` is the time of recording."""
        record = self._record(head, news, at=at)
        payload = statement_bytes(record, endorsement=news.endorsement)
        return Entry(
            path=statement_path(record),
            envelope=seal(payload, sign=self.sign, key_id=self.key_id),
            blobs=news.blobs,
            heads=(fold(head, record, digest=digest(payload)),),
        )

    def round(self, members: Sequence[tuple[Head, News]], *, at: datetime) -> Entry:
        """Return the entry that records news of as many nodes under one signature, each after its head."""
        lines, heads = [], []
        blobs: dict[str, bytes] = {}
        for head, news in members:
            record = self._record(head, news, at=at)
            line = canonical_value(record)
            lines.append(line)
            heads.append(fold(head, record, digest=digest(line)))
            blobs.update(news.blobs)
        path = round_path(at)
        payload = round_bytes(lines, recorded_at=at, commit=self.commit, tree=self.tree, verifier=VERIFIER)
        return Entry(
            path=path,
            envelope=seal(payload, sign=self.sign, key_id=self.key_id),
            blobs=blobs,
            heads=tuple(heads),
            attached={records_path(path): records_bytes(lines)},
        )

    def _record(self, head: Head | None, news: News, *, at: datetime) -> Record:
        return Record(
            node=news.node,
            sequence=head.sequence + 1 if head else 1,
            previous=head.digest if head else None,
            event=news.event,
            recorded_at=at,
            commit=self.commit,
            tree=self.tree,
            verifier=VERIFIER,
            **news.details,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One event that is to be recorded: ``details`` are the fields of ``Record`` that belong to it."""

    node: str
    event: Event
    endorsement: str
    details: Mapping[str, Any] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
