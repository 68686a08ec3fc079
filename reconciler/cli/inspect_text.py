"""What the inspectors' texts are made of: tables, names with values, and reasons; every cell is printable.

A reason is shown without the hint of its code, which is for a node of an enclave and not for a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.attest.explain import place_of
from reconciler.attest.verdict import Reason
from reconciler.cli.printable import printable


def table(rows: Sequence[Sequence[str]], *, titles: Sequence[str]) -> list[str]:
    """Return ``rows`` under ``titles`` as lines with aligned columns."""
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


def reason_lines(reasons: Iterable[Reason]) -> list[str]:
    """Return a heading and the ``reasons``, indented; nothing if there are none."""
    lines = [f"  {printable(line)}" for reason in reasons for line in _lines(reason)]
    return ["", "What speaks against it:", *lines] if lines else []


def _lines(reason: Reason) -> Iterator[str]:
    place = place_of(reason)
    yield f"{reason.code}: {reason.message}" + (f" [{place}]" if place else "")
    if reason.expected is not None:
        yield f"  expected: {reason.expected or 'empty'}"
    if reason.found is not None:
        yield f"  found:    {reason.found or 'empty'}"
