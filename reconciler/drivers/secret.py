"""A secret that cannot be printed by accident.

Its ``repr`` and ``str`` are ``***``; whoever needs the bytes says ``reveal()``, which a
reviewer can search for. Not done: wiping memory, which Python does not offer.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


class Secret:
    """Bytes that show as ``***`` and are compared in constant time."""

    __slots__ = ("_payload",)

    def __init__(self, payload: bytes) -> None:
        """Hold ``payload``."""
        self._payload = payload

    def reveal(self) -> bytes:
        """Return the bytes."""
        return self._payload

    def __repr__(self) -> str:
        """Return ``***``."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Compare without telling by its duration where the difference is."""
        return isinstance(other, Secret) and hmac.compare_digest(self._payload, other._payload)

    def __hash__(self) -> int:
        """Hash the type only, so that a hash tells nothing."""
        return hash(Secret)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a secret is not serialised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to log in to a device: a password, or for a switch the private SSH ``key`` in a file."""

    user: str
    password: Secret
    key: Path | None = None
