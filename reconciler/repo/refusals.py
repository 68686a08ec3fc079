"""What is said of a commit that is not followed: one TrustError for each reason.

Rules: the subject is the commit, the message what is wrong with it, the hint what its author can do. Nothing is
decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconciler.errors.taxonomy import Finding, TrustError, cut
from reconciler.model.kinds import TrustRule
from reconciler.repo import layout
from reconciler.repo.authority import lacks, who_may_change
from reconciler.repo.commits import CommitObject
from reconciler.repo.verification import Doubt
from reconciler.repo.windows import TOLERANCE_S, shown

_SHORT = 12
_MANY_DOUBTS = 3


def refusal(commit: str, message: str, *, reason: str, hint: str) -> TrustError:
    """Return why ``commit`` is not followed."""
    return TrustError(f"commit {commit[:_SHORT]}", message, reason=reason, hint=hint)


def rewound(head: str, *, trusted: str) -> TrustError:
    """Return why a head behind the trusted commit is refused."""
    message, hint = f"lies behind the trusted commit {trusted[:_SHORT]}", "history only moves forward: commit a revert"
    return refusal(head, message, reason="HistoryRewound", hint=hint)


def foxtrot(head: str, *, trusted: str) -> TrustError:
    """Return why a head that has the trusted commit on its side is refused."""
    message = f"has the trusted commit {trusted[:_SHORT]} on its side only, not among its first parents"
    hint = "merge the other way round: check out the trusted branch, then merge into it"
    return refusal(head, message, reason="HistoryForked", hint=hint)


def forked(head: str, *, trusted: str) -> TrustError:
    """Return why a head that does not descend from the trusted commit is refused."""
    message = f"does not descend from the trusted commit {trusted[:_SHORT]}"
    hint = f"rebase onto {trusted[:_SHORT]} and sign again"
    return refusal(head, message, reason="HistoryForked", hint=hint)


def gone(commit: str) -> TrustError:
    """Return what it means that a trusted commit is not there any more."""
    hint = "fetch it again; history only moves forward"
    return refusal(commit, "was trusted and is no longer in the repository", reason="HistoryRewound", hint=hint)


def incomplete(commit: str, what: str) -> TrustError:
    """Return why a commit of which something is missing is refused."""
    hint = "fetch the history whole (git fetch --unshallow), then look with: git fsck"
    return refusal(commit, what, reason="ObjectMissing", hint=hint)


def malformed(commit: CommitObject) -> TrustError:
    """Return why a commit that is not written as git writes them is refused."""
    hint = "make it again with git commit -S, one signature by SSH or GPG"
    return refusal(commit.commit, commit.problem, reason="CommitMalformed", hint=hint)


def octopus(commit: CommitObject) -> TrustError:
    """Return why a merge of several sides at once is refused."""
    message = f"merges {len(commit.parents) - 1} branches at once"
    return refusal(commit.commit, message, reason="OctopusMerge", hint="merge one branch after the other")


def backdated(commit: CommitObject, *, parent_made: int) -> TrustError:
    """Return why a commit that is dated before its parent is refused."""
    message = f"is dated {shown(commit.made)}, before its parent, which is of {shown(parent_made)}"
    hint = "look at the clock of who committed it, then: git commit --amend --no-edit -S"
    return refusal(commit.commit, message, reason="CommitBackdated", hint=hint)


def from_future(commit: CommitObject, *, now: int) -> TrustError:
    """Return why a commit that is dated in the future is refused."""
    message = f"is dated {shown(commit.made)}, more than {TOLERANCE_S // 60} minutes after now, {shown(now)}"
    hint = "look at both clocks; it counts when that time has come"
    return refusal(commit.commit, message, reason="CommitFromFuture", hint=hint)


def unsigned(commit: CommitObject, doubt: Doubt, *, judged: str) -> TrustError:
    """Return why a commit's signature does not count; ``judged`` is the merge that brings it in, or itself."""
    by = f"by {commit.author}" if commit.author else "by nobody"
    through = f", merged by {judged[:_SHORT]}," if commit.commit != judged else ""
    message = f"{by}{through} {doubt.message}"
    match doubt.reason:
        case "UnsignedCommit":
            hint = "sign it: git commit --amend --no-edit -S (with gpg.format ssh)"
        case "UnknownSigner":
            message = f"{by}{through} has no valid signature by anybody in its parent's {layout.ALLOWED_SIGNERS}"
            hint = f"let a signer of the parent commit sign it, or add the key to {layout.ALLOWED_SIGNERS} first"
        case _:
            hint = "let somebody whose key is valid now sign it again"
    return refusal(commit.commit, message, reason=doubt.reason, hint=hint)


def path_refused(commit: str, path: str, problem: str) -> TrustError:
    """Return why a path that nobody may change is refused."""
    hint = "a state repository holds plain files with plain names"
    return refusal(commit, f"{cut(path)} {problem}", reason="PathRefused", hint=hint)


def not_authorised(  # noqa: PLR0913 - what was there and what was wanted, in one sentence
    commit: CommitObject,
    path: str,
    *,
    signer: str,
    signers: Collection[str],
    rules: Sequence[TrustRule],
    doubts: Sequence[str],
) -> TrustError:
    """Return what ``path`` lacks: somebody whom a rule names, or one more of those."""
    wanted = lacks(path, signers=signers, rules=rules)
    started = [lack for lack in wanted if lack.given]
    ignored = f" ({'; '.join(doubts[:_MANY_DOUBTS])})" if doubts else ""
    approve = f"ringfence approve {commit.commit[:_SHORT]}"
    if started:
        lack = started[0]
        message = f"{cut(path)} needs {lack.more} more of {', '.join(lack.signers)} for {', '.join(lack.patterns)}"
        hint = f"let them approve it: {approve}{ignored}"
        return refusal(commit.commit, message, reason="ApprovalMissing", hint=hint)
    message = f"{signer} may not change {cut(path)}"
    may = who_may_change(path, rules=rules)
    if not may:
        hint = f"no rule of its parent covers it: add one to {layout.REPOSITORY} first, in a commit of its own"
        return refusal(commit.commit, message, reason="PathNotAuthorised", hint=hint)
    hint = f"the rules of its parent let {', '.join(may)} change it: let one of them sign, or {approve}{ignored}"
    return refusal(commit.commit, message, reason="PathNotAuthorised", hint=hint)


def unreadable(commit: str, finding: Finding) -> TrustError:
    """Return why a commit after which nothing could be judged is refused."""
    message = f"{finding.place}: {finding.message}; with that no later commit could be judged"
    reason = finding.code if finding.code == "GpgMissing" else "TrustRootBroken"
    return refusal(commit, message, reason=reason, hint=finding.hint or f"mend {finding.path} in the same commit")
