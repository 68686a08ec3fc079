"""Observed state: what the hardware, the boot service and the nodes say right now.

Facts are three-valued: UNKNOWN is a value of its own and never means yes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.model.record import Head
from reconciler.model.submission import Evidence
from reconciler.model.trunks import Carried


class PowerState(StrEnum):
    """What a BMC says of its machine."""

    ON = "ON"
    OFF = "OFF"
    UNKNOWN = "UNKNOWN"


class PortMode(StrEnum):
    """How a switch port treats frames; OTHER is anything that is not plain access (a trunk, say)."""

    ACCESS = "ACCESS"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """What a switch says of a port; ``vlan`` is set for ACCESS only.

    ``carried`` is what a port carries that is OTHER, where that can be told. It decides nothing and is not compared.
    """

    mode: PortMode
    vlan: int | None = None
    carried: Carried | None = field(default=None, compare=False)

    @property
    def words(self) -> str:
        """Return it as it is recorded and shown: ``access 200``."""
        return f"access {self.vlan}" if self.mode is PortMode.ACCESS else self.mode.value.lower()

    def is_access(self, vlan: int) -> bool:
        """Return whether the port is known to be an access port of exactly ``vlan``."""
        return self.mode is PortMode.ACCESS and self.vlan == vlan


UNKNOWN_PORT = PortState(mode=PortMode.UNKNOWN)
UNKNOWN_TRUNK = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What the boot service serves to a node, for one attempt to bring it up.

    ``attempt`` is drawn anew by the boot service for every assignment, so evidence of an earlier boot never fits.
    ``image`` is a digest (``sha256:…``); ``pcrs`` are those that challenges ask for.
    """

    node: str
    enclave: str
    image: str
    pcrs: tuple[int, ...]
    attempt: str
    assigned_at: datetime


class AnswerStatus(StrEnum):
    """What a node was told about one piece of its evidence."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The last answer given in a session, and the node's acknowledgement of it.

    ``receipts`` are by key name, None until the node has acknowledged.
    """

    nonce: bytes
    status: AnswerStatus
    answered_at: datetime
    receipts: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A node's call from inside a network, in its session: that is where its cable leads."""

    network: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The newest session of a node: it enrolled at ``started_at`` in ``attempt``.

    ``evidence`` is the newest that came, whether it has been answered or not.
    """

    session: str
    node: str
    attempt: str
    started_at: datetime
    evidence: Evidence | None = None
    answered: Answered | None = None
    presence: Presence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeObservation:
    """Everything that was seen of one node. ``ports`` is by the node's interface name."""

    node: str
    power: PowerState
    ports: Mapping[str, PortState]
    assignment: Assignment | None = None
    session: Session | None = None
    head: Head | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedState:
    """One observation of the whole site.

    ``nodes`` has every node of the inventory, ``spare_ports`` every port of ours (switch, port) that no node uses,
    ``former`` the heads of nodes that have left the inventory. ``key_versions`` are the custodian's current versions by
    key name (no entry: no such key yet, or its custodian did not answer), and ``key_made_at`` says when those were made
    (None: its custodian does not know; no entry: it did not say). ``listening_since`` is when the attestation
    service began to listen without a break, None while it does not: only silence that somebody listened to counts
    against a node. ``bouts`` are the times at which drift was put right, by subject (``node/n1``, ``port/tor:swp9``),
    oldest first; those of the last day. ``trunks`` says in words what each declared trunk (switch, port) carries, or
    that it is ``unknown``.
    """

    observed_at: datetime
    listening_since: datetime | None
    nodes: Mapping[str, NodeObservation]
    spare_ports: Mapping[tuple[str, str], PortState] = field(default_factory=dict)
    former: Mapping[str, Head] = field(default_factory=dict)
    key_versions: Mapping[str, int] = field(default_factory=dict)
    key_made_at: Mapping[str, datetime | None] = field(default_factory=dict)
    bouts: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    trunks: Mapping[tuple[str, str], str] = field(default_factory=dict)
