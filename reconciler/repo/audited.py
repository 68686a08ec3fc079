"""What an auditor's own clone remembers: the evidence commit that was last audited without a flaw.

Rules: the commit is kept under a ref of its own, which git neither collects nor fetches over; it moves on after a clean
audit only, by the caller. It tells a branch that was rolled back from one that was written anew. A clone that was made
anew remembers nothing: for that, there are witnesses.
"""

from __future__ import annotations

from reconciler.evidence.audit import Flaw
from reconciler.evidence.witness import Course
from reconciler.repo.git import Git, branch_ref
from reconciler.repo.witness import course_of

_AUDITED = "refs/ringfence/audited/"


def remember(git: Git, *, branch: str, tip: str) -> None:
    """Remember that ``branch`` was audited at the evidence commit ``tip`` and that everything held."""
    git.keep(_ref(branch), tip)


def remembered(git: Git, *, branch: str) -> str | None:
    """Return the evidence commit of ``branch`` that was last audited without a flaw here, None if there was none."""
    return git.at(_ref(branch))


def check(git: Git, *, branch: str, tip: str | None) -> list[Flaw]:
    """Return what is wrong with ``branch`` being at ``tip`` (None: gone) now, by what was audited here before."""
    before = remembered(git, branch=branch)
    if before is None:
        return []
    if tip is None:
        message = f"the branch is gone; it was audited at {before[:12]}"
        return [Flaw(path=branch, code="EvidenceRolledBack", message=message)]
    course = course_of(git, before, now=tip)
    if course is Course.BACK:
        message = (
            f"the branch is at {tip[:12]}, which came before {before[:12]}, where it was audited: it was rolled back"
        )
        return [Flaw(path=branch, code="EvidenceRolledBack", message=message)]
    if course is Course.APART:
        message = f"the branch is at {tip[:12]}, and {before[:12]}, where it was audited, does not lead there"
        return [Flaw(path=branch, code="EvidenceForked", message=f"{message}: it was written anew")]
    return []


def _ref(branch: str) -> str:
    return f"{_AUDITED}{branch_ref(branch).removeprefix('refs/heads/')}"
