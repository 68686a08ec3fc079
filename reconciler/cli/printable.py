"""Untrusted text and JSON for a terminal: nothing in them moves a cursor, colours, hides or reorders.

Whatever is not printable is shown as a code point; a text that is cut ends in an ellipsis. It says nothing of whether
the text is true.
"""

from __future__ import annotations

import json

_MORE = "…"
_ONE_BYTE = 0xFF
_TWO_BYTES = 0xFFFF


def printable(text: str, *, width: int | None = None) -> str:
    """Return ``text`` on one line, with what is not printable escaped; cut to ``width`` characters if that is given."""
    kept = text if width is None else text[: width + 1]
    if not kept.isprintable():
        kept = "".join(one if one.isprintable() else _escaped(one) for one in kept)
    return kept if width is None or len(kept) <= width else kept[: width - 1] + _MORE


def _escaped(one: str) -> str:
    number = ord(one)
    if number <= _ONE_BYTE:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _TWO_BYTES else f"\\U{number:08x}"


def as_json(document: object) -> str:
    """Return ``document`` as JSON in ASCII; DEL, which JSON lets stand, is escaped too."""
    return json.dumps(document, indent=2).replace("\x7f", "\\u007f")
