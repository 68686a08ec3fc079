"""Keys that arrive wrapped: opened with the ephemeral key, kept in memory-backed files.

Rules: the ephemeral age key pair is made here and exists only in this process;
payloads are written 0600 below a 0700 directory (a tmpfs in the image) and are
never printed. It does not decide whether the node may have a key.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyrage

from reconciler.errors.taxonomy import TrustError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class KeyRing:
    """One boot's ephemeral key and the keys that came to it."""

    def __init__(self, directory: Path) -> None:
        """Make the ephemeral key pair and the directory for what will come."""
        self._identity = pyrage.x25519.Identity.generate()
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

    @property
    def recipient(self) -> str:
        """The public half, ``age1…``."""
        return str(self._identity.to_public())

    def take(self, name: str, *, wrapped: bytes) -> bytes:
        """Open a wrapped key, keep it under its name and return it; an older version is replaced."""
        if not _NAME.fullmatch(name):
            raise TrustError("key", "has a name that no key can have", reason="KeyNameMalformed")
        try:
            payload = bytes(pyrage.decrypt(wrapped, [self._identity]))
        except pyrage.DecryptError as error:
            raise TrustError(f"key {name}", "is not for this boot", reason="KeyNotForUs") from error
        temporary = self._directory / f".{name}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(payload)
        temporary.replace(self._directory / name)
        return payload
