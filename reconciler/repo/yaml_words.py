"""What to do about a file that is no YAML, told from what is in it; used only once reading has failed."""

from __future__ import annotations

import re

_MARKERS = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})( .*)?\r?$", re.MULTILINE)
_GENERAL = "look here and in the line above: indentation, a quote or bracket left open, a colon in unquoted text"
_BY_PROBLEM = (
    ("'\\t'", "indent with spaces; a tab is not allowed here"),
    ("cannot start any token", "put the value in quotes"),
    ("mapping values are not allowed", "the line is indented too far, or a text with a colon and a blank needs quotes"),
    ("expected ',' or", "close the bracket, or put a comma between the values"),
    ("did not find expected", "close the bracket or quote that was opened above"),
    ("unexpected end of stream", "close the quote that was opened here"),
    ("could not find expected ':'", "write name: value, with a blank after the colon"),
    ("expected <block end>", "give all fields of one mapping the same indentation"),
    ("special characters are not allowed", "delete the control character; a copied text may hide one"),
)


def conflict_line(content: bytes) -> int | None:
    """Return the line of the first marker that git leaves where a merge is not finished, None if there is none."""
    found = _MARKERS.search(content)
    return content.count(b"\n", 0, found.start()) + 1 if found else None


def yaml_hint(problem: str) -> str:
    """Return what to do about what the parser said."""
    return next((hint for part, hint in _BY_PROBLEM if part in problem), _GENERAL)


def encoding_hint(content: bytes) -> str:
    """Return what to do about a file that is not UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[1:2] == b"\0":
        return "it is UTF-16; save the file as UTF-8"
    return "save the file as UTF-8"
