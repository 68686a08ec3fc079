"""How an action ended."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.errors.taxonomy import RingfenceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It was carried out, and what it changed was read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """It needs something that a node has yet to do; a later pass goes on from here."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It could not be carried out."""

    error: RingfenceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Something before it was not done, so it was not tried."""

    by: str


Outcome = Done | Waiting | Failed | Blocked
