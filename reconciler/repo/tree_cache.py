"""The folders of the evidence branch that its writer has read or written, so that none is read twice.

Rules:
1. what is kept belongs to one tip and is dropped when the branch is at another; it is bounded;
2. a folder or file that its own parent names is there, or the branch is damaged: git calls a damaged object "missing"
   too, and whoever took that for an empty folder would drop every record in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.errors.taxonomy import TrustError
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
        for folder in folders:
            if folder not in self._trees and not self._is_known_absent(folder):  # 2
                raise _damaged(tip, folder or "its top folder")
        return {folder: self._trees[folder] for folder in folders if folder in self._trees}

    def contents(self, git: Git, tip: str | None, paths: Iterable[str]) -> dict[str, bytes]:
        """Return what stands at those of ``paths`` that there are at ``tip``."""
        wanted = list(paths)
        trees = self.load(git, tip, wanted)
        ids = {}
        for path in wanted:
            folder, _, name = path.rpartition("/")
            entry = trees.get(folder, {}).get(name.encode())
            if entry is not None:
                ids[path] = entry[1].hex()
        found = git.objects(ids.values())
        for path, object_id in ids.items():
            if object_id not in found:
                raise _damaged(str(tip), path)
        return {path: found[object_id] for path, object_id in ids.items()}

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
            return False  # Every commit has a top.
        parent, _, name = folder.rpartition("/")
        if parent in self._trees:
            return name.encode() not in self._trees[parent]
        return self._is_known_absent(parent)


def _damaged(tip: str, what: str) -> TrustError:
    hint = (
        "look with git fsck, delete the damaged file that it names, and fetch the branch again from the remote or "
        "another clone: git fetch --refetch"
    )
    return TrustError(
        f"evidence commit {tip[:12]}", f"{what} is missing or damaged", reason="EvidenceBroken", hint=hint
    )
