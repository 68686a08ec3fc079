"""A writer on a disk that fills up, run by itself in a user and mount namespace of its own.

``python -m tests.support.full_disk FOLDER`` makes a small tmpfs at FOLDER, leaves fewer and fewer blocks free, and
prints what each attempt to append came to, as JSON. The disk is gone with the process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from reconciler.errors.taxonomy import RingfenceError
from tests.support.gitrepo import GitRepo
from tests.support.plain_entries import plain_entry, plain_ledger

BLOCK = 4096
BLOCKS = 400


def main() -> None:
    """Mount, fill, append, and tell."""
    folder = Path(sys.argv[1])
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={BLOCKS * BLOCK}", "none", str(folder)], check=True, timeout=30
    )
    repo = GitRepo(folder, bare=True)
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    told, sequence = [], 1
    for free in [*range(14), BLOCKS]:
        before = repo.git("rev-parse", "refs/heads/evidence")
        files = _fill(folder / "filler", leave=free)
        reason = ""
        try:
            writer.append([plain_entry("n1", sequence + 1)])
            sequence += 1
        except RingfenceError as error:
            reason = error.reason
        (folder / "filler").unlink(missing_ok=True)
        fresh = plain_ledger(repo)
        told.append(
            {
                "free": free,
                "filled": files,
                "reason": reason,
                "kept": repo.git("rev-parse", "refs/heads/evidence") == before if reason else True,
                "sequence": fresh.heads()["n1"].sequence,
                "expected": sequence,
                "left": [path.name for path in (repo.path / "objects").glob("ringfence-*")],
            }
        )
    repo.git("fsck", "--strict")
    print(json.dumps(told))  # noqa: T201  # read by the test


def _fill(path: Path, *, leave: int) -> int:
    free = os.statvfs(path.parent).f_bavail - leave
    if free > 0:
        path.write_bytes(bytes(free * BLOCK))
    return max(free, 0)


if __name__ == "__main__":
    main()
