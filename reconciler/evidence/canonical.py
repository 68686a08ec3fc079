"""Canonical bytes: JSON by RFC 8785, and digests over it.

Most of what is written here is plain: text in ASCII and small numbers without a point. For that, sorted keys and no
blanks are the RFC's form, and the standard library writes it several times as fast. All else is left to ``rfc8785``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785

from reconciler.model.base import Value


def canonical(value: Any) -> bytes:  # noqa: ANN401  # any JSON value
    """Return the RFC 8785 form of a JSON value, as UTF-8."""
    if _is_plain(value):
        text = _PLAIN.encode(value)
        if "\\u" not in text:  # Nothing but ASCII, and no control character without an escape of its own.
            return text.encode("ascii")
    return rfc8785.dumps(value)


_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)
_LARGEST = (1 << 53) - 1


def _is_plain(value: Any) -> bool:  # noqa: ANN401  # any JSON value
    """Return whether there are only exact texts, truth values, nothings, whole numbers, lists and objects in it."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        items = value.values()
    elif kind is list:
        items = value
    else:
        return kind is str or kind is bool or value is None or (kind is int and -_LARGEST <= value <= _LARGEST)
    for item in items:  # noqa: SIM110 - all() with a generator takes twice the time, for every record
        if type(item) is not str and not _is_plain(item):
            return False
    return True


def canonical_value(value: Value) -> bytes:
    """Return the RFC 8785 form of a model value."""
    return canonical(to_json(value))


def to_json(value: Value) -> Any:  # noqa: ANN401  # any JSON value
    """Return the JSON value of a model value; fields that are not set are left out."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def is_canonical(data: bytes, value: Any) -> bool:  # noqa: ANN401  # any JSON value
    """Return whether ``data`` is the RFC 8785 form of ``value``; a value that has none is not canonical."""
    try:
        return canonical(value) == data
    except (ValueError, RecursionError):
        return False


def digest(data: bytes) -> str:
    """Return ``sha256:`` and the hexadecimal SHA-256 of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
