"""One node's scene: what is wanted of it, what is seen of it, and the questions asked of both.

Every predicate is about known facts: UNKNOWN is neither at rest nor in any network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.attest.verdict import Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.drift import Fights
from reconciler.model.kinds import Enclave, Node
from reconciler.model.observed import Assignment, NodeObservation, PortMode, PowerState
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.actions import Port
from reconciler.plan.expect import assigned_image
from reconciler.plan.fights import is_fight

SILENT_ROUNDS = 3
"""A member that misses so many re-attestations in a row is silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that decides what becomes of ``name``; ``wanted`` is the enclave it is to serve.

    A node that ``is_held`` may go on with the image that it was assigned, whatever its enclave boots today; one that
    ``is_frozen`` is given no key that it does not have yet (but a newer version of one that it has).
    ``bouts`` are the times at which drift of it was put right, oldest first.
    """

    name: str
    wanted: str | None
    desired: DesiredState
    seen: NodeObservation
    verdict: Verdict | None
    listening_since: datetime | None
    now: datetime
    is_held: bool = False
    is_frozen: bool = False
    bouts: tuple[datetime, ...] = ()

    @property
    def node(self) -> Node:
        """Return the node's document."""
        return self.desired.nodes[self.name]

    @property
    def enclave(self) -> Enclave:
        """Return the document of the enclave it is to serve; only for a wanted node."""
        return self.desired.enclaves[self.wanted or ""]

    @property
    def head(self) -> Head | None:
        """Return what the record says of it."""
        return self.seen.head

    @property
    def phase(self) -> Phase:
        """Return the phase that the record says it is in."""
        return self.head.phase if self.head else Phase.FREE

    @property
    def fights(self) -> Fights:
        """Return when drift is put right no more."""
        return self.desired.repository.spec.fights

    def drift_policy(self) -> str:
        """Return what is declared about drift of the node where it stands: ``heal``, ``report`` or ``quarantine``.

        A node that was rejected is put to rest, whatever is declared.
        """
        if self.phase is Phase.FREE:
            return self.node.spec.drift
        enclave = self.desired.enclaves.get(self.head.enclave or "") if self.head else None
        return enclave.spec.drift if enclave and self.phase is not Phase.REJECTED else "heal"

    def is_fought(self) -> bool:
        """Return whether drift of the node was put right so often of late that somebody else must be at work on it."""
        return is_fight(self.bouts, fights=self.fights, now=self.now)

    def ports_for(self, vlan: int) -> tuple[Port, ...]:
        """Return the node's ports with the first one on ``vlan`` and every other one parked."""
        parking = self.desired.parking_vlan(self.name)
        return tuple(
            Port(interface=i.name, switch=i.switch, port=i.port, vlan=vlan if first else parking)
            for first, i in ((index == 0, i) for index, i in enumerate(self.node.spec.interfaces))
        )

    def parked_ports(self) -> tuple[Port, ...]:
        """Return the node's ports, all of them parked."""
        return self.ports_for(self.desired.parking_vlan(self.name))

    def airlock_ports(self) -> tuple[Port, ...]:
        """Return the node's ports with the first one in its airlock."""
        return self.ports_for(self.node.spec.airlock.vlan)

    def enclave_ports(self) -> tuple[Port, ...]:
        """Return the node's ports with the first one in the wanted enclave's network."""
        return self.ports_for(self.desired.enclave_vlan(self.wanted or ""))

    def is_parked(self) -> bool:
        """Return whether every port is known to be parked."""
        return self._is_on(self.desired.parking_vlan(self.name))

    def is_in_enclave(self) -> bool:
        """Return whether every port is known to be where a member of the wanted enclave has it."""
        return self._is_on(self.desired.enclave_vlan(self.wanted or ""))

    def is_in_airlock(self) -> bool:
        """Return whether the first port is known to be in the node's airlock, and every other one to be parked."""
        return self._is_on(self.node.spec.airlock.vlan)

    def _is_on(self, vlan: int) -> bool:
        """Return whether every port is known to be where ``ports_for`` says."""
        seen, expected = self.seen.ports, vlan
        for interface in self.node.spec.interfaces:
            if interface.name not in seen or not seen[interface.name].is_access(expected):
                return False
            expected = self.desired.parking_vlan(self.name)
        return True

    def is_off(self) -> bool:
        """Return whether the node is known to be powered off."""
        return self.seen.power is PowerState.OFF

    def is_at_rest(self) -> bool:
        """Return whether the node is known to be off, parked and served nothing."""
        return self.is_off() and self.is_parked() and self.seen.assignment is None

    def lacks_parking_record(self) -> bool:
        """Return whether the record has the node's ports somewhere else than parked; a node without one lacks none."""
        return self.head is not None and self.head.is_parked is False

    def is_settled(self) -> bool:
        """Return whether the node is known to be at rest, and the record does not say otherwise of its ports."""
        return self.is_at_rest() and not self.lacks_parking_record()

    def has_unknown_port(self) -> bool:
        """Return whether the state of some port is not known."""
        seen = self.seen.ports
        names = [interface.name for interface in self.node.spec.interfaces]
        return any(name not in seen or seen[name].mode is PortMode.UNKNOWN for name in names)

    def standing_assignment(self) -> Assignment | None:
        """Return the assignment if it is the recorded attempt for the wanted enclave and today's image.

        For a held member another image will do, if it is known what that measures. Other PCRs never do: what they would
        say of the node is not known.
        """
        served, head = self.seen.assignment, self.head
        if served is None or head is None or self.wanted is None:
            return None
        pcrs = self.desired.policies[self.enclave.spec.policy].spec.pcrs
        fits = (served.enclave, served.pcrs) == (self.wanted, pcrs) and self._has_fitting_image(served)
        recorded = (head.attempt, head.enclave) == (served.attempt, self.wanted)
        return served if fits and recorded else None

    def _has_fitting_image(self, served: Assignment) -> bool:
        if served.image == self.desired.images[self.enclave.spec.image].spec.digest:
            return True
        return self.is_held and assigned_image(self.desired, self.seen) is not None

    def is_recorded(self) -> bool:
        """Return whether the verdict at hand is the one that the record holds as accepted."""
        head = self.head
        return head is not None and self.verdict is not None and head.nonce == self.verdict.nonce.hex()

    def is_our_turn(self) -> bool:
        """Return whether the node has sent evidence and waits for our answer: until then it cannot be late.

        Evidence for a challenge that was drawn before our last answer does not count: a node could hoard those.
        """
        session = self.seen.session
        if session is None or session.evidence is None:
            return False
        evidence, answered = session.evidence, session.answered
        if answered is None:
            return True
        return answered.nonce != evidence.nonce and evidence.challenged_at >= answered.answered_at

    def answered_at(self) -> datetime | None:
        """Return when the node was told something about the newest evidence it sent; None if it was not."""
        session = self.seen.session
        if session is None or session.evidence is None or session.answered is None:
            return None
        return session.answered.answered_at if session.answered.nonce == session.evidence.nonce else None

    def silence_since(self) -> datetime | None:
        """Return since when a member is silent past its deadline; None if it is not, or if nobody listened."""
        head = self.head
        if head is None or head.phase is not Phase.ENCLAVE or head.accepted_at is None or self.listening_since is None:
            return None
        after = self.silent_after()
        return head.accepted_at if not self.is_our_turn() and after is not None and self.now > after else None

    def silent_after(self) -> datetime | None:
        """Return the moment after which a member's silence counts against it; None while nobody listens."""
        head = self.head
        if head is None or head.accepted_at is None or self.listening_since is None:
            return None
        heard = max(head.accepted_at, self.listening_since, self.answered_at() or head.accepted_at)
        return heard + SILENT_ROUNDS * self._reattest(head)

    def outdated_keys(self, versions: Mapping[str, int]) -> tuple[str, ...]:
        """Return the enclave's keys of which the node does not know the current version, in the enclave's order."""
        known = self.head.keys if self.head else {}
        return tuple(k for k in self.keys if k not in known or versions.get(k, known[k]) > known[k])

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the enclave's keys that the node may be given, in the enclave's order."""
        return tuple(k for k in self.enclave.spec.keys if k not in self.withheld_keys())

    def withheld_keys(self) -> tuple[str, ...]:
        """Return the enclave's keys that a freeze keeps from the node."""
        known = self.head.keys if self.head else {}
        return tuple(k for k in self.enclave.spec.keys if k not in known) if self.is_frozen else ()

    def _reattest(self, head: Head) -> timedelta:
        enclave = self.desired.enclaves.get(head.enclave or "")
        return enclave.spec.reattest if enclave else timedelta(0)
