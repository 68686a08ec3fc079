"""The journal's own check, as part of an audit."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.evidence.audit.archive import Archive
from reconciler.evidence.audit.flaws import Flaw
from reconciler.evidence.journal_check import History, JournalCheck, JournalFlaw


class JournalAudit:
    """Looks at the journal's entries, in the order of the log, and at its head."""

    def __init__(self, archive: Archive) -> None:
        """Hold the journal against the desired states of ``archive``."""

        def leads_on(before: str, after: str) -> bool:
            first, second = archive.commits(before), archive.commits(after)
            return first is not None and second is not None and first.number < second.number

        self._check = JournalCheck(History(desired=archive.desired, keys=archive.keys, leads_on=leads_on))

    def take(self, path: str, envelope: bytes) -> Iterator[Flaw]:
        """Yield what is wrong with the next entry."""
        yield from map(_flaw, self._check.take(path, envelope))

    def finish(self, head: bytes | None) -> Iterator[Flaw]:
        """Yield what is wrong with ``journal/head.json`` after all entries; None if there is none."""
        yield from map(_flaw, self._check.finish(head))


def _flaw(found: JournalFlaw) -> Flaw:
    return Flaw(path=found.path, code=found.code, message=found.message)
