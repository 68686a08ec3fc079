"""Carrying out one action: gate, act, read back, record.

What must hold before a key or a network is given is in ``gates``; how devices are
moved is in ``hands``. A record that widens trust is written before the step it
allows; one that tells of a step is written after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError
from reconciler.evidence.author import Author
from reconciler.evidence.rules import RulesPacker
from reconciler.execute import gates, hands
from reconciler.execute.outcome import Done, Outcome, Waiting
from reconciler.execute.records import Occasion, Recorder
from reconciler.execute.rounds import Round
from reconciler.keys.grant import grant
from reconciler.model.observed import AnswerStatus, PortState
from reconciler.model.record import Event
from reconciler.plan import actions as a
from reconciler.plan.scene import Scene
from reconciler.ports.attestation import Answer, WrappedKey
from reconciler.ports.site import Site


class Actuator:
    """Carries out the actions of one pass on one site."""

    def __init__(
        self, site: Site, *, author: Author, occasion: Occasion, rules: RulesPacker, plan: Sequence[a.Action]
    ) -> None:
        """Take the outside world, who signs the records, and what this pass is about and plans to do."""
        self._site = site
        self._occasion = occasion
        self._records = Recorder(site.ledger, author=author, occasion=occasion, rules=rules)
        self._round = Round(self._records, plan=plan)

    def actuate(self, action: a.Action) -> Outcome:
        """Carry out ``action`` and say how it ended; raises RingfenceError."""
        match action:
            case a.PowerOff():
                hands.power_off(hands.power_of(self._site, action.subject), action.subject)
            case a.Park():
                self._park(action)
            case a.EnterAirlock():
                self._enter_airlock(action)
            case a.AssignImage():
                self._assign(action)
            case a.PowerOn():
                self._power_on(action)
            case a.Attest():
                return Waiting(what="its evidence")
            case a.AskAgain():
                self._site.desk.answer(Answer(session=action.session, nonce=action.nonce, status=AnswerStatus.AGAIN))
            case a.RecordEvidence():
                self._record_evidence(action)
            case a.ReleaseKeys():
                return self._release(action)
            case a.Admit():
                self._admit(action)
            case a.Confirm():
                return self._confirm(action)
            case _:
                self._withdraw_trust(action)
        return Done()

    def _withdraw_trust(self, action: a.Action) -> None:
        match action:
            case a.RotateKey():
                self._site.custodian.rotate(action.subject, past=action.past)
            case a.RecordRejection():
                self._record_rejection(action)
            case a.Withdraw():
                self._site.boot.withdraw(action.subject)
            case a.ReturnToPool():
                self._return(action)
            case _:
                raise InvariantError(action.id, "nobody knows how to do this", reason="ActionUnknown")

    def _park(self, action: a.Park) -> None:
        """Park, and record what was read back; a port that is parked already is not written to again."""
        node = action.subject
        is_node = node in self._occasion.desired.nodes
        seen: Mapping[str, PortState] = {}
        if is_node and self._scene(node).is_parked():
            with suppress(TransientError, DeviceError):
                seen = hands.read(self._site, action.ports)
        is_there = gates.is_at(seen, action.ports)
        # A port that no node uses is parked too, and then nobody is named on it.
        is_told = node if is_node else ""
        ports = hands.describe_ports(seen) if is_there else hands.park(self._site, action.ports, node=is_told)
        if is_node:
            self._records.write(self._records.news(node, Event.PARKED, ports=dict(ports)))

    def _return(self, action: a.ReturnToPool) -> None:
        node = action.subject
        parked = self._scene(node).parked_ports()
        seen = hands.read(self._site, parked)
        gates.check_parked(node, seen=seen, parked=parked)
        self._records.write(self._records.news(node, Event.RETURNED, ports=hands.describe_ports(seen)))

    def _enter_airlock(self, action: a.EnterAirlock) -> None:
        desired, node = self._occasion.desired, action.subject
        own = {(port.switch, port.port) for port in action.ports}
        # The switches that this node is on are asked again; of the zone's others, what this pass observed must do.
        others = hands.observed_ports(desired, self._occasion.observed, zone=desired.nodes[node].spec.zone)
        for switch in {port.switch for port in action.ports}:
            now = self._site.switches[switch].read_ports(desired.switches[switch].spec.ports)
            others |= {(switch, port): state for port, state in now.items()}
        gates.check_airlock_is_own(
            node,
            power=hands.power_of(self._site, node).status(),
            others={f"{switch}/{port}": state for (switch, port), state in others.items() if (switch, port) not in own},
            vlan=desired.nodes[node].spec.airlock.vlan,
        )
        hands.move(self._site, action.ports, node=node)

    def _assign(self, action: a.AssignImage) -> None:
        node = action.subject
        airlock = self._scene(node).airlock_ports()
        seen = hands.read(self._site, airlock)
        gates.check_is_in_airlock(node, seen=seen, airlock=airlock)
        for key in self._occasion.desired.enclaves[action.enclave].spec.keys:
            self._site.custodian.ensure(key)
        served = self._site.boot.assign(node, enclave=action.enclave, image=action.digest, pcrs=action.pcrs)
        ports = hands.describe_ports(seen)
        details = {"enclave": action.enclave, "attempt": served.attempt, "image": action.digest, "ports": ports}
        self._records.write(self._records.news(node, Event.ASSIGNED, **details))

    def _power_on(self, action: a.PowerOn) -> None:
        node = action.subject
        airlock = self._scene(node).airlock_ports()
        gates.check_may_boot(
            node,
            seen=hands.read(self._site, airlock),
            airlock=airlock,
            served=self._site.boot.assignments().get(node),
            head=self._records.head(node),
        )
        hands.power_on(hands.power_of(self._site, node), node)

    def _record_evidence(self, action: a.RecordEvidence) -> None:
        node = action.subject
        accepted = gates.check_verdict(action.accepted, node=node, enclave=action.enclave)
        if self._round.write(node):
            return
        news = self._records.accepted(accepted)
        if action.keys:
            versions = {key: self._site.custodian.ensure(key) for key in action.keys}
            news.append(self._records.news(node, Event.RELEASED, keys=versions))
        self._records.write(*news)

    def _release(self, action: a.ReleaseKeys) -> Outcome:
        node = action.subject
        accepted = gates.check_verdict(action.accepted, node=node, enclave=action.enclave)
        head = gates.check_this_boot(
            accepted, head=self._records.head(node), served=self._site.boot.assignments().get(node)
        )
        grants = grant(accepted, enclave=action.enclave, keys=action.keys, versions=head.keys)
        keys = tuple(
            WrappedKey(
                name=g.name,
                version=g.version,
                wrapped=self._site.custodian.wrap(g.name, version=g.version, recipient=g.recipient),
            )
            for g in grants
        )
        self._site.desk.answer(
            Answer(
                session=accepted.session,
                nonce=accepted.nonce,
                status=AnswerStatus.ACCEPTED,
                keys=keys,
                reattest_s=action.reattest_s,
            )
        )
        return Waiting(what="its acknowledgement") if keys or head.admitted_at is None else Done()

    def _admit(self, action: a.Admit) -> None:
        node, site = action.subject, self._site
        accepted = gates.check_verdict(action.accepted, node=node, enclave=action.enclave)
        head = gates.check_this_boot(accepted, head=self._records.head(node), served=site.boot.assignments().get(node))
        versions = gates.check_released(node, keys=action.keys, head=head)
        expected = {
            key: site.custodian.receipt(key, version=version, nonce=accepted.nonce) for key, version in versions.items()
        }
        gates.check_receipts(node, session=site.desk.sessions().get(node), expected=expected, nonce=accepted.nonce)
        gates.check_in_airlock(
            node,
            power=hands.power_of(site, node).status(),
            seen=hands.read(site, action.ports),
            airlock=self._scene(node).airlock_ports(),
            target=action.ports,
        )
        started_at = self._occasion.now()
        ports = hands.move(site, action.ports, node=node)
        details = {"enclave": action.enclave, "attempt": accepted.attempt, "ports": dict(ports)}
        self._records.write(self._records.news(node, Event.ADMITTED, **details), at=started_at)

    def _confirm(self, action: a.Confirm) -> Outcome:
        node = action.subject
        session = self._site.desk.sessions().get(node)
        head = self._records.head(node)
        presence = session.presence if session else None
        admitted_at = head.admitted_at if head else None
        if (
            presence is None
            or admitted_at is None
            or presence.network != action.network
            or presence.seen_at < admitted_at
        ):
            return Waiting(what="its call from inside the enclave's network")
        self._records.write(self._records.news(node, Event.CONFIRMED))
        return Done()

    def _record_rejection(self, action: a.RecordRejection) -> None:
        node = action.subject
        news = [] if action.rejected is None else [self._records.rejected(action.rejected)]
        try:
            seen = hands.read(self._site, self._scene(node).parked_ports())
        except (TransientError, DeviceError):
            seen = {}  # The switch is away: the rejection is recorded all the same.
        ports = hands.describe_ports(seen)
        news.append(self._records.news(node, Event.REJECTED, causes=action.causes, ports=ports))
        self._records.write(*news)

    def _scene(self, node: str) -> Scene:
        return Scene(
            name=node,
            wanted=None,
            desired=self._occasion.desired,
            seen=self._occasion.observed.nodes[node],
            verdict=None,
            listening_since=None,
            now=self._occasion.observed.observed_at,
        )
