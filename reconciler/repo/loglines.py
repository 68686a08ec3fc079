"""The lines of the evidence log at one commit, read strictly and in order, a part of them at a time.

Rules: every file of the log is there, full but the last, and nothing else lies between them; a line is a leaf's hash
and a path. Whether a path's file has that hash is not checked here (the audit), nor who signed the tree's head.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.errors.taxonomy import TrustError
from reconciler.repo.git import Git, TreeEntry
from reconciler.repo.places import FRONTIER, LOG_LINES, log_path

_AT_ONCE = 64
_MAX_BYTES = LOG_LINES * 512
_LINES = re.compile(rb"(?:[0-9a-f]{64} [!-~]{1,400}\n){1,%d}" % LOG_LINES)
_HASH_DIGITS = 64


def read_leaf_hashes(git: Git, commit: str) -> Iterator[bytes]:
    """Yield the leaf hash of every line of the log at the evidence commit ``commit``, in order.

    TrustError: the log is not what ringfence writes.
    """
    entries = [entry for entry in git.files(commit, under="log/") if entry.path != FRONTIER.encode()]
    entries.sort(key=lambda entry: (len(entry.path), entry.path))
    for part, entry in enumerate(entries):
        if entry.path != log_path(part).encode() or entry.mode != "100644" or entry.size > _MAX_BYTES:
            raise _malformed(entry, "is not where the next lines have to stand")
    for start in range(0, len(entries), _AT_ONCE):
        some = entries[start : start + _AT_ONCE]
        contents = git.objects(entry.object_id for entry in some)
        for entry in some:
            content = contents.get(entry.object_id, b"")
            if not _LINES.fullmatch(content):
                raise _malformed(entry, "holds something else than lines of the log")
            lines = content.split(b"\n")[:-1]
            if len(lines) != LOG_LINES and entry is not entries[-1]:
                raise _malformed(entry, "is not full, and is not the last")
            for line in lines:
                yield bytes.fromhex(line[:_HASH_DIGITS].decode("ascii"))


def _malformed(entry: TreeEntry, message: str) -> TrustError:
    path = entry.path.decode("utf-8", "backslashreplace")
    hint = "the evidence branch was altered; run ringfence audit on it"
    return TrustError(path, message, reason="LogMalformed", hint=hint)
