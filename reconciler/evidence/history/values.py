"""A history: where each node stood from when to when, and what that rested on. Values only.

A *stay* is the time in which a node's standing did not change, by its records. Stays of one node follow each other
without a gap and do not overlap: each lasts from its first instant up to, and without, the first of the next. A stay
without an end was not over by the last record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.evidence.statement import Record
from reconciler.model.record import Event


class Standing(StrEnum):
    """Where a node stands by its records."""

    FREE = "free"
    """In the pool: off, its ports parked; no enclave's."""
    AIRLOCK = "airlock"
    """Alone on a network of its own, to prove itself for an enclave; no member yet."""
    MEMBER = "member"
    """On the network of an enclave."""
    PARKED = "parked"
    """Taken off the network of its enclave or airlock, and not free yet."""
    REJECTED = "rejected"
    """Distrusted; its ports are parked until somebody clears it by a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """Accepted appraisals of one node in one attempt: how many, the first and the last.

    ``longest_gap_s`` is the longest time, in seconds, from the arrival of one's evidence to that of the next.
    """

    number: int = 0
    first: Record | None = None
    last: Record | None = None
    longest_gap_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A version of a key that a node counts as knowing since its release was recorded, by record ``sequence``."""

    name: str
    version: int
    since: datetime
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortsRead:
    """What a node's ports were read back as, by interface (``access 200``)."""

    since: datetime
    ports: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSince:
    """From when on a node's records name the desired state ``commit``."""

    commit: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One node in one standing, from ``since`` up to ``until`` (None: still so at its last record).

    ``number`` counts the node's stays from 1. ``began_by`` and ``ended_by`` are events, ``sequence`` the number of the
    record that it began with, ``last_sequence`` that of the last one in it. ``proofs`` are those of the attempt from
    the one on that was the newest when the stay began: for a member, the one that it was admitted on.
    ``proofs_within`` are those of them in the window that was asked for. ``doubts`` is the first rejected appraisal in
    it; for a rejected or parked node the one that led there, if one did.
    ``keys`` are all versions that the node counts as knowing, those from before included.
    """

    node: str
    number: int
    standing: Standing
    since: datetime
    until: datetime | None
    began_by: Event
    ended_by: Event | None
    sequence: int
    last_sequence: int
    enclave: str | None = None
    attempt: str | None = None
    image: str | None = None
    image_name: str | None = None
    proofs: Proofs = field(default_factory=Proofs)
    proofs_within: Proofs = field(default_factory=Proofs)
    doubts: Record | None = None
    causes: tuple[str, ...] = ()
    keys: tuple[HeldKey, ...] = ()
    ports: tuple[PortsRead, ...] = ()
    commits: tuple[CommitSince, ...] = ()
    enrolled_at: datetime | None = None
    confirmed_at: datetime | None = None

    def keys_at(self, moment: datetime) -> tuple[HeldKey, ...]:
        """Return the versions that the node counted as knowing at ``moment``."""
        return tuple(key for key in self.keys if key.since <= moment)

    def ports_at(self, moment: datetime) -> PortsRead | None:
        """Return what its ports were last read back as, up to ``moment``."""
        return next((read for read in reversed(self.ports) if read.since <= moment), None)

    def commit_at(self, moment: datetime) -> str:
        """Return the desired state that its newest record up to ``moment`` names."""
        return next(one.commit for one in reversed(self.commits) if one.since <= max(moment, self.since))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderCommit:
    """What was recorded under one desired state: how often each event, of which nodes, from when to when.

    ``events`` is by the name of the event; ``accepted`` says how many of the appraisals came to that.
    """

    commit: str
    tree: str
    first: datetime
    last: datetime
    events: Mapping[str, int]
    accepted: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Stays by node, each node's in order, and what was recorded under each commit, by its first record.

    ``first`` and ``last`` are when the earliest and the latest record were made, None without records.
    """

    stays: Mapping[str, tuple[Stay, ...]]
    commits: tuple[UnderCommit, ...]
    records: int
    first: datetime | None = None
    last: datetime | None = None
