"""The actions that a plan is made of: frozen, imperative, one change each.

Every action says whom it touches, why, which locks it needs and how long it is
expected to take. How it is carried out is in ``execute``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from reconciler.attest.verdict import Accepted, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A switch port and the VLAN it is to be a plain access port of; ``interface`` is the node's end of the cable."""

    interface: str
    switch: str
    port: str
    vlan: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What all actions have: ``subject`` (``n1``, or a key's name), the reason, and their place in the order.

    ``after`` are actions that must have succeeded, ``follows`` ones that must be over, however they ended: withdrawing
    trust does not stop at a switch that is away.
    """

    verb: ClassVar[str]
    estimate_s: ClassVar[float]
    subject: str
    why: str
    after: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the identity of the action within its plan: ``power-off/n1``."""
        return f"{self.verb}/{self.subject}"

    @property
    def locks(self) -> frozenset[str]:
        """Return what no other action may hold meanwhile."""
        return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOff(Action):
    """Cut a node's power, hard."""

    verb: ClassVar[str] = "power-off"
    estimate_s: ClassVar[float] = 2.0

    @property
    def locks(self) -> frozenset[str]:
        """Return the lock of the node's BMC."""
        return frozenset({f"bmc/{self.subject}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move(Action):
    """Move a node's ports; each is read back.

    It holds no lock: a switch has limits of its own, and moves of several nodes go into one transaction.
    """

    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Park(_Move):
    """Put all of a node's ports on the access VLAN that leads nowhere."""

    verb: ClassVar[str] = "park"
    estimate_s: ClassVar[float] = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterAirlock(_Move):
    """Put a node's first port on its own airlock VLAN, and nothing else."""

    verb: ClassVar[str] = "enter-airlock"
    estimate_s: ClassVar[float] = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignImage(Action):
    """Serve an image to a node, in a fresh attempt."""

    verb: ClassVar[str] = "assign-image"
    estimate_s: ClassVar[float] = 0.2
    enclave: str
    image: str
    digest: str
    pcrs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOn(Action):
    """Boot a node from the network."""

    verb: ClassVar[str] = "power-on"
    estimate_s: ClassVar[float] = 2.0

    @property
    def locks(self) -> frozenset[str]:
        """Return the lock of the node's BMC."""
        return frozenset({f"bmc/{self.subject}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attest(Action):
    """Wait for the node's evidence; nothing after it happens in this pass if there is none."""

    verb: ClassVar[str] = "attest"
    estimate_s: ClassVar[float] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgain(Action):
    """Ask the node for evidence under the newest commit."""

    verb: ClassVar[str] = "ask-again"
    estimate_s: ClassVar[float] = 0.05
    session: str
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEvidence(Action):
    """Record an accepted appraisal, and which key versions are about to be handed out.

    ``accepted`` is None while the evidence has not come; then the action cannot be reached in this pass.
    """

    verb: ClassVar[str] = "record-evidence"
    estimate_s: ClassVar[float] = 0.1
    enclave: str
    keys: tuple[str, ...]
    accepted: Accepted | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseKeys(Action):
    """Tell the node that it is trusted, and give it its keys, encrypted to the quote-bound key."""

    verb: ClassVar[str] = "release-keys"
    estimate_s: ClassVar[float] = 0.3
    enclave: str
    keys: tuple[str, ...]
    reattest_s: int
    accepted: Accepted | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit(_Move):
    """Move the node's first port to the enclave's network."""

    verb: ClassVar[str] = "admit"
    estimate_s: ClassVar[float] = 0.05
    enclave: str
    keys: tuple[str, ...]
    accepted: Accepted | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm(Action):
    """Record that the node called from inside the enclave's network."""

    verb: ClassVar[str] = "confirm"
    estimate_s: ClassVar[float] = 1.0
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKey(Action):
    """Make a new version of a key: somebody knows it who should not any more, or it ``is_aged``, and nothing else."""

    verb: ClassVar[str] = "rotate-key"
    estimate_s: ClassVar[float] = 0.05
    past: int
    is_aged: bool = False

    @property
    def locks(self) -> frozenset[str]:
        """Return the lock of the key."""
        return frozenset({f"key/{self.subject}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRejection(Action):
    """Record why a node lost trust, with the evidence if there is any."""

    verb: ClassVar[str] = "record-rejection"
    estimate_s: ClassVar[float] = 0.1
    causes: tuple[str, ...]
    rejected: Rejected | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw(Action):
    """Serve the node no image any more and end its sessions."""

    verb: ClassVar[str] = "withdraw"
    estimate_s: ClassVar[float] = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnToPool(Action):
    """Record that the node is free: powered off, parked, served nothing, its keys rotated."""

    verb: ClassVar[str] = "return-to-pool"
    estimate_s: ClassVar[float] = 0.1


ACTIONS: Mapping[str, type[Action]] = {
    kind.verb: kind
    for kind in (
        PowerOff, Park, EnterAirlock, AssignImage, PowerOn, Attest, AskAgain, RecordEvidence, ReleaseKeys, Admit,
        Confirm, RotateKey, RecordRejection, Withdraw,
        ReturnToPool,
    )
}  # fmt: skip
"""Every kind of action, by verb."""
