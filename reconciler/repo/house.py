"""How documents are written: the house form of values in YAML.

Rules: what is written parses equal by every YAML 1.2 reader, and by most YAML 1.1 ones: text that anything could take
for a number, a truth value, a date or nothing is quoted, and so is everything unusual. Collections of single values
stand on one line, others in a block. Documents begin with the schema line for editors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from reconciler.model.kinds import API_VERSION
from reconciler.repo import layout
from reconciler.repo.documents import Plain

WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*|[0-9]{1,3}(\.[0-9]{1,3}){3}")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_ORDER = ("apiVersion", "kind", "metadata", "spec")


def scalar(value: float | str | None, *, quote: str = "") -> str:
    """Return ``value`` as it is written; ``quote`` is the kind of quote that text had before, and is kept if it can."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value, quote=quote)
    if isinstance(value, float):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    return str(value)


def _text(value: str, *, quote: str) -> str:
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if not quote and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # A JSON string is a double-quoted YAML one, but for a few characters that YAML does not print.
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def inline(value: Plain) -> str:
    """Return ``value`` on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(each) for each in value) + "]"
    return scalar(value)


def fits_inline(value: Plain, *, column: int) -> bool:
    """Return whether ``value`` stands on one line that begins at ``column``: a collection of single values may."""
    if not isinstance(value, dict | list):
        return True
    members = value.values() if isinstance(value, dict) else value
    is_flat = not any(isinstance(each, dict | list) and each for each in members)
    return not value or (is_flat and column + len(inline(value)) <= WIDTH)


def block(value: dict[str, Plain] | list[Plain], *, column: int, is_open: bool = False) -> list[str]:
    """Return the lines of a collection that is not empty, from ``column`` on; its own members get lines of their own.

    With ``is_open`` the members' members do as well.
    """
    pad = " " * column
    lines: list[str] = []
    if isinstance(value, dict):
        for key, each in value.items():
            head = f"{pad}{scalar(key)}:"
            if isinstance(each, dict | list) and each and (is_open or not fits_inline(each, column=len(head) + 1)):
                lines += [head, *block(each, column=column + 2)]
            else:
                lines.append(f"{head} {inline(each)}")
        return lines
    for each in value:
        if isinstance(each, dict | list) and not fits_inline(each, column=column + 2):
            first, *rest = block(each, column=column + 2)
            lines += [f"{pad}- {first.lstrip()}", *rest]
        else:
            lines.append(f"{pad}- {inline(each)}")
    return lines


def document_bytes(document: Mapping[str, Plain]) -> bytes:
    """Return a new file with ``document`` in it: schema line, apiVersion, kind, metadata, spec.

    ``kind`` must be one of ours; ``apiVersion`` may be left out.
    """
    kind = document.get("kind")
    place = layout.KINDS[str(kind)]
    up = "../" * place.shown.count("/")
    whole = {"apiVersion": API_VERSION, **document}
    ordered = {name: whole[name] for name in _ORDER if name in whole}
    ordered |= {name: value for name, value in whole.items() if name not in ordered}
    lines = [f"# yaml-language-server: $schema={up}schemas/{str(kind).lower()}.json"]
    return "\n".join([*lines, *block(ordered, column=0, is_open=True), ""]).encode()
