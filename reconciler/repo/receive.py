"""What a git server may take in: the judgement behind a ``pre-receive`` hook.

1. The followed branch is never deleted, and moves only to a commit that the trust rules reach from where it is
   (``repo.trust``: no rewind, no fork, no unsigned or unauthorised change) and whose documents are valid.
2. The evidence branch is never deleted, and only leads on: without merges, signed by an evidence signer of the followed
   branch, statements and blobs only added.
3. The branch of a witness that the followed state knows is never deleted, and only leads on, signed by that witness.
4. A tag below ``approve/`` is one that can count: annotated, signed, of a commit, and named as its ref.
Other branches and tags hold proposals; anything may be pushed to them. Objects that nobody accepts stay in git's
quarantine, which is given to git on purpose. Whether an approval's signer is known is asked when it counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors.taxonomy import InputError, InvariantError, RingfenceError, TrustError, cut
from reconciler.repo.desired import load_desired, load_signers
from reconciler.repo.git import NO_COMMIT, Git, branch_ref, check_id
from reconciler.repo.places import is_rewritten
from reconciler.repo.remote import APPROVALS
from reconciler.repo.rotation import find_openings
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.snapshot import read_commit
from reconciler.repo.trust import FetchedCommit, judge
from reconciler.repo.witness_branch import witness_branch

MAX_UPDATES = 10_000
_MANY = 20
_SIGNED = re.compile(rb"^-----BEGIN (SSH|PGP) SIGNATURE-----$", re.MULTILINE)
_QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One ref that a push wants to move; all zeros for a side that is not there."""

    old: str
    new: str
    ref: str

    @property
    def is_deletion(self) -> bool:
        """Return whether the ref would be gone."""
        return self.new == NO_COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writers:
    """Who may write the evidence branch, and what it is called; the witnesses, by the ref that is theirs."""

    branch: str
    signers: AllowedSigners
    witnesses: Mapping[str, AllowedSigners] = field(default_factory=dict)


def parse_updates(lines: bytes) -> list[Update]:
    """Return what git gives a ``pre-receive`` hook on its standard input; InputError if that is something else."""
    found = []
    for line in lines.splitlines():
        words = line.decode("utf-8", "backslashreplace").split(" ", 2)
        try:
            old, new, ref = words
            found.append(Update(old=check_id(old), new=check_id(new), ref=ref))
        except (ValueError, InvariantError) as error:
            hint = "it is for git to start, as hooks/pre-receive"
            raise InputError("push", f"{cut(words[0])} is no update", reason="BadUpdate", hint=hint) from error
    if len(found) > MAX_UPDATES:
        hint = "push fewer refs at once"
        raise InputError("push", f"has more than {MAX_UPDATES} refs", reason="TooManyUpdates", hint=hint)
    return found


def receiving_git(environment: Mapping[str, str], *, folder: Path) -> Git:
    """Return the repository that a hook runs for, with the objects that are in quarantine.

    Git starts the hook in ``folder`` with relative paths in ``environment``. Naming the repository outright also lets
    it belong to another user than the one who pushes, which git has accepted already.
    """
    top = (folder / environment.get("GIT_DIR", ".")).resolve()
    kept = {name: _absolute(environment[name], folder) for name in _QUARANTINE if name in environment}
    return Git(top, environment={"GIT_DIR": str(top), **kept})


def judge_push(git: Git, updates: Sequence[Update], *, branch: str | None = None) -> list[RingfenceError]:
    """Return everything that speaks against ``updates``; ``branch`` is followed, by default what HEAD names."""
    followed = branch_ref(branch or git.current_branch() or "main")
    problems: list[RingfenceError] = []
    main = git.at(followed)
    for update in (update for update in updates if update.ref == followed):
        wrong = _judge_desired(git, update)
        problems += wrong
        main = main if wrong else update.new
    writers = _writers(git, main)
    for update in updates:
        if update.ref == branch_ref(writers.branch):
            problems += _judge_evidence(git, update, writers=writers)
        elif update.ref in writers.witnesses:
            problems += _judge_witness(git, update, signers=writers.witnesses[update.ref])
        elif update.ref.startswith(APPROVALS) and not update.is_deletion:
            problems += _judge_approval(git, update)
    return problems


def _judge_desired(git: Git, update: Update) -> Sequence[RingfenceError]:
    if update.is_deletion:
        hint = "it is what the hardware follows; commit a revert instead"
        return [TrustError(update.ref, "is never deleted", reason="BranchDeleted", hint=hint)]
    last = None if update.old == NO_COMMIT else update.old
    judgement = judge(git, head=FetchedCommit(commit=update.new), last_trusted=last)
    if judgement.refusals:
        return judgement.refusals
    try:
        load_desired(read_commit(git, update.new))
    except InputError as error:
        return [error]
    return []


