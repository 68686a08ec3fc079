"""Untrusted text and JSON for a terminal: nothing in them moves a cursor, colours, hides or reorders.

Whatever is not printable is shown as a code point; a text that is cut ends in an ellipsis. It says nothing of whether
the text is true.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

_MORE = "…"
_ONE_BYTE = 0xFF
_TWO_BYTES = 0xFFFF


def printable(text: str, *, width: int | None = None) -> str:
    """Return ``text`` on one line with what is not printable escaped, and cut to ``width`` characters if it is given."""
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


def table(rows: Sequence[Sequence[str]], *, titles: Sequence[str]) -> list[str]:
    """Return ``rows`` under ``titles`` as lines with aligned columns, every cell made printable."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [[title.upper() for title in titles], *cells]
    ]


def pairs(rows: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return names and values as lines with the values aligned; what has no value is left out."""
    width = max(len(name) for name, _ in rows)
    return [f"{name.ljust(width)}  {printable(value)}" for name, value in rows if value is not None]
