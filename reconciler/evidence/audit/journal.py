"""The place where the journal's own audit is put in; by itself an entry is a signed envelope, and no more is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reconciler.evidence.audit.flaws import Flaw


class JournalAudit(Protocol):
    """What looks at the journal's entries, in the order of the log, and at its head."""

    def take(self, path: str, payload: bytes) -> Iterable[Flaw]:
        """Return what is wrong with the next entry; its envelope is signed by an evidence key."""
        ...

    def finish(self, head: bytes | None) -> Iterable[Flaw]:
        """Return what is wrong with ``journal/head.json`` after all entries; None if there is none."""
        ...


class Unread:
    """Asks nothing of the journal."""

    def take(self, path: str, payload: bytes) -> Iterable[Flaw]:
        """Return nothing."""
        del path, payload
        return ()

    def finish(self, head: bytes | None) -> Iterable[Flaw]:
        """Return nothing."""
        del head
        return ()
