"""The answer of an audit in the form that was asked for: text, JSON, and a report in a file.

Rules: the audit's own result comes first in each form; a report is whole on the disk or not there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.audit_answers import Question, document, tell
from reconciler.errors.taxonomy import InputError
from reconciler.evidence.history.basis import BasisReader
from reconciler.evidence.history.questions import check_known

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from reconciler.cli.audit_page.audited import WitnessHead
    from reconciler.evidence.audit import Flaw
    from reconciler.evidence.history.values import History
    from reconciler.evidence.statement import Record
    from reconciler.repo.git import Git

_EPOCH = "SOURCE_DATE_EPOCH"
_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an audit came to, as far as an answer needs it.

    ``blob`` gives raw bytes by bare SHA-256; ``keys`` are the evidence keys, by key id.
    """

    repository: str
    trusted: str
    evidence: str
    flaws: Sequence[Flaw]
    verdicts: int
    blob: Any
    keys: Mapping[str, Ed25519PublicKey]
    remarks: Sequence[str] = ()
    witnesses: Sequence[WitnessHead] = ()


class Answer:
    """The answer to one question, from one audit."""

    def __init__(self, outcome: Outcome, question: Question, *, records: Iterable[Record]) -> None:
        """Add ``records`` up; InputError if there is no flaw and the question is about something never recorded."""
        self._outcome = outcome
        self._question = question
        self._history: History = tell(records, question)
        self._look = BasisReader(outcome.blob).read
        if not outcome.flaws:
            check_known(self._history, scope=question.scope)

    def to_json(self) -> dict[str, Any]:
        """Return question and answer as JSON values."""
        return document(self._history, self._question, look=self._look)

    def to_text(self) -> str:
        """Return the answer for a terminal."""
        from reconciler.cli.audit_text import text

        return text(self._history, self._question, look=self._look)

    def to_html(self, git: Git, *, at: datetime) -> bytes:
        """Return the report, as made ``at``; beside the records it says what ``git`` holds of the commits."""
        from reconciler.cli import audit_facts
        from reconciler.cli.audit_page.audited import Audited
        from reconciler.cli.audit_page.page import page

        outcome, history = self._outcome, self._history
        named = {one.commit for own in history.stays.values() for stay in own for one in stay.commits}
        audited = Audited(
            repository=outcome.repository,
            root=audit_facts.root_of(git, outcome.trusted),
            trusted=outcome.trusted,
            evidence=outcome.evidence,
            audited_at=at,
            version=audit_facts.version(),
            records=history.records,
            verdicts=outcome.verdicts,
            flaws=outcome.flaws,
            remarks=outcome.remarks,
            tree_head=audit_facts.read_tree_head(git, outcome.evidence, keys=outcome.keys),
            witnesses=outcome.witnesses,
            commits=audit_facts.read_commit_facts(git, sorted(named)),
        )
        return page(audited, history, self._question, look=self._look)


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
