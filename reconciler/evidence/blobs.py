"""Blobs: bytes by their SHA-256, as records name them (``sha256:…``); what does not have its digest is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from reconciler.errors.taxonomy import TrustError

Blobs = Callable[[str], bytes | None]
"""Gives the bytes with a bare SHA-256, None where there are none."""


def bare(name: object) -> str:
    """Return the hexadecimal digits of ``sha256:…``; TrustError if ``name`` is no such text."""
    if not isinstance(name, str) or not name.startswith("sha256:"):
        raise TrustError("evidence blob", "it is named by no SHA-256", reason="BlobMalformed")
    return name.removeprefix("sha256:")


def read_blob(blobs: Blobs, name: object) -> bytes:
    """Return the bytes that ``name`` (``sha256:…``) names; TrustError if they are missing or altered."""
    data = blobs(bare(name))
    if data is None or hashlib.sha256(data).hexdigest() != bare(name):
        raise TrustError("evidence blob", f"{str(name)[:19]}… is missing or altered", reason="BlobMissing")
    return data
