"""What a merge took over from its side unchanged, and whose that is.

A path in which a merge differs from its first parent is the side's own if

1. since every merge base of the two, the first parent has not changed it: there was nothing to decide;
2. the merge has exactly what the side's tip has, content and mode, or both have nothing;
3. the newest side commit that differs in it from any of its parents left exactly that. (A merge on the side that
   decided about the path is such a commit.)

Everything else is the merger's own: what is in neither parent, what was decided between two changes, and a change of
the first parent that the merge takes back. Who may change the path is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.repo.commits import CommitObject
from reconciler.repo.git import Change, Git


def taken_over(
    git: Git, merge: CommitObject, *, changes: Iterable[Change], sides: Sequence[CommitObject]
) -> dict[bytes, str]:
    """Return the side commit that each path of ``changes`` comes from, without those that are the merger's own.

    ``sides`` are the commits that the merge brings in, oldest first.
    """
    first, tip = merge.parents
    bases = git.merge_bases(first, tip)
    if not bases:
        return {}
    decided = {change.path for _, change in git.changes_between((first, base) for base in bases)}  # 1
    differing = {change.path for _, change in git.changes_between([(merge.commit, tip)])}  # 2
    pairs = [(side.commit, parent) for side in sides for parent in side.parents or (None,)]
    order = {side.commit: place for place, side in enumerate(sides)}
    last: dict[bytes, tuple[str, Change]] = {}
    for commit, change in git.changes_between(pairs):
        if change.path not in last or order[commit] >= order[last[change.path][0]]:
            last[change.path] = (commit, change)
    taken = {}
    for change in changes:
        if change.path in decided or change.path in differing or change.path not in last:
            continue
        commit, left = last[change.path]
        if (left.mode, left.object_id) == (change.mode, change.object_id):  # 3
            taken[change.path] = commit
    return taken