def _writers(git: Git, main: str | None) -> _Writers:
    """Return who writes evidence by the state at ``main``; by none, nobody does."""
    if main is None:
        return _Writers(branch="evidence", signers=AllowedSigners(signers=()))
    snapshot = read_commit(git, main)
    try:
        spec = load_desired(snapshot).repository.spec.evidence
    except InputError:
        # The branch was left invalid before this hook was there: until it is mended, no evidence is taken.
        return _Writers(branch="evidence", signers=AllowedSigners(signers=()))
    known = load_signers(snapshot, findings=[])
    witnesses = {branch_ref(witness_branch(each.name)): known.only((each.signer,)) for each in spec.witnesses.known}
    return _Writers(branch=spec.branch, signers=known.only(spec.signers), witnesses=witnesses)


def _judge_evidence(git: Git, update: Update, *, writers: _Writers) -> list[RingfenceError]:
    if update.is_deletion:
        hint = "it is the record of what every node proved"
        return [TrustError(update.ref, "is never deleted", reason="EvidenceRewound", hint=hint)]
    old = None if update.old == NO_COMMIT else update.old
    if old is not None and not git.is_ancestor(old, of=update.new):
        message, hint = f"{update.new[:12]} does not lead on from {old[:12]}", "evidence is only ever added"
        return [TrustError(update.ref, message, reason="EvidenceRewound", hint=hint)]
    problems: list[RingfenceError] = []
    for commit, parents in git.first_parents(update.new, past=old):
        if len(parents) > 1:
            hint = "one reconciler writes it, commit after commit"
            problems.append(TrustError(f"commit {commit[:12]}", "is a merge", reason="EvidenceMerged", hint=hint))
    # A commit's signature covers all that lies before it, so the newest one vouches for the others.
    if git.verify_commit(update.new, allowed=writers.signers) is None:
        hint = "the reconciler pushes it; its key belongs into trust/allowed_signers and evidence.signers first"
        message = "is not signed by an evidence signer"
        problems.append(TrustError(f"commit {update.new[:12]}", message, reason="EvidenceForeign", hint=hint))
    return [*problems, *_rewritten(git, update.new, past=old)][:_MANY]


def _judge_witness(git: Git, update: Update, *, signers: AllowedSigners) -> list[RingfenceError]:
    hint = "it holds what the witness saw, and only the witness adds to it"
    if update.is_deletion:
        return [TrustError(update.ref, "is never deleted", reason="WitnessRewound", hint=hint)]
    if update.old != NO_COMMIT and not git.is_ancestor(update.old, of=update.new):
        message = f"{update.new[:12]} does not lead on from {update.old[:12]}"
        return [TrustError(update.ref, message, reason="WitnessRewound", hint=hint)]
    if git.verify_commit(update.new, allowed=signers) is None:
        message = "is not signed by that witness"
        return [TrustError(f"commit {update.new[:12]}", message, reason="WitnessForeign", hint=hint)]
    return []


def _rewritten(git: Git, commit: str, *, past: str | None) -> list[RingfenceError]:
    """Return what the commits up to ``commit`` took away or changed that is only ever added."""
    problems: list[RingfenceError] = []
    openings = find_openings(git, commit, past=past)
    for change in (change for change in git.history(commit, past=past) if change.commit not in openings):
        path = change.path.decode("utf-8", "backslashreplace")
        if change.mode == "100644" and (change.status == "A" or (change.status == "M" and is_rewritten(path))):
            continue
        word = {"D": "deletes", "M": "changes"}.get(change.status, "makes something else than a plain file of")
        subject, hint = f"commit {change.commit[:12]}", "what is on record is only ever added to"
        problems.append(TrustError(subject, f"{word} {cut(path)}", reason="EvidenceRewritten", hint=hint))
    return problems[:_MANY]


def _judge_approval(git: Git, update: Update) -> list[RingfenceError]:
    name = update.ref.removeprefix("refs/tags/")
    hint = f"approve with: git tag -s -m approved {cut(name)} COMMIT"
    kind = git.run("cat-file", "-t", update.new).decode().strip()
    if kind != "tag":
        return [TrustError(f"tag {cut(name)}", "is no signed tag", reason="MalformedApproval", hint=hint)]
    content = git.objects([update.new])[update.new]
    lines = content.partition(b"\n\n")[0].split(b"\n")
    headers = dict(line.partition(b" ")[::2] for line in lines)
    message = ""
    if headers.get(b"type") != b"commit":
        message = "is not of a commit"
    elif headers.get(b"tag") != name.encode("utf-8", "surrogateescape"):
        message = f"calls itself {cut(headers.get(b'tag', b'').decode('utf-8', 'backslashreplace'))}"
    elif not _SIGNED.search(content):
        message = "is not signed"
    return [TrustError(f"tag {cut(name)}", message, reason="MalformedApproval", hint=hint)] if message else []


def _absolute(paths: str, folder: Path) -> str:
    return os.pathsep.join(str(folder / path) for path in paths.split(os.pathsep))
