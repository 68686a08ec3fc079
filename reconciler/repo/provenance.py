"""How a commit of the trusted history came about: who signed each commit on the way to it, approved and confirmed it.

Rules: told of commits that were judged already (``repo.trust``); nothing is decided by it. A commit is looked at with
the keyring of its first parent, and no more than the newest few are; a signer that is not known is left out.
"""

from __future__ import annotations

import re
from datetime import datetime

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.journal import Step
from reconciler.evidence.journal_changes import plain
from reconciler.repo.approvals import read_approvals
from reconciler.repo.basis import read_basis
from reconciler.repo.commits import CommitObject, read_commits
from reconciler.repo.confirmations import read_confirmations
from reconciler.repo.git import Git, Signature
from reconciler.repo.steps import signed_commit
from reconciler.repo.verification import Verifier

MANY = 20
_MANY_CONFIRMATIONS = 20
_COMMIT = re.compile(r"commit [0-9a-f]{40}")
"""What git puts between the trailers of several commits."""


def steps_to(git: Git, commit: str, *, before: str | None, now: datetime) -> tuple[Step, ...]:
    """Return the commits from ``commit`` back to ``before``, which is left out, newest first; no more than ``MANY``.

    Without ``before``, only ``commit`` is told of.
    """
    chain = [found for found, _ in git.first_parents(commit, past=before)][::-1] if before else []
    wanted = [found for found in chain if found != before][:MANY] or [commit]
    commits = read_commits(git, wanted)
    with Verifier(git, now=int(now.timestamp())) as verifier:
        return tuple(_step(git, commits[found], verifier=verifier) for found in wanted if found in commits)


def _step(git: Git, commit: CommitObject, *, verifier: Verifier) -> Step:
    try:
        confirms = read_confirmations(git, commit=commit.commit, parents=commit.parents)
        basis, _ = read_basis(git, (commit.parents or (commit.commit,))[0])
        if basis is None:
            return Step(commit=commit.commit)
        verdict = verifier.verify([signed_commit(commit, is_recorded=True)], keyring=basis.keyring)[commit.commit]
        approvals = read_approvals(git, [commit], verifier=verifier, keyring=basis.keyring, is_recorded=True)
    except RingfenceError:
        return Step(commit=commit.commit)  # What it takes to know is not here (gpg, say); it was judged elsewhere.
    signature = verdict if isinstance(verdict, Signature) else None
    return Step(
        commit=commit.commit,
        signer=signature.principal if signature else None,
        key=signature.fingerprint if signature else None,
        approved_by=tuple(sorted(approvals.by[commit.commit])),
        confirms=tuple(plain(words) for words in sorted(confirms) if not _COMMIT.fullmatch(words))[
            :_MANY_CONFIRMATIONS
        ],
    )
