"""What the co-signatures of witnesses say about an evidence branch.

1. A head that a witness co-signed and that is larger than the branch's log: the branch was rolled back.
2. A head that a witness co-signed and that the branch's log does not begin with: the branch is a fork.
3. Fewer witnesses than the desired state requires stand by this branch, or not recently enough: that is a flaw too.

The branch's own newest commit is the clock that age is told by, so that an audit finds the same in five years. A
co-signature's time is the word of its witness. Whether the notes' signatures hold is not checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.errors.taxonomy import cut
from reconciler.evidence.audit import Flaw
from reconciler.model.base import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """One head that a witness stands by, and when it said so. ``path`` is where that was read.

    ``has_log_signature`` says that a known evidence key signed the same head.
    """

    witness: str
    origin: str
    size: int
    root: bytes
    at: datetime
    path: str
    has_log_signature: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """An evidence branch as its log tells: ``roots`` by size, as far as it has grown, and when it was last written."""

    origin: str
    roots: Mapping[int, bytes]
    written_at: datetime


def judge_cosigned(heads: Iterable[Cosigned], *, branch: Grown, required: int, within: timedelta) -> list[Flaw]:
    """Return what contradicts ``branch`` in ``heads``, by path; ``branch.roots`` has the sizes that ``heads`` have."""
    flaws, standing = [], set()
    for head in sorted(heads, key=lambda head: (head.path, head.witness)):
        if head.origin != branch.origin or branch.roots.get(head.size) != head.root:
            flaws.append(_contradiction(head, has_size=head.size in branch.roots, origin=branch.origin))
        elif head.at >= branch.written_at - within:
            standing.add(head.witness)
    if len(standing) < required:
        who = ", ".join(sorted(standing)) or "nobody"
        message = f"{required} witnesses have to stand by it within {format_duration(within)}; {who} did"
        flaws.append(Flaw(path="checkpoints/latest", code="WitnessesMissing", message=message))
    return flaws


def _contradiction(head: Cosigned, *, has_size: bool, origin: str) -> Flaw:
    by = " and by an evidence key" if head.has_log_signature else ""
    what = f"a tree of {head.size} with root {head.root.hex()}, co-signed by witness {head.witness} at {head.at}{by}"
    if head.origin != origin:
        return Flaw(path=head.path, code="HeadOfAnotherLog", message=f"{what}, is of the log {cut(head.origin)!r}")
    if not has_size:
        return Flaw(
            path=head.path, code="HeadRolledBack", message=f"{what}, is larger than the branch: it was rolled back"
        )
    return Flaw(path=head.path, code="HeadForked", message=f"{what}, is not how the branch begins: it was written anew")
