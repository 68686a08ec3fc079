"""Read files quickly by their shape: where ``repo.documents`` puts the values of one file, those of its likes go too.

The shape of a file is its text without the scalars that stand as values and without the text of comments. Most files
of a repository share a few shapes, since they differ in names and numbers only. One of each shape is read by
``repo.documents``, with placeholders for the scalars; the scalars of the others are put where the placeholders went.

Rules, so that an exchange of scalars never changes the structure:

1. Taken out are only plain scalars of harmless characters and quoted ones without escapes, both on one line, and only
   where the value ends with the line, a comment, a comma or a bracket.
2. What is left has no characters but those of keys, indentation and brackets: no quotes, tags, anchors, aliases,
   directives, block scalars, tabs or carriage returns. Lines are shorter than what YAML allows a key.
3. Each placeholder comes back as one value, whole and once, and there is no other value but empty ones.
4. Whatever does not obey, or is wrong, is not read here: the answer is None, and ``repo.documents`` has the word.

The answer is JSON: byte for byte ``json.dumps`` of what ``repo.documents`` reads. A property test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from reconciler.repo.documents import Plain, parse_documents, resolve_plain

_MAX_FILE = 1 << 16
_MAX_SHAPES = 1024
_LETTER = "[A-Za-z0-9_./+~=@%-]"
_PLAIN = rf"(?>(?:[A-Za-z0-9_./+~]|-[A-Za-z0-9_.]){_LETTER}*(?::{_LETTER}+)*(?: [A-Za-z0-9]{_LETTER}*)*)"
_BEYOND = "\u00a1-\u1fff\u2010-\u2027\u2030-\ud7ff"
_QUOTED = rf""""[ !#-\[\]-~{_BEYOND}]*"|'[ -&(-~{_BEYOND}]*'"""
_END = r"(?=\n| #|,| ?[\]}])"
_SLOT = re.compile(
    rf"([:\-,] |[\[{{]|[\n ](#))"  # What stands before a value, or before the text of a comment,
    rf"((?(2)[ -~{_BEYOND}]*|(?:{_PLAIN}|{_QUOTED}){_END}))"  # and that text, or that value.
)
_STEP = 4
"""Splitting by ``_SLOT`` gives by turns: what is left, what stands before, ``#`` or None, and what is taken."""

_LEFT = re.compile(r"[A-Za-z0-9_./ \n\[\]{}:,-]*")
_LONG_LINE = re.compile(r"[^\n]{1000}")
_PLACEHOLDER = re.compile(r'"x([0-9]+)x"')


def read_by_shape(content: bytes) -> list[str] | None:
    """Return the documents of ``content`` as JSON, or None if they are not to be read this way."""
    if len(content) > _MAX_FILE:
        return None
    try:
        text = f"\n{content.decode()}\n"
    except UnicodeDecodeError:
        return None
    if _LONG_LINE.search(text):
        return None
    parts: list[str] = _SLOT.split(text)
    taken, comments = parts[3::_STEP], parts[2::_STEP]
    del parts[3::_STEP]
    template = _template_of(tuple(parts))
    if template is None:
        return None
    try:
        filled = template % tuple([_to_json(one) for one, comment in zip(taken, comments, strict=True) if not comment])
    except OverflowError:
        return None
    return filled.split("\n")


def _to_json(value: str) -> str:
    return encode_basestring_ascii(value[1:-1]) if value[0] in "\"'" else _plain_json(value)


@lru_cache(maxsize=1 << 12)
def _plain_json(text: str) -> str:
    return json.dumps(resolve_plain(text))


@lru_cache(maxsize=_MAX_SHAPES)
def _template_of(left: Sequence[str | None]) -> str | None:
    """Return the JSON of each document in a line of its own, with ``%s`` for each value; None if rules 2 or 3 fail.

    ``left`` is a split text without what was taken: what is left, what stands before and ``#`` or None, by turns.
    """
    text, values = "\n", 0
    for part, before, comment in zip(left[::3], [*left[1::3], ""], [*left[2::3], "#"], strict=True):
        if part is None or before is None or not _LEFT.fullmatch(part):
            return None
        text += f"{part}{before}" if comment else f"{part}{before}x{values}x"
        values += 0 if comment else 1
    documents, findings = parse_documents(text.encode(), path="")
    if findings or not documents:
        return None
    if not all(isinstance(document.value, dict) and _has_only_placeholders(document.value) for document in documents):
        return None
    found = "\n".join(json.dumps(document.value) for document in documents)
    if [int(place) for place in _PLACEHOLDER.findall(found)] != list(range(values)):
        return None
    return _PLACEHOLDER.sub("%s", found.replace("%", "%%"))


def _has_only_placeholders(value: Plain) -> bool:
    """Return whether every value is a placeholder or empty, and no key looks like one."""
    match value:
        case dict():
            return all(not _is_placeholder(key) and _has_only_placeholders(inner) for key, inner in value.items())
        case list():
            return all(_has_only_placeholders(inner) for inner in value)
        case str():
            return _is_placeholder(value)
        case _:
            return value is None


def _is_placeholder(text: str) -> bool:
    return _PLACEHOLDER.fullmatch(f'"{text}"') is not None
