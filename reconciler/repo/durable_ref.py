"""The evidence branch's ref: read whole or not at all, moved by compare-and-swap, and on the disk afterwards.

Rules: a ref file that is there and cannot be read is never taken for a branch that does not exist yet: that would begin
the record anew; a lock that a dead process left is removed once it is so old that no live one holds it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from reconciler.errors.taxonomy import TransientError, TrustError
from reconciler.repo.git import Git, branch_ref
from reconciler.repo.packs import disk_trouble, flush

_DEAD_LOCK_S = 60.0
"""Git holds the lock of a ref for milliseconds; hooks are off."""


class DurableRef:
    """The branch ``branch`` of the repository ``git``, which only this writer moves."""

    def __init__(self, git: Git, branch: str) -> None:
        """Nothing is read yet; InputError if ``branch`` is no name for a branch."""
        self._git = git
        self._branch = branch
        self._name = branch_ref(branch)
        self._file: Path | None = None

    @property
    def file(self) -> Path:
        """Return the file that git keeps the ref in, if it does not keep it packed."""
        if self._file is None:
            self._file = self._git.own_path(self._name)
        return self._file

    def read(self) -> str | None:
        """Return the commit that the branch is at, None if there is no such branch; TrustError if nobody can tell."""
        tip = self._git.head(self._branch)
        if tip is None and self.file.exists():
            known = self._last_known()
            hint = (
                f"it was last at {known}: look at that commit with git log, then: git update-ref --no-deref "
                f"{self._name} {known}, after deleting {self.file}"
                if known
                else f"delete {self.file} and fetch the branch from the remote or another clone"
            )
            raise TrustError(f"branch {self._branch}", "its ref is damaged", reason="EvidenceBroken", hint=hint)
        return tip

    def move(self, *, old: str | None, new: str) -> bool:
        """Move the branch from ``old`` (None: it does not exist) to ``new``; False if it is not at ``old``.

        TransientError: it was not moved, or nobody knows whether that would outlive a loss of power.
        """
        try:
            is_moved = self._move(old=old, new=new)
            if is_moved:
                flush(self.file.parent)
        except OSError as error:
            raise disk_trouble(error) from error
        return is_moved

    def _move(self, *, old: str | None, new: str) -> bool:
        note = "ringfence: evidence"
        try:
            return self._git.move_branch(self._branch, old=old, new=new, note=note)
        except TransientError as error:
            if error.reason != "GitLocked" or not self._break_dead_lock():
                raise
        return self._git.move_branch(self._branch, old=old, new=new, note=note)

    def _break_dead_lock(self) -> bool:
        """Remove the ref's lock if it is older than any that a live process holds; return whether it was."""
        lock = self.file.with_name(f"{self.file.name}.lock")
        with suppress(OSError):
            if time.time() - lock.stat().st_mtime > _DEAD_LOCK_S:
                lock.unlink()
                return True
        return False

    def _last_known(self) -> str | None:
        """Return the newest commit in the branch's log, if git keeps one."""
        with suppress(OSError):
            lines = self._git.own_path(f"logs/{self._name}").read_bytes().splitlines()
            words = lines[-1].split(b" ")[:2] if lines else []
            found = words[-1].decode("ascii", "replace") if words else ""
            return found if len(found) == len("0" * 40) and found.isalnum() else None
        return None
