"""The journal's entries, as far as they hold, for an auditor's answer. What is wrong with others is the audit's."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.auditing import Audited
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.journal import HEAD_PATH, JournalEntry, parse_journal
from reconciler.evidence.journal_check import History, open_entry

_FOLDER = "journal/"


def read_journal(audited: Audited) -> Iterator[JournalEntry]:
    """Yield every entry of the journal that the key it names signed; in no order."""
    history = History(desired=audited.archive.desired, keys=audited.archive.keys, leads_on=lambda _before, _after: True)
    for path, _ in audited.branch.files():
        if not path.startswith(_FOLDER) or path == HEAD_PATH:
            continue
        try:
            yield parse_journal(open_entry(path, audited.branch.read(path) or b"", history)[2])
        except RingfenceError:
            continue
