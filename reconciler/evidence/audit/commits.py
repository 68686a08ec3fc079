"""Commits: each record is made under one of the trusted history, with its tree, and none goes back to an older one.

The keys of every state that a record names are collected, since a tree head does not say under which it was signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.attest.memory import Memory
from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.audit.archive import Archive, HistoryCommit
from reconciler.evidence.audit.flaws import Findings

AHEAD = timedelta(minutes=5)
"""How far the clocks of who commits and of who records may differ: a commit from further in the future is refused."""


class Commits:
    """Looks at the commit of each record, in the order of the log."""

    def __init__(self, archive: Archive, *, found: Findings) -> None:
        """Nothing is known yet."""
        self._archive = archive
        self._found = found
        self._known: Memory[str, HistoryCommit] = Memory(64)
        self._newest = -1
        self._keyed: Memory[str, bool] = Memory(64)
        self.keys: dict[str, Ed25519PublicKey] = {}

    def learn(self, commit: str) -> None:
        """Count the evidence keys of ``commit`` among those that may sign tree heads."""
        if self._keyed.find(commit) is None:
            self._keyed.put(commit, value=True)
            self.keys.update(self._archive.keys(commit))

    def check(self, path: str, *, commit: str, tree: str, at: datetime) -> None:
        """Look at what the record or round at ``path``, recorded ``at``, was made under."""
        known = self._known.find(commit) or self._archive.commits(commit)
        if known is None:
            raise TrustError(path, f"commit {commit[:12]} is not in the trusted history", reason="CommitStray")
        self._known.put(commit, known)
        self.learn(commit)
        if tree != known.tree:
            message = f"commit {commit[:12]} has the tree {known.tree[:12]}, not {tree[:12]}"
            self._found.add(path, "TreeDiffers", message)
        if known.number < self._newest:
            message = f"it was made under commit {commit[:12]}, after a newer one was in force"
            self._found.add(path, "CommitBackwards", message)
        if at < known.made_at - AHEAD:
            message = f"it is dated {at.isoformat()}, before its commit {commit[:12]} of {known.made_at.isoformat()}"
            self._found.add(path, "RecordBackdated", message)
        self._newest = max(self._newest, known.number)


def keys_of(archive: Archive, commit: str) -> Mapping[str, Ed25519PublicKey]:
    """Return the evidence keys at ``commit``; none if it cannot be read."""
    try:
        return archive.keys(commit)
    except RingfenceError:
        return {}
