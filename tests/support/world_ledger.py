"""A simulated evidence branch: append-only, one writer, a commit at a time, behind the ledger port."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from reconciler.evidence.journal import HEAD_PATH
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from tests.support.world_line import FaultKind, Line


class SimulatedLedger:
    """The evidence branch (``ports.ledger.Ledger``). ``rounds`` is everything on it, commit by commit."""

    def __init__(self, *, line: Line) -> None:
        """Start with an empty branch."""
        self.rounds: list[tuple[Entry, ...]] = []
        self.on_appended: Callable[[Sequence[Entry]], None] = lambda _entries: None
        self._line = line
        self._shown: dict[str, Head] = {}

    def heads(self) -> Mapping[str, Head]:
        """Return the newest head of every node that has one."""
        if self._line.read("ledger", "heads") is not FaultKind.STALE:
            self._shown = {head.node: head for entries in self.rounds for entry in entries for head in entry.heads}
        return dict(self._shown)

    def append(self, entries: Sequence[Entry]) -> str:
        """Record ``entries`` in one commit and return its id."""
        subject = ",".join(f"{head.node}#{head.sequence}" for entry in entries for head in entry.heads)
        with self._line.write("ledger", "append", subject=subject):
            self.on_appended(entries)
            self.rounds.append(tuple(entries))
            return hashlib.sha1(f"{len(self.rounds)}".encode(), usedforsecurity=False).hexdigest()

    def journal_head(self) -> bytes | None:
        """Return the sum of the journal, None if there is none yet."""
        self._line.read("ledger", "journal_head")
        return self.sums.get(HEAD_PATH)

    def set_trusted(self, commit: str) -> None:
        """Require that ``commit`` is what is on record as trusted: the journal wrote it together with its entry."""
        assert json.loads(self.sums["trusted.json"]) == {"commit": commit}

    @property
    def sums(self) -> dict[str, bytes]:
        """Return the files that were written anew, as they are now."""
        return {path: content for entries in self.rounds for entry in entries for path, content in entry.sums.items()}

    @property
    def journal(self) -> list[tuple[str, bytes]]:
        """Return path and envelope of everything in the journal."""
        found = (entry for entries in self.rounds for entry in entries if entry.path.startswith("journal/"))
        return [(entry.path, entry.envelope) for entry in found]
