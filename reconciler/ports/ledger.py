"""The ledger port: where evidence records go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model.record import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One signed statement, the raw evidence behind it, and what follows from it.

    ``path`` is the statement's place on the evidence branch, ``envelope`` a DSSE envelope, ``blobs`` raw bytes by
    lower-case SHA-256. ``heads`` are those of the nodes that it is about, none where it is about the repository.
    ``attached`` are files beside it, new like it; ``sums`` are files that are written anew each time.
    """

    path: str
    envelope: bytes
    blobs: Mapping[str, bytes]
    heads: tuple[Head, ...] = ()
    attached: Mapping[str, bytes] = field(default_factory=dict)
    sums: Mapping[str, bytes] = field(default_factory=dict)


class Ledger(Protocol):
    """The evidence branch: append-only, one writer.

    TransientError: somebody else wrote meanwhile, or the store is away. TrustError: the branch is not what this
    writer left.
    """

    def heads(self) -> Mapping[str, Head]:
        """Return the newest head of every node that has one."""
        ...

    def journal_head(self) -> bytes | None:
        """Return the sum of the journal as it stands on the branch, None if nothing was written yet."""
        ...

    def append(self, entries: Sequence[Entry]) -> str:
        """Record ``entries`` in one signed commit, durably, and return its id (40 hexadecimal digits)."""
        ...
