"""The audit of a clone, as commands run it: one function, ``run_audit``, and what came of it, ``Audited``.

    audited = run_audit(git, sight=None, progress=None, take=None, heads=())

``git`` is the clone, ``sight`` the desired state in force. Without it, that is found out, and without the evidence
branch's help if nothing can be trusted by that (which is a flaw, then). ``progress`` is told how far it is, ``take`` is
given every record whose signature and place hold, in the order of the log, as the audit goes past it. ``heads`` are
tree heads that somebody kept from before: the log must lead on from each. Witnesses and the clone's own memory of an
earlier audit are always asked.

``audited.findings`` has ``flaws`` (path, code, message, severity), ``heads`` by node, ``records``, ``verdicts`` and
other figures in ``checked``, and the log's ``origin``, ``size`` and ``root``; ``audited.history`` says who signed which
commits of the branch; ``audited.records()`` reads the records once more, in the order of the log, ``audited.blob``
gives recorded bytes. Nothing is printed here, and no exit code chosen. ``Audited`` is a context: it ends git's process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from reconciler.cli.archive import evidence_tip, open_archive, read_heads
from reconciler.daemon.source import Sight, TrustedSource
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.audit import Archive, Beginning, Findings, Flaw, Progress, audit, read_records
from reconciler.evidence.note import Checkpoint
from reconciler.evidence.statement import Record
from reconciler.repo import audited
from reconciler.repo.evidence_branch import EvidenceBranch
from reconciler.repo.evidence_history import BranchHistory, walk_history
from reconciler.repo.git import Git
from reconciler.repo.loglines import read_leaf_hashes
from reconciler.repo.places import JOURNAL_HEAD, OPENING, blob_path
from reconciler.repo.reader import EvidenceReader
from reconciler.repo.rotation import find_openings
from reconciler.repo.signing import public_keys
from reconciler.repo.witnessed import Watched, hear_witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What was audited, what came of it, and how to read on; ``evidence`` and ``trusted`` are commits."""

    sight: Sight
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
    sight: Sight | None = None,
    progress: Progress | None = None,
    take: Callable[[Record], None] | None = None,
    heads: Sequence[Checkpoint] = (),
) -> Audited:
    """Audit the evidence branch that ``sight`` names.

    InputError if this clone has none; TrustError if there is no desired state to audit it by.
    """
    sight, doubt = (sight, None) if sight is not None else _find_sight(git)
    spec = sight.desired.repository.spec.evidence
    tip = evidence_tip(git, spec.branch)
    if tip is None:
        hint = "clone with all branches: git clone keeps them as origin/…"
        raise InputError("audit", "this clone has no evidence branch", reason="NoEvidence", hint=hint)
    branch = EvidenceBranch(git, commit=tip)
    archive = open_archive(
        git,
        blob=lambda digest: branch.read(blob_path(digest)),
        trusted=sight.desired.commit,
        known=sight.desired,
    )
    openings = find_openings(git, tip)
    found = audit(
        branch,
        archive=archive,
        trusted=sight.desired.commit,
        heads=heads,
        take=take,
        progress=progress,
        beginning=_beginning(git, tip, openings=openings),
    )
    signers = sight.signers.only(spec.signers)
    keys = {**public_keys(signers), **found.keys}
    history = walk_history(git, tip, signers=signers, keys=keys, is_rotation=openings.__contains__)
    found.checked.commits, found.checked.bytes = history.commits, branch.bytes
    for error in history.flaws if doubt is None else (doubt, *history.flaws):
        found.add(error.subject, error.reason, error.message)
    for flaw in _kept(git, sight, tip, found):
        found.add(flaw.path, flaw.code, flaw.message)
    found.sort()
    if not found.flaws:
        audited.remember(git, branch=spec.branch, tip=tip)
    return Audited(
        sight=sight,
        evidence=tip,
        trusted=sight.desired.commit,
        findings=found,
        history=history,
        archive=archive,
        branch=branch,
    )


def _beginning(git: Git, tip: str, *, openings: Collection[str]) -> Beginning | None:
    """Return what the year at ``tip`` began with, None in the first one, or if it was opened by no right."""
    opened = git.run("log", "--first-parent", "-1", "--format=%H", tip, "--", OPENING).decode().strip()
    if opened not in openings:
        return None
    heads = read_heads(EvidenceReader(git, commit=opened))
    name = f"{opened}:{JOURNAL_HEAD}"
    return Beginning(heads=heads, journal=git.objects([name]).get(name))


def _kept(git: Git, sight: Sight, tip: str, found: Findings) -> Iterator[Flaw]:
    """Yield what witnesses, and this clone's own memory of an earlier audit, say against the branch."""
    spec = sight.desired.repository.spec.evidence
    yield from audited.check(git, branch=spec.branch, tip=tip)
    if not spec.witnesses.known:
        return
    try:
        hashes = list(read_leaf_hashes(git, tip))
    except TrustError:
        return  # The audit of the log tells of it; nothing can be compared with it.
    watched = Watched(origin=found.origin, tip=tip, leaf_hashes=hashes, keys=found.keys)
    yield from hear_witnesses(git, watched, spec=spec.witnesses, signers=sight.signers).flaws


def _find_sight(git: Git) -> tuple[Sight, TrustError | None]:
    """Return the desired state in force, and why it could not be told with the evidence branch's help, if so."""
    try:
        return TrustedSource(git).refresh(), None
    except TrustError as error:
        return TrustedSource(git, by_record=False).refresh(), error
