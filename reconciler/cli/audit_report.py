"""The answer of an audit in the form that was asked for: text, JSON, and a report in a file.

Rules: the audit's own result comes first in each form; a report is whole on the disk or not there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.audit_answers import Question, document
from reconciler.cli.audit_journal import read_journal
from reconciler.errors.taxonomy import InputError
from reconciler.evidence.history.basis import BasisReader
from reconciler.evidence.history.chronicle import Chronicle
from reconciler.evidence.history.journal import entries_in
from reconciler.evidence.history.questions import check_known

if TYPE_CHECKING:
    from reconciler.cli.auditing import Audited
    from reconciler.daemon.source import Sight
    from reconciler.evidence.history.values import History
    from reconciler.evidence.statement import Record
    from reconciler.repo.git import Git

_EPOCH = "SOURCE_DATE_EPOCH"
_MODE = 0o644


class Asked:
    """A question that waits for its records, while the audit goes past them."""

    def __init__(self, question: Question) -> None:
        """Wait for records."""
        self._question = question
        self._chronicle = Chronicle(question.scope)

    def take(self, record: Record) -> None:
        """Take a record that holds, the next of its node."""
        self._chronicle.add(record)

    def answer(self, audited: Audited, *, sight: Sight) -> Answer:
        """Return the answer, once ``audited`` is over; InputError if all holds and what is asked about was never there.

        With flaws nobody knows what was there, so the answer is given as it is.
        """
        history = self._chronicle.history()
        if not audited.findings.flaws:
            check_known(history, scope=self._question.scope)
        return Answer(audited, history, question=self._question, sight=sight)


class Answer:
    """The answer to one question, from one audit of what is in force by ``sight``."""

    def __init__(self, audited: Audited, history: History, *, question: Question, sight: Sight) -> None:
        """Answer ``question`` by ``history``."""
        self._audited = audited
        self._history = history
        self._question = question
        self._sight = sight
        self._look = BasisReader(audited.archive.blob).read
        self._journal = entries_in(read_journal(audited), scope=question.scope)

    def to_json(self) -> dict[str, Any]:
        """Return question and answer as JSON values."""
        return document(self._history, self._question, look=self._look, journal=self._journal)

    def to_text(self, *, is_reported: bool) -> str:
        """Return the answer for a terminal, to follow the audit's result; a report about everything stands for it."""
        from reconciler.cli.audit_tables import text

        if is_reported and not self._question.is_narrow:
            return ""
        return f"\n\n{text(self._history, self._question, look=self._look, journal=self._journal)}"

    def to_html(self, git: Git, *, at: datetime) -> bytes:
        """Return the report, as made ``at``; beside the records it says what ``git`` holds of the commits."""
        from reconciler.cli import audit_facts
        from reconciler.cli.audit_page.cover import Cover
        from reconciler.cli.audit_page.page import page

        audited, history = self._audited, self._history
        keys = {**audited.archive.keys(audited.trusted), **audited.findings.keys}
        head = audit_facts.read_tree_head(git, audited.evidence, keys=keys)
        cover = Cover(
            repository=self._sight.desired.repository.metadata.name,
            root=audit_facts.root_of(git, audited.trusted),
            trusted=audited.trusted,
            evidence=audited.evidence,
            audited_at=at,
            version=audit_facts.version(),
            records=audited.findings.records,
            verdicts=audited.findings.verdicts,
            flaws=audited.findings.flaws,
            omitted=audited.findings.omitted,
            writers=tuple(
                f"{one.key_id or 'nobody known'}: {one.commits}, {one.first[:12]} to {one.last[:12]}"
                for one in audited.history.ranges
            ),
            tree_head=head,
            witnesses=audit_facts.read_witness_heads(
                git, audited.evidence, origin=head.origin if head else "", keys=keys, sight=self._sight
            ),
            commits=audit_facts.read_commit_facts(git, [one.commit for one in history.commits]),
        )
        return page(cover, history, self._question, look=self._look, journal=self._journal)

    def write_report(self, path: Path, *, git: Git, environment: Mapping[str, str]) -> None:
        """Write the report to ``path``, as made at ``time_of_audit``; InputError if it cannot be written."""
        write_report(path, self.to_html(git, at=time_of_audit(environment)))


def write_report(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all; InputError if that cannot be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(_MODE)
        Path(file.name).replace(path)
    except OSError as error:
        hint = "name a file in a folder that you may write to"
        raise InputError(
            str(path), f"cannot be written: {error.strerror}", reason="ReportUnwritable", hint=hint
        ) from error


def time_of_audit(environment: Mapping[str, str]) -> datetime:
    """Return the time now, or the one in SOURCE_DATE_EPOCH, so that a report can be made again byte for byte."""
    given = environment.get(_EPOCH)
    if given is None:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError):
        hint = "seconds since 1970, or leave it unset"
        raise InputError(_EPOCH, "is no time", reason="TimeMalformed", hint=hint) from None
