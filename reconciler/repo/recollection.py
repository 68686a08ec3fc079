"""What a machine without a memory of its own can know of earlier trust: the evidence branch remembers it.

1. The history is judged from its root, as of now. That may end early: keys that were good then may have expired.
2. What an evidence signer of the newest trusted commit put on record as trusted counts as such; up to there the
   history is judged again, by its own dates. That is repeated as long as it leads on, since evidence signers change.
3. A record by nobody who is an evidence signer is refused, and so is a history that does not contain what is on record.

The branch is the local one, or else what was fetched of it from ``origin``. That both branches were rewound together
is not noticed here: an outside witness is for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from reconciler.errors.taxonomy import InvariantError, TrustError
from reconciler.repo.basis import Basis, read_basis
from reconciler.repo.git import Git, check_id
from reconciler.repo.places import TRUSTED_PATH
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.trust import FetchedCommit, Judgement, commit_is_missing, judge

_SHORT = 12
_MANY = 1000
"""How many records are looked through for one by a signer of that time."""


def remote_branch(git: Git, branch: str) -> str | None:
    """Return where ``origin`` had ``branch`` when it was last fetched."""
    name = f"refs/remotes/origin/{branch}"
    return next((ref.object_id for ref in git.refs(name) if ref.name == name), None)


def judge_by_record(git: Git, *, head: str, now: datetime) -> Judgement:
    """Return what may be followed on the way to ``head``, from the root on, with what is on record as trusted."""
    judgement = judge(git, head=FetchedCommit(commit=head), last_trusted=None, now=now)  # 1
    recorded = None
    seen: set[str] = set()
    while judgement.trusted is not None:
        beyond = _recorded_beyond(git, judgement.trusted.commit)
        if beyond is None or beyond in seen:
            break
        recorded = beyond
        seen.add(beyond)
        if commit_is_missing(git, beyond):
            return judge(git, head=FetchedCommit(commit=head), last_trusted=beyond, now=now)
        judgement = judge(git, head=FetchedCommit(commit=beyond), last_trusted=None, now=now, recorded=beyond)  # 2
        if judgement.trusted is None or judgement.trusted.commit != beyond:
            return judgement
    if recorded is None:
        return judgement
    return judge(git, head=FetchedCommit(commit=head), last_trusted=recorded, now=now)  # 3


def _recorded_beyond(git: Git, trusted: str) -> str | None:
    """Return what is on record as trusted by a signer of ``trusted``, and lies not before it; None if nothing is."""
    basis, _ = read_basis(git, trusted)
    branch = basis.repository.spec.evidence.branch if basis else ""
    tip = (git.head(branch) or remote_branch(git, branch)) if basis else None
    if basis is None or tip is None:
        return None
    signers = evidence_signers(basis)
    known = {commit for commit, _ in git.first_parents(trusted, past=None)}
    is_foreign = git.verify_commit(tip, allowed=signers) is None
    for record in _records(git, tip) if is_foreign else (tip,):
        claimed = _claimed(git, record)
        if claimed is None or claimed in known:
            continue
        if record == tip or git.verify_commit(record, allowed=signers):
            return claimed
    if is_foreign:
        hint = "somebody else wrote to it: restore the branch, or add the key to the evidence signers"
        message = f"its tip {tip[:_SHORT]} is not signed by an evidence signer"
        raise TrustError(f"branch {branch}", message, reason="EvidenceForeign", hint=hint)
    return None


def evidence_signers(basis: Basis) -> AllowedSigners:
    """Return whose signatures on evidence count."""
    return basis.keyring.ssh.only(basis.repository.spec.evidence.signers)


def _records(git: Git, tip: str) -> Iterator[str]:
    """Yield the evidence commits that put something on record as trusted, newest first."""
    output = git.run("rev-list", "--first-parent", f"--max-count={_MANY}", check_id(tip), "--", TRUSTED_PATH)
    yield from output.decode().split()


def _claimed(git: Git, record: str) -> str | None:
    name = f"{check_id(record)}:{TRUSTED_PATH}"
    content = git.objects([name]).get(name)
    try:
        return check_id(json.loads(content)["commit"]) if content is not None else None
    except (ValueError, TypeError, KeyError, InvariantError) as error:
        hint = "run ringfence audit; nothing is recorded until the branch is repaired"
        subject = f"evidence {record[:_SHORT]}"
        raise TrustError(subject, f"{TRUSTED_PATH} cannot be read", reason="EvidenceBroken", hint=hint) from error
