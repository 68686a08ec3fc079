"""The custody port: who keeps the keys that git only declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol


class Custodian(Protocol):
    """A store of versioned secrets. Payloads leave it only wrapped to a recipient.

    TransientError: it is away. TrustError: it refuses.
    """

    def versions(self, names: Collection[str]) -> Mapping[str, int]:
        """Return the current version of each key that exists; a key that does not exist yet has no entry."""
        ...

    def made_at(self, names: Collection[str]) -> Mapping[str, datetime | None]:
        """Return when the current version of each key was made, in UTC; None if that is not known.

        A version that ``ensure`` or ``rotate`` makes has a known time. A key that does not exist yet has no entry.
        """
        ...

    def ensure(self, name: str) -> int:
        """Create version 1 of ``name`` if there is none, and return the current version."""
        ...

    def rotate(self, name: str, *, past: int) -> int:
        """Make a new version if the current one is not newer than ``past``; return the current version. Idempotent."""
        ...

    def wrap(self, name: str, *, version: int, recipient: str) -> bytes:
        """Return the payload of one version as an age file that only ``recipient`` opens."""
        ...

    def receipt(self, name: str, *, version: int, nonce: bytes) -> str:
        """Return the receipt that a holder of this version gives for ``nonce`` (``model.binding.receipt``)."""
        ...
