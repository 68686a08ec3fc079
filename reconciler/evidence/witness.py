"""What a witness checks before it co-signs a tree head: that it leads on from the one it saw last.

1. The head is that of the log it follows, and a key that it was told about signed it.
2. The log's lines, counted and hashed by the witness itself, have exactly that size and root.
3. The tree begins with the tree that it saw last: no proof by the writer is taken for that.
4. The commits of the branch lead on from the commit that it saw last.

Anything else is a TrustError that says what was seen and what is there now. What the statements say is not looked at:
that is the audit's. Remembering before signing is ``repo.witness``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated

from pydantic import Field

from reconciler.errors.taxonomy import TrustError, cut
from reconciler.evidence.note import Note, NoteKey, note_bytes, parse_checkpoint, verify_note
from reconciler.model.base import HexDigest, Value

_Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
_MAX_BODY = 4096
_HINT = "keep what the state folder holds, and compare with other clones: the branch was rolled back or written anew"


class Seen(Value):
    """The newest head of one log that a witness stands by. ``note`` is the note as the log's keys signed it.

    ``commit`` is the evidence commit that showed it, None where only the witness's own signature tells of it;
    ``desired`` the desired state that named the signers, None where they are pinned.
    """

    origin: Annotated[str, Field(min_length=1, max_length=256)]
    size: Annotated[int, Field(ge=0)]
    root: HexDigest
    commit: _Commit | None = None
    desired: _Commit | None = None
    note: str


class Course(Enum):
    """How the branch's commit now stands to the one that was seen last."""

    ONWARD = "onward"
    """It is that commit, or leads on from it; or none was seen."""
    BACK = "back"
    """It is one that came before."""
    APART = "apart"
    """Neither leads to the other, or the one that was seen is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What an evidence branch shows: its commit, the note, and what its log's own lines come to.

    ``lines`` and ``root`` are over all lines, ``root_before`` over as many as were seen last, None if there are fewer.
    """

    commit: str
    note: Note
    lines: int
    root: bytes
    root_before: bytes | None
    course: Course


def follow(seen: Seen | None, now: Sighting, *, origin: str, keys: Iterable[NoteKey]) -> Seen:
    """Return what the witness stands by once it has seen ``now`` after ``seen``; TrustError if it may not."""
    if len(now.note.body) > _MAX_BODY:
        message = f"its head is longer than {_MAX_BODY} bytes"
        raise TrustError(f"log {origin}", message, reason="NoteTooLarge", hint="ringfence writes no such head")
    head = parse_checkpoint(now.note.body)
    shown = f"commit {now.commit[:12]} shows a tree of {head.size} with root {head.root.hex()}"
    if head.origin != origin or (seen and seen.origin != origin):  # 1
        message = f"{shown} of another log: {cut(head.origin)!r}"
        raise TrustError(
            f"log {origin}", message, reason="OriginOther", hint="was the repository exchanged or renamed?"
        )
    signers = {(signed.key.name, signed.key.key_id) for signed in verify_note(now.note, keys)}
    if (head.size, head.root) != (now.lines, now.root):  # 2
        message = f"{shown}, but its {now.lines} lines have the root {now.root.hex()}"
        raise TrustError(f"log {origin}", message, reason="HeadUnfounded", hint=_HINT)
    if seen is not None:
        _check_leads_on(seen, now, size=head.size, shown=shown)
    lines = tuple(line for line in now.note.signatures if (line.name, line.key_id) in signers)
    note = note_bytes(replace(now.note, signatures=lines)).decode()
    return Seen(origin=origin, size=head.size, root=head.root.hex(), commit=now.commit, note=note)


def _check_leads_on(seen: Seen, now: Sighting, *, size: int, shown: str) -> None:
    before = f"a tree of {seen.size} with root {seen.root} at commit {(seen.commit or 'unknown')[:12]}"
    message = f"{shown}; seen before was {before}"
    if size < seen.size:  # 3
        raise TrustError(f"log {seen.origin}", message, reason="HeadRolledBack", hint=_HINT)
    if now.root_before is None or now.root_before.hex() != seen.root:
        raise TrustError(f"log {seen.origin}", message, reason="HeadForked", hint=_HINT)
    if now.course is Course.BACK:  # 4
        raise TrustError(f"log {seen.origin}", message, reason="HeadRolledBack", hint=_HINT)
    if now.course is Course.APART:
        message = f"{message}, which does not lead there"
        raise TrustError(f"log {seen.origin}", message, reason="HistoryForked", hint=_HINT)
