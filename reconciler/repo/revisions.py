"""Names of commits as people and pipelines give them, and the commit that a merge would make.

Rules: a name is checked before git sees it; a branch comes before its copy from ``origin``, that before a tag. A merge
that is tried moves no branch and touches no working tree: it leaves an unsigned commit that nothing points at.
Whether a commit is trusted is not checked here (``repo.trust``).
"""

from __future__ import annotations

import re

from reconciler.errors.taxonomy import InputError, TransientError, cut
from reconciler.repo.git import Git, check_id

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,255}")
_PLACES = ("refs/heads/", "refs/remotes/origin/", "refs/tags/", "")
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "ringfence"), ("EMAIL", "ringfence@localhost"), ("DATE", "@0 +0000"))
}


def resolve(git: Git, name: str) -> str:
    """Return the commit that ``name`` means: a branch, ``origin``'s branch, a tag, ``HEAD`` or an id.

    Raises InputError if it means none.
    """
    if _NAME.fullmatch(name) and ".." not in name:
        for place in _PLACES:
            try:
                said = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{place}{name}^{{commit}}")
            except TransientError:
                continue  # Git says no more than that there is none.
            return check_id(said.decode().strip())
    hint = "give a branch, a tag or a commit of this clone; a shallow clone may lack it: git fetch --unshallow"
    raise InputError(f"revision {cut(name)}", "is not in this repository", reason="UnknownRevision", hint=hint)


def common_ancestor(git: Git, one: str, other: str) -> str | None:
    """Return the newest commit that both have in their history, None if there is none."""
    try:
        found = git.run("merge-base", check_id(one), check_id(other)).decode().split()
    except TransientError:
        return None
    return check_id(found[0]) if found else None


def commits_beyond(git: Git, commit: str, *, past: str) -> int:
    """Return how many commits ``commit`` has that ``past`` has not."""
    return int(git.run("rev-list", "--count", check_id(commit), f"^{check_id(past)}").decode())


def merged(git: Git, head: str, *, into: str) -> str:
    """Return ``head``, or, where ``into`` has gone on meanwhile, the commit that merging them would make.

    Raises InputError if they do not merge by themselves.
    """
    if git.is_ancestor(into, of=head):
        return head
    if common_ancestor(git, head, into) is None:
        hint = "a shallow clone lacks it: git fetch --unshallow, or fetch-depth: 0 in a pipeline"
        message = f"has no history in common with {into[:12]}"
        raise InputError(f"commit {head[:12]}", message, reason="NoCommonHistory", hint=hint)
    try:
        tree = git.run("merge-tree", "--write-tree", "--no-messages", check_id(into), check_id(head))
        made = git.run(
            "commit-tree", check_id(tree.decode().strip()), "-p", into, "-p", head, "-m", "tried", environment=_NOBODY
        )
    except TransientError:
        hint = "rebase it, or merge the other branch into it, and settle what both changed"
        message = f"does not merge into {into[:12]}"
        raise InputError(f"commit {head[:12]}", message, reason="MergeConflict", hint=hint) from None
    return check_id(made.decode().strip())
