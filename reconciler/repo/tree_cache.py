"""The folders of the evidence branch that its writer has read or written, so that none is read twice.

Rules: what is kept belongs to one tip and is dropped when the branch is at another; a folder that its own parent does
not name is not asked for; what is kept is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.repo.git import Git
from reconciler.repo.objects import Tree, folders_of, parse_tree

_KEPT_ENTRIES = 400_000


class TreeCache:
    """Trees by folder, as of one commit."""

    def __init__(self, *, kept: int = _KEPT_ENTRIES) -> None:
        """Keep about ``kept`` names at most."""
        self._kept = kept
        self._tip: str | None = None
        self._trees: dict[str, Tree] = {}

    def load(self, git: Git, tip: str | None, paths: Iterable[str]) -> dict[str, Tree]:
        """Return every folder above ``paths`` that there is at ``tip``, by path."""
        if tip != self._tip:
            self._tip, self._trees = tip, {}
        if tip is None:
            return {}
        folders = folders_of(paths)
        lacking = [folder for folder in folders if folder not in self._trees and not self._is_known_absent(folder)]
        names = {f"{tip}:{folder}" if folder else f"{tip}^{{tree}}": folder for folder in lacking}
        for name, content in git.objects(names).items():
            self._trees[names[name]] = parse_tree(content)
        return {folder: self._trees[folder] for folder in folders if folder in self._trees}

    def advance(self, tip: str, edited: Mapping[str, Tree]) -> None:
        """Go on to the commit ``tip``, which differs from the one before in the folders ``edited``."""
        self._tip = tip
        for folder, tree in edited.items():
            self._trees.pop(folder, None)
            self._trees[folder] = tree
        size = sum(len(tree) for tree in self._trees.values())
        for folder in list(self._trees):
            if size <= self._kept or folder in edited:
                break
            size -= len(self._trees.pop(folder))

    def _is_known_absent(self, folder: str) -> bool:
        if not folder:
            return False
        parent, _, name = folder.rpartition("/")
        if parent in self._trees:
            return name.encode() not in self._trees[parent]
        return self._is_known_absent(parent)
