"""Years of the evidence branch: a closing tree head, and the opening that goes on from it (docs/adr/0019).

At the end of a year one commit adds ``checkpoints/closing``, the tree head that stays; the next one takes the year's
statements, rounds, entries, log and blobs off the tree and begins anew with ``opening.json``. What is checked here:

1. the opening names its parent as the closing commit, and the tree head that is there;
2. what a year begins with is what the one before ended with: every node's head, the journal's, what is trusted, what
   was seen, the lease; and blobs that stood there too, under the same id. Nothing else, and none of the first dropped;
3. the year is a later one.
Whether the closing commit itself holds is the audit's to say, of that commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field, ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value, is_canonical, to_json
from reconciler.evidence.note import parse_checkpoint, parse_note
from reconciler.evidence.raw import CommitId
from reconciler.model.base import Value

OPENING = "opening.json"
CLOSING = "checkpoints/closing"
_LATEST = "checkpoints/latest"
_KEPT = frozenset({"trusted.json", "observation.json", "writer.json", "journal/head.json"})


class Opening(Value):
    """What a year begins with: the one that it ``closes``, whose last commit is ``closing``.

    ``checkpoint`` is that commit's tree head, a signed note.
    """

    year: Annotated[int, Field(ge=2000, le=9999)]
    closes: Annotated[int, Field(ge=2000, le=9999)]
    closing: CommitId
    checkpoint: str


def is_kept(path: str) -> bool:
    """Return whether the file at ``path`` goes over into the next year as it is."""
    return path in _KEPT or (path.startswith("nodes/") and path.endswith("/head.json"))


def year_origin(origin: str, *, year: int | None) -> str:
    """Return the name of the log of ``year``, None for the first one, which has no year in its name."""
    return origin if year is None else f"{origin}/{year}"


def opening_bytes(opening: Opening) -> bytes:
    """Return ``opening`` as it stands on the branch."""
    return canonical_value(opening)


def parse_opening(content: bytes) -> Opening:
    """Return the opening in ``content``; TrustError if it is not one of ours, byte for byte."""
    try:
        opening = Opening.model_validate_json(content)
    except ValidationError:
        opening = None
    if opening is None or not is_canonical(content, to_json(opening)):
        raise _refusal("it is not an opening that ringfence writes", reason="OpeningMalformed")
    parse_checkpoint(parse_note(opening.checkpoint.encode()).body)
    return opening


def check_opening(
    parent: str | None,
    *,
    closed: Mapping[str, str],
    opened: Mapping[str, str],
    read_closed: Callable[[str], bytes | None],
    read_opened: Callable[[str], bytes | None],
) -> Opening:
    """Return the opening of a commit with the files ``opened`` after ``parent`` with the files ``closed``.

    Both are object ids by path; ``read_closed`` and ``read_opened`` give a file's bytes. TrustError: it is no rightful
    opening, and what it takes away was deleted.
    """
    opening = parse_opening(read_opened(OPENING) or b"")
    if opening.closing != parent:
        raise _refusal("it goes on from another commit than its parent", reason="OpeningStray")
    head = read_closed(CLOSING)
    if head != opening.checkpoint.encode() or closed.get(CLOSING) != closed.get(_LATEST):
        raise _refusal("its tree head is not the one that the year was closed with", reason="OpeningMismatch")
    if opening.closes >= opening.year:
        raise _refusal(f"{opening.year} does not come after the year that was closed", reason="OpeningMismatch")
    if OPENING in closed and parse_opening(read_closed(OPENING) or b"").year != opening.closes:
        raise _refusal(f"the year that was closed was not {opening.closes}", reason="OpeningMismatch")
    for path, object_id in opened.items():
        may_stay = is_kept(path) or path.startswith("blobs/")
        if path != OPENING and not (may_stay and closed.get(path) == object_id):
            raise _refusal(f"{path} is not what the year before ended with", reason="OpeningMismatch")
    for path in closed:
        if is_kept(path) and path not in opened:
            raise _refusal(f"{path} was left out", reason="OpeningMismatch")
    return opening


def _refusal(message: str, *, reason: str) -> TrustError:
    hint = "compare with another clone; a year begins with what the one before ended with"
    return TrustError("opening of a year", message, reason=reason, hint=hint)
