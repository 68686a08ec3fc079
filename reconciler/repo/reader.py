"""The evidence branch for an audit: every statement, head and blob at one commit, and how the branch came to be.

Rules: nothing is trusted because it is there; a blob whose bytes do not have its digest is not given out. What the
statements say is not checked here (``evidence.audit``), nor who signed them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.round import records_path
from reconciler.repo.git import Git, TreeEntry, check_id
from reconciler.repo.places import OBSERVATION_PATH, blob_path

_BULK_BYTES = 256 << 20


class EvidenceReader:
    """The evidence branch of one repository, at ``commit``."""

    def __init__(self, git: Git, *, commit: str) -> None:
        """List what is on the branch at ``commit``; contents are read when they are asked for."""
        self._git = git
        self._commit = check_id(commit)
        self._entries = {entry.path.decode("utf-8", "backslashreplace"): entry for entry in git.files(commit)}
        self._bulk: dict[str, bytes] | None = None

    def statements(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and envelope of every statement, by path."""
        return self._under("statements/")

    def rounds(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Yield path, envelope and records of every round, by path."""
        contents = dict(self._under("rounds/"))
        for path, envelope in contents.items():
            if path.endswith(".dsse.json"):
                yield path, envelope, contents.get(records_path(path), b"")

    def heads(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of every head, by path."""
        return self._under("nodes/")

    def observation(self) -> bytes | None:
        """Return the recorded observation, None if there is none."""
        return next((content for _, content in self._under(OBSERVATION_PATH)), None)

    def blob(self, digest: str) -> bytes | None:
        """Return the bytes whose bare SHA-256 is ``digest``, None if they are not there; TrustError if altered."""
        path = blob_path(digest)
        entry = self._entries.get(path)
        if entry is None:
            return None
        content = self._content(entry)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            hint = "the evidence branch was altered, or its objects are damaged: compare with another clone"
            raise TrustError(path, "does not have the digest that it is named by", reason="BlobAltered", hint=hint)
        return content

    def _under(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        entries = [(path, entry) for path, entry in sorted(self._entries.items()) if path.startswith(prefix)]
        contents = self._git.objects(entry.object_id for _, entry in entries)
        return iter([(path, contents.get(entry.object_id, b"")) for path, entry in entries])

    def _content(self, entry: TreeEntry) -> bytes | None:
        if self._bulk is None:
            blobs = [found for path, found in self._entries.items() if path.startswith("blobs/")]
            is_small = sum(found.size for found in blobs) <= _BULK_BYTES
            self._bulk = self._git.objects(found.object_id for found in blobs) if is_small else {}
        if entry.object_id in self._bulk:
            return self._bulk[entry.object_id]
        return self._git.objects([entry.object_id]).get(entry.object_id)
