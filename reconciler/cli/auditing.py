"""The audit of a clone, as commands run it: one function, ``run_audit``, and what came of it, ``Audited``.

    audited = run_audit(git, sight=sight, progress=None, take=None, heads=())

``git`` and ``sight`` (``TrustedSource(git).refresh()``) are the clone and the desired state in force. ``progress`` is
told how far it is, ``take`` is given every record that holds in the order of the log, as the audit goes past it.
``heads`` are tree heads that somebody kept from before: the log must lead on from each.

``audited.findings`` has ``flaws`` (path, code, message), ``heads`` by node and figures; ``audited.records()`` reads the
records once more. Nothing is printed here, and no exit code chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.cli.archive import evidence_tip, open_archive, read_heads
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import InputError
from reconciler.evidence.audit import Archive, Findings, Flaw, audit
from reconciler.evidence.note import Checkpoint
from reconciler.evidence.statement import Record
from reconciler.repo.git import Git
from reconciler.repo.reader import EvidenceReader

Progress = Callable[[int, int], None]
"""Told how many lines of the log were read, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What was audited (``evidence`` and ``trusted`` are commits), what came of it, and how to read on."""

    evidence: str
    trusted: str
    findings: Findings
    archive: Archive
    _records: list[Record] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Yield every record that holds, in the order of the log."""
        return iter(self._records)


def run_audit(
    git: Git,
    *,
    sight: Sight,
    progress: Progress | None = None,
    take: Callable[[Record], None] | None = None,
    heads: Sequence[Checkpoint] = (),
) -> Audited:
    """Audit the evidence branch that ``sight`` names; InputError if this clone has none."""
    del progress, heads
    tip = evidence_tip(git, sight.desired.repository.spec.evidence.branch)
    if tip is None:
        hint = "clone with all branches: git clone keeps them as origin/…"
        raise InputError("audit", "this clone has no evidence branch", reason="NoEvidence", hint=hint)
    reader = EvidenceReader(git, commit=tip)
    archive = open_archive(git, reader=reader, trusted=sight.desired.commit)
    found = audit(reader.statements(), archive=archive, heads=read_heads(reader), rounds=reader.rounds())
    signers = sight.signers.only(sight.desired.repository.spec.evidence.signers)
    found.flaws[:0] = [
        Flaw(path=error.subject, code=error.reason, message=error.message)
        for error in reader.check_history(signers=signers)
    ]
    if take is not None:
        for record in found.records:
            take(record)
    return Audited(evidence=tip, trusted=sight.desired.commit, findings=found, archive=archive, _records=found.records)
