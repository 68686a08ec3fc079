"""One comment of ours on a pull request: made once, replaced from then on, never repeated.

Rules: ours is the oldest that begins with our marker *and* was written by us, so that nobody can put words under our
name or have us write under theirs; a text that has not changed is not sent; a text that is too long is cut between
lines, with its folds and fences closed.
"""

from __future__ import annotations

import re

from reconciler.errors.taxonomy import InputError, cut
from reconciler.ports.forge import Forge

MAX_BODY = 65_536
"""Bytes; GitHub takes that many characters, the others more."""

_MARKER = re.compile(r"[a-z0-9-]{1,40}")
_CUT = "\n\n**Cut here.** The whole text is in the job's log.\n"
_ROOM = 256


def marked(body: str, *, marker: str) -> str:
    """Return ``body`` with its hidden marker, no longer than a forge takes."""
    if not _MARKER.fullmatch(marker):
        hint = "use lower-case letters, digits and dashes"
        raise InputError(f"marker {cut(marker)}", "is no name for a comment", reason="ForgeMarker", hint=hint)
    whole = f"{_line(marker)}\n{body.strip()}\n"
    if len(whole.encode()) <= MAX_BODY:
        return whole
    kept: list[str] = []
    size = len(_CUT.encode()) + _ROOM
    for line in whole.splitlines():
        size += len(line.encode()) + 1
        if size > MAX_BODY:
            break
        kept.append(line)
    fences = sum(line.lstrip().startswith("```") for line in kept) % 2
    text = "\n".join(kept)
    folds = min(8, max(0, text.count("<details") - text.count("</details>")))
    return text + ("\n```" if fences else "") + "\n</details>" * folds + _CUT


def post(forge: Forge, *, change: int, body: str, marker: str, author: str) -> str:
    """Put ``body`` on the pull request ``change``; return what was done: ``created``, ``updated`` or ``unchanged``."""
    wanted = marked(body, marker=marker)
    for comment in forge.comments(change):
        text = comment.body.replace("\r\n", "\n")
        if comment.author == author and text.split("\n", 1)[0].strip() == _line(marker):
            if text.strip() == wanted.strip():
                return "unchanged"
            forge.update_comment(change, comment.id, wanted)
            return "updated"
    forge.create_comment(change, wanted)
    return "created"


def _line(marker: str) -> str:
    return f"<!-- ringfence:{marker} -->"
