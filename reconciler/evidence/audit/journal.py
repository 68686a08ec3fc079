"""The journal's own check, as part of an audit."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.audit.archive import Archive
from reconciler.evidence.audit.flaws import Flaw
from reconciler.evidence.journal import parse_journal_head
from reconciler.evidence.journal_check import History, JournalFlaw, JournalReview, open_entry


class JournalAudit:
    """Looks at the journal's entries, in the order of the log, and at its head."""

    def __init__(self, archive: Archive, *, head: bytes | None = None) -> None:
        """Hold the journal against the desired states of ``archive``, from ``head`` on if a year began with one."""

        def leads_on(before: str, after: str) -> bool:
            first, second = archive.commits(before), archive.commits(after)
            return first is not None and second is not None and first.number < second.number

        self._history = History(desired=archive.desired, keys=archive.keys, leads_on=leads_on)
        self._review = JournalReview(self._history)
        if head is not None:
            self._review.head = parse_journal_head(head)

    def take(self, path: str, envelope: bytes) -> Iterator[Flaw]:
        """Yield what is wrong with the next entry."""
        try:
            payload = open_entry(path, envelope, self._history)[2]
        except RingfenceError as error:
            yield Flaw(path=path, code=error.reason, message=str(error))
            return
        yield from map(_flaw, self._review.take(path, payload))

    def finish(self, head: bytes | None) -> Iterator[Flaw]:
        """Yield what is wrong with ``journal/head.json`` after all entries; None if there is none."""
        yield from map(_flaw, self._review.finish(head))


def _flaw(found: JournalFlaw) -> Flaw:
    return Flaw(path=found.path, code=found.code, message=found.message)
