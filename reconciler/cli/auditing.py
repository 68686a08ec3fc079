"""The audit of a clone, as commands run it: one function, ``run_audit``, and what came of it, ``Audited``.

    audited = run_audit(git, sight=sight, progress=None, take=None, heads=(), journal=None, more=())

``git`` and ``sight`` (``TrustedSource(git).refresh()``) are the clone and the desired state in force. ``progress`` is
told how far it is, ``take`` is given every record whose signature and place hold, in the order of the log, as the audit
goes past it. ``heads`` are tree heads that somebody kept from before: the log must lead on from each. ``journal`` looks
at the journal's entries, ``more`` are other checks of the branch (of witnesses, say), each a function that gives flaws.

``audited.findings`` has ``flaws`` (path, code, message, severity), ``heads`` by node, ``records``, ``verdicts`` and
other figures in ``checked``, and the log's ``origin``, ``size`` and ``root``; ``audited.history`` says who signed which
commits of the branch; ``audited.records()`` reads the records once more, in the order of the log, ``audited.blob``
gives recorded bytes. Nothing is printed here, and no exit code chosen. ``Audited`` is a context: it ends git's process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from reconciler.cli.archive import evidence_tip, open_archive
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import InputError
from reconciler.evidence.audit import Archive, Findings, Flaw, JournalAudit, Progress, audit, read_records
from reconciler.evidence.note import Checkpoint
from reconciler.evidence.statement import Record
from reconciler.repo.evidence_branch import EvidenceBranch
from reconciler.repo.evidence_history import BranchHistory, walk_history
from reconciler.repo.git import Git
from reconciler.repo.places import blob_path
from reconciler.repo.signing import public_keys

Check = Callable[[str, Findings], Iterable[Flaw]]
"""Given the evidence commit and what was found so far, gives more flaws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What was audited (``evidence`` and ``trusted`` are commits), what came of it, and how to read on."""

    evidence: str
    trusted: str
    findings: Findings
    history: BranchHistory
    archive: Archive
    branch: EvidenceBranch

    def records(self) -> Iterator[Record]:
        """Yield every record whose signature and place hold, in the order of the log."""
        return read_records(self.branch, archive=self.archive)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process that objects are read from."""
        self.branch.__exit__()


def run_audit(
    git: Git,
    *,
    sight: Sight,
    progress: Progress | None = None,
    take: Callable[[Record], None] | None = None,
    heads: Sequence[Checkpoint] = (),
    journal: JournalAudit | None = None,
    more: Sequence[Check] = (),
) -> Audited:
    """Audit the evidence branch that ``sight`` names; InputError if this clone has none."""
    spec = sight.desired.repository.spec.evidence
    tip = evidence_tip(git, spec.branch)
    if tip is None:
        hint = "clone with all branches: git clone keeps them as origin/…"
        raise InputError("audit", "this clone has no evidence branch", reason="NoEvidence", hint=hint)
    branch = EvidenceBranch(git, commit=tip)
    archive = open_archive(git, blob=lambda digest: branch.read(blob_path(digest)), trusted=sight.desired.commit)
    found = audit(
        branch,
        archive=archive,
        trusted=sight.desired.commit,
        heads=heads,
        journal=journal,
        take=take,
        progress=progress,
    )
    signers = sight.signers.only(spec.signers)
    history = walk_history(git, tip, signers=signers, keys={**public_keys(signers), **found.keys})
    found.checked.commits, found.checked.bytes = history.commits, branch.bytes
    for error in history.flaws:
        found.add(error.subject, error.reason, error.message)
    for check in more:
        for flaw in check(tip, found):
            found.add(flaw.path, flaw.code, flaw.message)
    found.sort()
    return Audited(
        evidence=tip,
        trusted=sight.desired.commit,
        findings=found,
        history=history,
        archive=archive,
        branch=branch,
    )
