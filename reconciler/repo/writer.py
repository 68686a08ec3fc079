"""This machine as a writer of evidence: its id, and the lock that keeps a second process of it away.

Rules: the id is made once for a repository and kept beside it, so that a restart is the same writer; the lock is the
kernel's (``flock``): it ends with the process, however that ends, and is never stale.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from reconciler.errors.taxonomy import InputError, TransientError, cut
from reconciler.evidence.lease import Lease, parse_lease
from reconciler.repo.git import Git
from reconciler.repo.packs import disk_trouble, flush
from reconciler.repo.places import WRITER_PATH
from reconciler.repo.tree_cache import TreeCache

_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}")


def writer_id(git: Git) -> str:
    """Return the id of this machine's copy of the repository ``git``, made at the first call: host name and chance."""
    path = git.own_path("ringfence-writer-id")
    try:
        if not path.exists():
            host = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower())[:60].strip("-") or "host"
            made = path.with_name(f"{path.name}.{os.getpid()}")
            made.write_text(f"{host}-{secrets.token_hex(6)}\n")
            flush(made)
            with suppress(FileExistsError):
                os.link(made, path)  # Whoever came first keeps it.
            made.unlink()
            flush(path.parent)
        found = path.read_text().strip()
    except OSError as error:
        raise disk_trouble(error) from error
    if not _ID.fullmatch(found):
        hint = f"delete {path}; another one is made, and the lease runs out before it counts"
        raise InputError("writer id", f"{cut(found)!r} is none", reason="WriterId", hint=hint)
    return found


def read_lease(git: Git, commit: str) -> Lease | None:
    """Return the lease at the evidence commit ``commit``, None if there is none; TrustError if it cannot be read."""
    content = TreeCache().contents(git, commit, (WRITER_PATH,)).get(WRITER_PATH)
    return None if content is None else parse_lease(content)


class WriterLock:
    """The right to write evidence into the repository ``git`` from this machine, for as long as the process lives."""

    def __init__(self, git: Git) -> None:
        """Nothing is locked yet."""
        self._git = git
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Lock; TransientError (``EvidenceWriterBusy``) with who does, and since when, if another process has it."""
        if self._file is not None:
            return
        path = self._git.own_path("ringfence-writer.lock")
        try:
            file = path.open("a+")
        except OSError as error:
            raise disk_trouble(error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            told = _holder(path)
            file.close()
            hint = "stop it first, or let it do the work; when it ends, however it ends, the lock ends too"
            raise TransientError("evidence", f"is written by {told}", reason="EvidenceWriterBusy", hint=hint) from error
        self._file = file
        with suppress(OSError):  # Who it is helps people only.
            file.truncate(0)
            file.write(json.dumps(_own()))
            file.flush()

    def close(self) -> None:
        """Unlock."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _own() -> dict[str, str]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": str(os.getpid()), "command": command, "since": since, "host": socket.gethostname()}


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_text())
        return cut(f"process {told['process']} ({told['command']}) on {told['host']} since {told['since']}")
    except (OSError, ValueError, KeyError, TypeError):
        return "another process of this machine"
