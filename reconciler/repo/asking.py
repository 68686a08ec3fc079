"""Objects of a repository, one after the other, from one git process that is kept for asking.

Rules: memory is for one object at a time; an answer that does not come in time ends the process. To be closed.
"""

from __future__ import annotations

import os
import select
import subprocess
from typing import Self

from reconciler.errors.taxonomy import TransientError
from reconciler.repo.git import Git, check_id

_CHUNK = 1 << 16
_END_S = 5.0


class ObjectReader:
    """Gives objects by id; a context that closes itself. Not to be shared between threads."""

    def __init__(self, git: Git) -> None:
        """Start no process yet."""
        self._git = git
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def read(self, object_id: str) -> bytes | None:
        """Return the object's content, None if the repository does not hold it."""
        process = self._process = self._process or self._git.open("cat-file", "--batch")
        if process.stdin is None:
            raise self._lost()
        try:
            process.stdin.write(f"{check_id(object_id)}\n".encode())
        except OSError as error:
            raise self._lost() from error
        header = self._line()
        if not header.startswith(object_id.encode()) or header.endswith(b" missing"):
            return None
        content = self._take(int(header.rsplit(b" ", 1)[1]) + 1)
        return content[:-1]

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process, self._rest = self._process, None, b""
        if process is not None:
            process.kill()
            process.wait(_END_S)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            self._rest += self._more(_CHUNK)
        line, self._rest = self._rest.split(b"\n", 1)
        return line

    def _take(self, size: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < size:
            parts.append(self._more(max(_CHUNK, size - have)))
            have += len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]

    def _more(self, size: int) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise self._lost()
        ready, _, _ = select.select([process.stdout], [], [], self._git.deadline_s)
        data = os.read(process.stdout.fileno(), size) if ready else b""
        if not data:
            raise self._lost()
        return data

    def _lost(self) -> TransientError:
        self.close()
        return TransientError("git", "stopped answering", reason="GitTimeout", hint="is its disk busy?")
