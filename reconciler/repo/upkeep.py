"""Upkeep of the repository's objects: many small packs become few, and what dead processes left is removed.

Rules:
1. no object is dropped: packs are joined with everything that is in them, and loose objects go into packs only where
   something names them;
2. a pass never waits for it: it runs in a thread of its own, or when an operator asks;
3. each run is bounded: packs grow in powers, so that a run rewrites as much as was written since, and what is large
   already is left as it is.
Not done here: ``git gc`` and ``git prune``. Whoever runs those by hand decides what is dropped.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors.taxonomy import TransientError
from reconciler.repo.git import Git
from reconciler.repo.packs import PackStore, disk_trouble

PACKS = 64
"""How many packs there may be before it is worth a run."""

_LARGE_BYTES = 2 << 30
_BLOCK = 512
_DEADLINE_S = 1800.0
_SETTINGS = {
    "pack.threads": "1",
    "pack.window": "20",
    "pack.windowMemory": "64m",
    "pack.depth": "50",
    "repack.updateServerInfo": "false",
    "repack.writeBitmaps": "false",
}


class Upkeep:
    """What keeps the objects of the repository ``git`` in order."""

    def __init__(self, git: Git, *, packs: int = PACKS) -> None:
        """Nothing is read yet; a run is due at ``packs`` packs."""
        self._git = Git(git.path, deadline_s=_DEADLINE_S)
        self._store = PackStore(self._git)
        self._packs = packs

    def is_due(self) -> bool:
        """Return whether there are so many packs that a run is worth it."""
        return len(self._found()) >= self._packs

    def run(self, *, is_asked: bool = False) -> int:
        """Join packs and remove what is left over; return how many packs there are now.

        ``is_asked``: join all that are not large, and pack loose objects, whether it is due or not.
        """
        with self._alone():
            return self._run(is_asked=is_asked)

    def size(self) -> int:
        """Return how many bytes of disk the objects take."""
        sizes = [path.lstat() for path in self._store.objects.rglob("*")]
        return sum(size.st_blocks * _BLOCK for size in sizes)

    def _run(self, *, is_asked: bool) -> int:
        self._store.sweep()
        large = [path.name for path in self._found() if path.stat().st_size >= _LARGE_BYTES]
        kept = [f"--keep-pack={name}" for name in large]
        how = ("-a", "--keep-unreachable") if is_asked else ("--geometric=2",)
        self._git.run("repack", "-d", "-q", *how, *kept, settings=_SETTINGS)
        return len(self._found())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from packing the same repository at the same time; the lock ends with the process."""
        path = self._git.own_path("ringfence-upkeep.lock")
        try:
            with path.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError as error:
            hint = "wait for it, or leave it to the one who does it"
            message = "is being packed by another process"
            raise TransientError(
                f"repository {self._git.path.name}", message, reason="UpkeepBusy", hint=hint
            ) from error
        except OSError as error:
            raise disk_trouble(error) from error

    def _found(self) -> list[Path]:
        return sorted((self._store.objects / "pack").glob("pack-*.pack"))
