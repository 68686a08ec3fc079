"""A report in sections, as Markdown for a forge's comment and as text for a terminal.

Rules: what comes from a repository is made harmless (no HTML, no broken table, no control character); a section with
more than fifteen rows is folded; the whole stays below what forges take (65,536 characters), by leaving rows out and
saying how many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.cli.printable import printable

LIMIT = 60_000
FOLD_ROWS = 15
_ROW_LIMITS = (500, 200, 80, 30, 10, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title, sentences, a table, and a diagram; each may be missing, and a section with nothing is left out.

    ``is_aside`` folds the section however short it is.
    """

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    diagram: str = ""
    is_aside: bool = False

    def is_empty(self) -> bool:
        """Return whether there is nothing in it."""
        return not (self.lines or self.rows or self.diagram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A title, what matters most in a few lines, and the sections."""

    title: str
    summary: tuple[str, ...]
    sections: tuple[Section, ...] = ()


def to_markdown(report: Report, *, limit: int = LIMIT) -> str:
    """Return ``report`` in at most ``limit`` characters, with as many rows as fit."""
    text = ""
    for rows in _ROW_LIMITS:
        text = _markdown(report, rows=rows, with_diagrams=True)
        if len(text) <= limit:
            return text
    text = _markdown(report, rows=_ROW_LIMITS[-1], with_diagrams=False)
    note = "\n\nThe rest was left out: it is too long for a comment. `ringfence plan -o text` shows all of it.\n"
    return text if len(text) <= limit else text[: limit - len(note)] + note


def _markdown(report: Report, *, rows: int, with_diagrams: bool) -> str:
    lines = [f"### {_safe(report.title)}", "", *(f"{_safe(line)}  " for line in report.summary), ""]
    for section in report.sections:
        if not section.is_empty():
            lines += _markdown_section(section, rows=rows, with_diagrams=with_diagrams)
    return "\n".join(lines).rstrip() + "\n"


def _markdown_section(section: Section, *, rows: int, with_diagrams: bool) -> list[str]:
    shown, left = section.rows[:rows], len(section.rows) - rows
    body = [f"- {_safe(line)}" for line in section.lines[:rows]]
    body += [f"- and {len(section.lines) - rows} more"] if len(section.lines) > rows else []
    body += [""] if body else []
    if shown:
        body += [_row(section.columns), "|" + "---|" * len(section.columns), *(_row(row) for row in shown)]
        body += ["", f"and {left} more"] if left > 0 else []
        body += [""]
    if section.diagram and with_diagrams:
        body += ["```mermaid", section.diagram.rstrip(), "```", ""]
    title = _safe(section.title)
    if section.is_aside or section.diagram or max(len(section.rows), len(section.lines)) > FOLD_ROWS:
        size = f" ({len(section.rows)})" if section.rows else ""
        return [f"<details><summary>{title}{size}</summary>", "", *body, "</details>", ""]
    return [f"#### {title}", "", *body]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_safe(cell).replace("|", "\\|") for cell in cells) + " |"


def _safe(text: str) -> str:
    """Return ``text`` without HTML and on one line; words in backticks stay code."""
    parts = printable(" ".join(text.split())).split("`")
    parts[::2] = [part.replace("&", "&amp;").replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def quoted(text: str) -> str:
    """Return foreign text as code: nobody is mentioned by it, and nothing in it is rendered."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def to_text(report: Report) -> str:
    """Return ``report`` for a terminal, whole."""
    lines = [report.title, *(line.replace("**", "") for line in report.summary)]
    for section in report.sections:
        if not (section.lines or section.rows):
            continue  # A diagram is for where it can be drawn; ``ringfence graph`` prints one.
        lines += ["", f"{section.title}:", *(f"  - {line}" for line in section.lines), *_text_table(section)]
    return "\n".join(printable(line.replace("`", "")) for line in lines)


def _text_table(section: Section) -> list[str]:
    if not section.rows:
        return []
    table = [[cell.replace("`", "") for cell in row] for row in (section.columns, *section.rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(section.columns))]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
