"""The steps of a walk over a history: each commit, and what it changes against its first parent.

Rules: what a commit changes is read for many at once, but only after its signature was verified, since a stranger's
commit may change anything; which commits change what others are judged by is asked for by path. Nothing is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.repo import layout
from reconciler.repo.commits import CommitObject
from reconciler.repo.confirmations import Changed
from reconciler.repo.git import Change, Git
from reconciler.repo.verification import Signed

_ROOTS = (layout.REPOSITORY, layout.ALLOWED_SIGNERS, layout.GPG_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit of the walk, what it changes, what of that is not there, and whether it was trusted before."""

    commit: CommitObject
    parent_made: int | None
    is_recorded: bool
    changes: tuple[Change, ...] = ()
    lacking: tuple[bytes, ...] = ()

    @property
    def signed(self) -> Signed:
        """Return what is to be verified; the root pins itself, by its own date."""
        return signed_commit(self.commit, is_recorded=self.is_recorded or not self.commit.parents)

    @property
    def changed(self) -> Changed:
        """Return what may have to be confirmed."""
        return Changed(commit=self.commit.commit, parents=self.commit.parents, changes=self.changes)

    @property
    def pair(self) -> tuple[str, str | None]:
        """Return the commit and its first parent."""
        return self.commit.commit, self.commit.parents[0] if self.commit.parents else None

    @property
    def changes_trust(self) -> bool:
        """Return whether later commits are judged by something else than this one."""
        return any(layout.is_trust_root(change.path.decode("utf-8", "replace")) for change in self.changes)


def signed_commit(commit: CommitObject, *, is_recorded: bool) -> Signed:
    """Return ``commit`` as what is to be verified."""
    return Signed(object_id=commit.commit, scheme=commit.scheme, made=commit.made, is_recorded=is_recorded)


def under_one_basis(git: Git, steps: Sequence[Step]) -> list[Step]:
    """Return the first of ``steps`` that are judged by the same rules: up to the first one that changes them."""
    if len(steps) == 1:
        return list(steps)
    changing = {commit for commit, _ in git.changes_between((step.pair for step in steps), under=_ROOTS)}
    last = next((place for place, step in enumerate(steps) if step.commit.commit in changing), len(steps))
    return list(steps[: last + 1])


def with_changes(git: Git, steps: Sequence[Step]) -> list[Step]:
    """Return ``steps`` with what each of them changes, in two calls of git."""
    changes: dict[str, list[Change]] = {}
    for commit, change in git.changes_between(step.pair for step in steps):
        changes.setdefault(commit, []).append(change)
    every = [change for of_one in changes.values() for change in of_one if change.has_content]
    held = git.sizes(change.object_id for change in every)
    missing = {change.object_id for change in every if change.object_id not in held}
    return [
        replace(
            step,
            changes=(own := tuple(changes.get(step.commit.commit, ()))),
            lacking=tuple(change.path for change in own if change.has_content and change.object_id in missing),
        )
        for step in steps
    ]
