"""HTML from values: everything that is not markup of ours is text, and text is made harmless.

Rules: only ``Html`` is markup, and only functions here build it; a ``str`` is escaped wherever it stands, and what is
not printable in it (control characters, marks that reorder) is shown as a code point. Names of elements and attributes
are ours and are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from reconciler.cli.printable import printable

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,31}")
_VOID = frozenset({"meta", "br", "path", "rect", "line", "circle"})
_SHORT = 12
_SAFE = re.compile(r"[^a-z0-9-]")


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is safe as it is."""

    text: str


Content = str | Html | None
"""What may stand in an element; None is nothing."""

NOTHING = Html("")


def tag(name: str, *content: Content, **attributes: str | None) -> Html:
    """Return the element ``name``; an attribute's trailing underscore is dropped, other underscores become dashes."""
    given = "".join(
        f' {_name(key.rstrip("_").replace("_", "-"))}="{_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{_name(name)}{given}>" if name in {"meta", "br"} else f"<{_name(name)}{given}/>")
    return Html(f"<{_name(name)}{given}>{together(content).text}</{name}>")


def together(content: Iterable[Content], *, between: str = "") -> Html:
    """Return all of ``content``, one after the other; what is empty is left out where something stands between."""
    parts = [one.text if isinstance(one, Html) else _text(one) for one in content if one is not None]
    return Html(_text(between).join(part for part in parts if part or not between))


def lines(text: str) -> Html:
    """Return ``text`` with its line ends kept, for ``pre``."""
    return Html("\n".join(_text(line) for line in text.split("\n")))


def table(caption: Content, columns: Sequence[str], rows: Iterable[Sequence[Content]], *, css: str = "") -> Html:
    """Return a table with its caption and column heads; the first cell of a row is its head.

    Columns in which nothing stands are left out; without rows there is no table.
    """
    filled = [[cell if isinstance(cell, Html) else Html(_text(cell or "")) for cell in row] for row in rows]
    used = [i for i in range(len(columns)) if i == 0 or any(row[i].text for row in filled)]
    if not filled:
        return NOTHING
    heads = [tag("th", columns[i], scope="col") for i in used]
    body = [
        tag("tr", *(tag("th", row[i], scope="row") if i == 0 else tag("td", row[i]) for i in used)) for row in filled
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *body),
        class_=css or None,
    )


def facts(pairs: Iterable[tuple[str, Content]], *, css: str = "facts") -> Html:
    """Return a list of terms and what is so about each; those about which nothing is known are left out."""
    rows = [(term, value if isinstance(value, Html) else Html(_text(value or ""))) for term, value in pairs]
    return tag("dl", *(tag("div", tag("dt", term), tag("dd", value)) for term, value in rows if value.text), class_=css)


def listing(items: Iterable[Content]) -> Html:
    """Return a list, nothing if there is nothing to list."""
    found = [tag("li", item) for item in items]
    return tag("ul", *found) if found else NOTHING


def code(text: str | None) -> Html:
    """Return a digest, an id or a name as code; nothing for None."""
    return tag("code", text) if text else NOTHING


def short_code(text: str | None) -> Html:
    """Return the first twelve digits of a digest or an id, unbroken; what it is in full stands elsewhere."""
    digits = (text or "").removeprefix("sha256:")[:_SHORT]
    return tag("code", digits, class_="short") if digits else NOTHING


def anchor(kind: str, name: object) -> str:
    """Return the id of the place of ``name``: the same name has the same, other names have others."""
    return f"{kind}-" + _SAFE.sub(lambda found: f"_{ord(found[0]):x}_", str(name))


def link(target: str, *content: Content) -> Html:
    """Return a link to the place ``target`` (of ``anchor``) on this page."""
    return tag("a", *content, href=f"#{target}")


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of ours")
    return name
