"""The evidence branch for an audit: its files at one commit, one at a time, so that memory is for paths alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from reconciler.repo.asking import ObjectReader
from reconciler.repo.git import Git, check_id


class EvidenceBranch:
    """The files of ``commit`` (``evidence.audit.Branch``); a context that closes itself."""

    def __init__(self, git: Git, *, commit: str) -> None:
        """List the files of ``commit``."""
        self._reader = ObjectReader(git)
        self._modes: dict[str, str] = {}
        self._ids: dict[str, bytes] = {}
        self.bytes = 0
        for entry in git.files(check_id(commit)):
            path = entry.path.decode("utf-8", "backslashreplace")
            self._ids[path] = bytes.fromhex(entry.object_id)
            if entry.mode != "100644":
                self._modes[path] = entry.mode

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process that was asked."""
        self._reader.close()

    def files(self) -> Iterable[tuple[str, str]]:
        """Return path and mode of every file, by path."""
        return ((path, self._modes.get(path, "100644")) for path in self._ids)

    def read(self, path: str) -> bytes | None:
        """Return the content of the file at ``path``, None if there is none."""
        object_id = self._ids.get(path)
        if object_id is None or self._modes.get(path) == "160000":
            return None
        content = self._reader.read(object_id.hex())
        self.bytes += len(content or b"")
        return content
