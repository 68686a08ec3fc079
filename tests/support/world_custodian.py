"""A simulated custodian of keys, with real wrapping (age), behind the custody port."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import pyrage

from reconciler.errors.taxonomy import TrustError
from reconciler.model.binding import receipt
from tests.support.world_line import FaultKind, Line


class SimulatedCustodian:
    """A store of versioned secrets (``ports.custody.Custodian``). ``current`` and ``made`` are the truth."""

    def __init__(self, *, line: Line, seed: str = "custodian") -> None:
        """Start empty."""
        self.current: dict[str, int] = {}
        self.made: dict[str, datetime | None] = {}
        self.on_wrapped: Callable[[str, int, str], None] = lambda _name, _version, _recipient: None
        self._line = line
        self._seed = seed

    def versions(self, names: Collection[str]) -> Mapping[str, int]:
        """Return the current version of each key that exists."""
        if self._line.read("custodian", "versions") is FaultKind.UNKNOWN:
            return {}
        return {name: self.current[name] for name in names if name in self.current}

    def made_at(self, names: Collection[str]) -> Mapping[str, datetime | None]:
        """Return when the current version of each key was made."""
        if self._line.read("custodian", "made_at") is FaultKind.UNKNOWN:
            return {}
        return {name: self.made[name] for name in names if name in self.current}

    def ensure(self, name: str) -> int:
        """Create version 1 if there is none; return the current version."""
        if name in self.current:
            self._line.read("custodian", "ensure")
            return self.current[name]
        with self._line.write("custodian", "ensure", subject=name):
            self._make(name, 1)
        return 1

    def rotate(self, name: str, *, past: int) -> int:
        """Make a new version if the current one is not newer than ``past``."""
        with self._line.write("custodian", "rotate", subject=name, detail=f"past {past}"):
            if self.current.get(name, 0) <= past:
                self._make(name, past + 1)
            return self.current[name]

    def wrap(self, name: str, *, version: int, recipient: str) -> bytes:
        """Return the payload of one version as an age file for ``recipient``."""
        with self._line.write("custodian", "wrap", subject=name, detail=f"v{version} {recipient[:12]}"):
            payload = self._payload(name, version=version)
            self.on_wrapped(name, version, recipient)
            return pyrage.encrypt(payload, [pyrage.x25519.Recipient.from_str(recipient)])

    def receipt(self, name: str, *, version: int, nonce: bytes) -> str:
        """Return the receipt that a holder of this version gives for ``nonce``."""
        self._line.read("custodian", "receipt")
        return receipt(self._payload(name, version=version), nonce=nonce)

    def payload(self, name: str, *, version: int) -> bytes:
        """Return a payload; for the world and its tests only."""
        return self._payload(name, version=version)

    def _make(self, name: str, version: int) -> None:
        self.current[name] = version
        self.made[name] = self._line.clock.now()

    def _payload(self, name: str, *, version: int) -> bytes:
        if not 1 <= version <= self.current.get(name, 0):
            raise TrustError(f"key {name}", f"there is no version {version}", reason="NoSuchKeyVersion")
        return hashlib.sha256(f"{self._seed}/{name}/{version}".encode()).digest()
