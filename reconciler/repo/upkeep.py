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

from pathlib import Path

from reconciler.repo.git import Git
from reconciler.repo.packs import PackStore

PACKS = 64
"""How many packs there may be before it is worth a run."""

_LARGE_BYTES = 2 << 30
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
        self._store.sweep()
        large = [path.name for path in self._found() if path.stat().st_size >= _LARGE_BYTES]
        kept = [f"--keep-pack={name}" for name in large]
        factor = ("--geometric=1000000",) if is_asked else ("--geometric=2",)
        self._git.run("repack", "-d", "-q", *factor, *kept, settings=_SETTINGS)
        return len(self._found())

    def _found(self) -> list[Path]:
        return sorted((self._store.objects / "pack").glob("pack-*.pack"))
