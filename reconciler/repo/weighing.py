"""How large an evidence branch is: its listing, the heads, what blobs look like, and what git has packed.

Rules: statements, rounds and the log are never read; blobs are, a few at a time, for their kinds. Sizes on disk are
git's own, with objects deltified and compressed as they lie there; those of former trees and commits are told only if
``with_history``, since git has to walk all of them for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from reconciler.evidence.weights import Weights, blob_kind, is_node_head, weigh
from reconciler.model.record import Head
from reconciler.repo.git import Git, TreeEntry, check_id

_AT_ONCE_BYTES = 64 << 20
_MAX_BLOB = 8 << 20
"""A larger blob is not looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes on disk: of the branch's newest files, of all its history if that was asked for, of the repository."""

    files: int
    history: int | None
    repository: int
    loose: int


def weigh_branch(git: Git, files: Iterable[TreeEntry]) -> Weights:
    """Return what the evidence branch with ``files`` holds."""
    entries = {entry.path.decode("utf-8", "backslashreplace"): entry for entry in files}
    blobs = [(path, entry) for path, entry in entries.items() if path.startswith("blobs/") and entry.size <= _MAX_BLOB]
    kinds = {path: blob_kind(content) for path, content in _contents(git, blobs)}
    heads = [(path, entry) for path, entry in entries.items() if is_node_head(path)]
    records = dict(_count(content) for _, content in _contents(git, heads))
    sizes = ((path, entry.size) for path, entry in entries.items())
    return weigh(sizes, blob_kinds=kinds, records=records)


def disk_of(git: Git, tip: str, *, files: Iterable[TreeEntry], with_history: bool) -> Disk:
    """Return what the evidence commit ``tip`` with ``files`` takes up on disk."""
    ids = "".join(f"{entry.object_id}\n" for entry in files)
    listed = git.run("cat-file", "--batch-check=%(objectname) %(objectsize:disk)", stdin=ids.encode()).split()
    sizes = dict(zip(listed[::2], map(int, listed[1::2]), strict=True))
    counted = dict(line.split(": ") for line in git.run("count-objects", "-v").decode().splitlines())
    used = git.run("rev-list", "--objects", "--disk-usage", check_id(tip)) if with_history else None
    return Disk(
        files=sum(sizes.values()),
        history=None if used is None else int(used),
        repository=(int(counted["size"]) + int(counted["size-pack"])) * 1024,
        loose=int(counted["count"]),
    )


def _contents(git: Git, files: Iterable[tuple[str, TreeEntry]]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of ``files``, read so many at once as are not too large together."""
    waiting: list[tuple[str, TreeEntry]] = []
    size = 0
    for path, entry in files:
        if waiting and size + entry.size > _AT_ONCE_BYTES:
            yield from _read(git, waiting)
            waiting, size = [], 0
        waiting.append((path, entry))
        size += entry.size
    yield from _read(git, waiting)


def _read(git: Git, files: list[tuple[str, TreeEntry]]) -> Iterator[tuple[str, bytes]]:
    contents = git.objects(entry.object_id for _, entry in files)
    return ((path, contents[entry.object_id]) for path, entry in files if entry.object_id in contents)


def _count(content: bytes) -> tuple[str, int]:
    try:
        head = Head.model_validate_json(content)
    except ValidationError:
        return "", 0  # A head that cannot be read is for the audit to tell.
    return head.node, head.sequence
