"""What to do about a file that is no YAML, told from what is in it; used only once reading has failed."""

from __future__ import annotations

import re
from typing import NamedTuple

_MARKERS = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})( .*)?\r?$", re.MULTILINE)


class YamlWords(NamedTuple):
    """What is wrong, what to do about it, and whether it is where the parser began rather than where it gave up."""

    message: str
    hint: str
    is_at_start: bool = False


_GENERAL = "look here and in the line above: indentation, a quote or bracket left open, a colon in unquoted text"
_BY_PROBLEM: tuple[tuple[str, YamlWords], ...] = (
    ("'\\t'", YamlWords("a tab stands where only spaces may", "indent with spaces")),
    (
        "cannot start any token",
        YamlWords("a value begins with a character that YAML keeps for itself", "quote the value"),
    ),
    (
        "mapping values are not allowed",
        YamlWords(
            "a colon stands where none may", "quote a text that has a colon, or indent the line like those above"
        ),
    ),
    ("expected ',' or", YamlWords("a bracket is not closed, or a comma is missing", "close the bracket before this")),
    (
        "unexpected end of stream",
        YamlWords("a quote is not closed", "close the quote that is opened here", is_at_start=True),
    ),
    (
        "could not find expected ':'",
        YamlWords(
            "a line is neither name: value nor part of one",
            "write name: value, with a blank after the colon",
            is_at_start=True,
        ),
    ),
    (
        "expected <block end>",
        YamlWords("a line does not go with those above it", "indent all fields of one mapping alike, with spaces"),
    ),
    (
        "special characters are not allowed",
        YamlWords("it holds a control character", "delete it; text that was copied may hide one"),
    ),
)


def conflict_line(content: bytes) -> int | None:
    """Return the line of the first marker that git leaves where a merge is not finished, None if there is none."""
    found = _MARKERS.search(content)
    return content.count(b"\n", 0, found.start()) + 1 if found else None


def yaml_words(problem: str) -> YamlWords:
    """Return what to say about what the parser said."""
    return next((words for part, words in _BY_PROBLEM if part in problem), YamlWords(problem, _GENERAL))


def encoding_hint(content: bytes) -> str:
    """Return what to do about a file that is not UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[1:2] == b"\0":
        return "it is UTF-16; save the file as UTF-8"
    return "save the file as UTF-8"
