"""The oracle: it watches every effect in the simulated world and raises at once if a guarantee breaks.

It knows what is true (which machine is at the end of a cable, what it booted, which TPM signed), what the
reconciler was told by its devices in this process, and what is on record. Its rules, by guarantee:

1. An enclave's VLAN, a wrapped key and an answer with keys need a recorded acceptance of the same node, enclave and
   attempt, by honest evidence of the enrolled TPM, made in a boot that began after the assignment and still runs.
2. A port goes to its own airlock, its enclave's or its parking VLAN and nowhere else; what a record says of ports was
   read back before, and nobody is recorded as parked, assigned, admitted or returned whose ports did not read so.
3. No two nodes are on one airlock VLAN.
4. Only the newest trusted commit is published; images and enclaves are those of trusted commits.
5. A commit is on record as followed before anything is done under it (where a journal is kept). Records are chained;
   no answer goes out before the verdict is on record.
7. Keys are rotated before the record that forgets who knew them, power is off before a leaver's ports are parked, and
   a distrusted node is parked before its power is cut.

(6, a crash is boring, is what the properties make of all this.) It uses none of the reconciler's decisions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.model.observed import AnswerStatus, Assignment, PortMode, PortState, PowerState
from reconciler.ports.attestation import Answer
from reconciler.ports.ledger import Entry
from tests.support.monitor_records import Said, Track, read_entry
from tests.support.world_node import Proof

if TYPE_CHECKING:
    from tests.support.world import World


class Monitor:
    """Watches one world. ``violations`` outlive whoever swallows an AssertionError."""

    def __init__(self, world: World) -> None:
        """Watch ``world``; the world calls the ``on_…`` methods."""
        self.world = world
        self.violations: list[str] = []
        self.tracks: dict[str, Track] = {}
        self.proofs: dict[str, Proof] = {}
        self.told_power: dict[str, PowerState] = {}
        self.told_ports: dict[tuple[str, str], PortState] = {}
        self.cut_while_inside: set[str] = set()
        self.followed: list[str] = []
        self.has_journal = False
        self._started_at = 0

    def start_process(self) -> None:
        """Forget what an earlier process of the reconciler was told."""
        self.told_power.clear()
        self.told_ports.clear()
        self.cut_while_inside.clear()
        self._started_at = len(self.world.line.effects)

    def check(self) -> None:
        """Raise if any guarantee was ever broken."""
        assert not self.violations, "\n".join(self.violations)

    def track(self, node: str) -> Track:
        """Return what is known of ``node``."""
        return self.tracks.setdefault(node, Track())

    # What the world reports.

    def on_proof(self, nonce: bytes, proof: Proof) -> None:
        """Note what is true of the evidence for ``nonce``."""
        self.proofs[nonce.hex()] = proof

    def on_power_told(self, node: str, state: PowerState) -> None:
        """Note what a BMC said."""
        self.told_power[node] = state

    def on_power_written(self, node: str, state: PowerState) -> None:
        """Judge a change of power."""
        track = self.track(node)
        if state is PowerState.ON:
            assignment = self.world.counter.assignments.get(node)
            self._require(assignment is not None, f"{node} is powered on without an assignment")
            self._require(
                assignment is None or assignment.attempt == track.attempt, f"{node} is powered on before it is recorded"
            )
            self._require(
                self.told_power.get(node) is PowerState.OFF, f"{node} is powered on though it is not known to be off"
            )
            self._require_told_in(node, {self.world.airlock_of(node), self.world.parking_of(node)}, "powered on")
        elif any(self._is_inside(*port) and not self._was_parking_tried(node, *port) for port in self._ports(node)):
            self.cut_while_inside.add(node)

    def on_port_told(self, switch: str, port: str, state: PortState) -> None:
        """Note what a switch said."""
        self.told_ports[switch, port] = state

    def on_port_written(self, switch: str, port: str, vlan: int) -> None:
        """Judge a change of a port."""
        node = self.world.node_of_port(switch, port)
        if node is None:
            parking = self.world.parking_at(switch)
            self._require(vlan == parking, f"{switch}/{port}, which belongs to no node, is moved to VLAN {vlan}")
        elif vlan == self.world.parking_of(node):
            self._judge_parking(node, switch, port)
        elif vlan == self.world.airlock_of(node):
            self._judge_airlock(node, vlan)
        else:
            self._judge_admission(node, switch, port, vlan)

    def on_assigned(self, assignment: Assignment) -> None:
        """Judge what is to be served to a node."""
        desired = self.world.desired
        enclave = desired.enclaves.get(assignment.enclave)
        self._require(assignment.node in desired.nodes, f"{assignment.node} is served but not in the inventory")
        self._require(enclave is not None, f"{assignment.node} is served for an enclave that nobody asks for")
        if enclave is not None:
            image = desired.images[enclave.spec.image].spec.digest
            self._require(assignment.image == image, f"{assignment.node} is served an image that is not the enclave's")

    def on_published(self, commit: str) -> None:
        """Judge a commit that challenges will be bound to."""
        self._require(commit == self.world.desired.commit, f"{commit} is published, which is not the trusted head")
        self._require_followed(commit, "it is published")

    def on_wrapped(self, name: str, version: int, recipient: str) -> None:
        """Judge a key that is encrypted to somebody."""
        nonces = {nonce for nonce, proof in self.proofs.items() if proof.sent_ephemeral == recipient}
        nodes = [node for node, track in self.tracks.items() if nonces & set(track.accepted)]
        self._require(len(nodes) == 1, f"key {name} is wrapped to a recipient that no record vouches for")
        for node in nodes:
            track = self.track(node)
            for nonce in nonces & set(track.accepted):
                enclave = self.world.desired.enclaves.get(track.accepted[nonce])
                is_due = enclave is not None and name in enclave.spec.keys
                self._require(is_due, f"key {name} is wrapped for {node}, whose enclave does not have it")
                self._require_true(node, nonce, f"key {name} is wrapped")
            # An answer that was lost is repeated as recorded, even if the key was rotated meanwhile: the newer version
            # follows with the next attestation.
            is_recorded = self.track(node).released.get(name) == version
            self._require(is_recorded, f"version {version} of {name} is wrapped for {node}, which is not on record")

    def on_answered(self, answer: Answer, node: str) -> None:
        """Judge what a node is told."""
        track, nonce = self.track(node), answer.nonce.hex()
        if answer.status is AnswerStatus.REJECTED:
            self._require(nonce in track.rejected, f"{node} is told that it is rejected before that is on record")
        if answer.status is not AnswerStatus.ACCEPTED:
            self._require(not answer.keys, f"{node} is given keys with the answer {answer.status}")
            return
        self._require(nonce in track.accepted, f"{node} is told that it is accepted before that is on record")
        self._require(nonce not in track.rejected, f"{node} is told that it is accepted, but it was rejected")
        self._require_true(node, nonce, "it is told that it is accepted")
        for key in answer.keys:
            is_recorded = track.released.get(key.name, 0) >= key.version
            self._require(is_recorded, f"{node} is given {key.name} version {key.version} before that is on record")
            track.knows[key.name] = max(key.version, track.knows.get(key.name, 0))

    def on_appended(self, entries: Sequence[Entry]) -> None:
        """Judge records before they are durable."""
        for entry in entries:
            self._judge_journal(entry)
            self._judge_round(entry)
        entries = [entry for entry in entries if entry.heads]
        pairs = [pair for entry in entries for pair in zip(read_entry(entry), entry.heads, strict=True)]
        for said, made in pairs:
            self._judge_departure(said)
            track = self.track(said.node)
            wrong = track.follow(said)
            self._require(wrong is None, wrong or "")
            head = (made.node, made.sequence, made.digest)
            self._require(head == (said.node, said.sequence, said.digest), f"a head of {said.node} is not its record's")
            self._require(said.commit in self.world.trusted, f"{said.node} has a record under untrusted {said.commit}")
            self._require_followed(said.commit, f"{said.node} has a record")
            self._judge_record(said)

    # How it is judged.

    def _judge_journal(self, entry: Entry) -> None:
        """Take note of the commits that the journal says came into force; they must be trusted, and one at a time."""
        if not entry.path.startswith("journal/"):
            return
        told = json.loads(base64.b64decode(json.loads(entry.envelope)["payload"]))["predicate"]
        for event in told["events"]:
            if event["event"] != "followed":
                continue
            before = self.followed[-1] if self.followed else None
            self._require(event.get("before") == before, f"{event['commit']} is followed after another than {before}")
            self._require(event["commit"] == self.world.desired.commit, f"{event['commit']} is followed, not the head")
            self.followed.append(event["commit"])
        in_force = self.followed[-1] if self.followed else None
        self._require(told["commit"] == in_force, f"the journal goes on under {told['commit']}, not {in_force}")

    def _judge_round(self, entry: Entry) -> None:
        """Require that a round holds members only, each once, accepted in the attempt and enclave on record."""
        if not entry.path.startswith("rounds/"):
            return
        said = read_entry(entry)
        self._require(len({one.node for one in said}) == len(said), f"{entry.path} holds a node twice")
        for one in said:
            track = self.track(one.node)
            own = ("ENCLAVE", track.enclave, track.attempt, "accepted")
            told = (track.phase, one.enclave, one.attempt, one.verdict)
            self._require(told == own, f"{one.node} is in a round with {told}, and on record with {own}")
            self._require(not track.is_distrusted and not track.is_parked, f"{one.node} is in a round, and lost trust")
            self._require(one.nonce not in track.accepted, f"{one.node} is in a round with a proof that is on record")

    def _require_followed(self, commit: str, act: str) -> None:
        """Require, where a journal is kept, that ``commit`` was on record as in force before anything is done."""
        in_force = self.followed[-1] if self.followed else None
        self._require(not self.has_journal or commit == in_force, f"{act} under {commit}; followed is {in_force}")

    def _judge_ports(self, said: Said) -> None:
        """Require that the ports in a record are those that the switches told of last."""
        if said.node not in self.world.desired.nodes:
            return
        is_due = said.event in ("parked", "assigned", "admitted", "returned")
        self._require(bool(said.ports) or not is_due, f"{said.node} is recorded as {said.event} without its ports")
        for cable in self.world.desired.nodes[said.node].spec.interfaces if said.ports else ():
            told = self.told_ports.get((cable.switch, cable.port))
            word = f"access {told.vlan}" if told and told.mode is PortMode.ACCESS else told and told.mode.value.lower()
            said_so = said.ports.get(cable.name)
            self._require(said_so == word, f"{said.node} has {cable.name} recorded as {said_so}, which read {word}")

    def _judge_record(self, said: Said) -> None:
        self._judge_ports(said)
        parking = self.world.parking_of(said.node) if said.node in self.world.desired.nodes else 0
        match said.event:
            case "parked":
                self._require_told_in(said.node, {parking}, "recorded as parked")
            case "assigned":
                allowed = {self.world.airlock_of(said.node), parking}
                self._require_told_in(said.node, allowed, "recorded as assigned")
            case "appraised" if said.verdict == "accepted":
                self._require_true(said.node, said.nonce or "", "its evidence is accepted", is_boot_current=False)
            case "admitted":
                track = self.track(said.node)
                vlan = self.world.vlan_of_enclave(track.enclave or "")
                self._require(vlan is not None, f"{said.node} is recorded as admitted to {track.enclave}")
                self._require_told_in(said.node, {vlan or 0, self.world.parking_of(said.node)}, "recorded as admitted")
            case "confirmed":
                presences = [s.presence for s in self.world.counter.sessions.values() if s.node == said.node]
                self._require(any(presences), f"{said.node} is recorded as confirmed, but it never called")
            case _:
                pass

    def _judge_departure(self, said: Said) -> None:
        """Judge REJECTED and RETURNED against what was so before."""
        if said.event not in ("rejected", "returned") or said.node not in self.world.desired.nodes:
            return
        node, track = said.node, self.track(said.node)
        if said.event == "rejected":
            # A switch that is away does not keep a node from being rejected, but its parking must have been tried.
            for port in self._ports(node):
                is_parked = self._is_told_in(port, {self.world.parking_of(node)})
                tried = is_parked or self._was_parking_tried(node, *port)
                self._require(tried, f"{node} is recorded as rejected, but {port} was not parked")
            self._require(node not in self.cut_while_inside, f"distrusted {node} lost its power before its network")
            return
        self._require_told_in(node, {self.world.parking_of(node)}, "recorded as returned")
        self._require(self.told_power.get(node) is PowerState.OFF, f"{node} is free, but it is not known to be off")
        self._require(not track.was_parked_while_on, f"{node} left, but was parked before its power was off")
        known = {name: max(version, track.released.get(name, 0)) for name, version in track.knows.items()}
        for name, version in (track.released | known).items():
            current = self.world.custodian.current.get(name, 0)
            self._require(current > version, f"{node} is free, but {name} version {version} that it knows is current")

    def _judge_parking(self, node: str, switch: str, port: str) -> None:
        if self._is_inside(switch, port) and self.told_power.get(node) is not PowerState.OFF:
            self.track(node).was_parked_while_on = True

    def _judge_airlock(self, node: str, vlan: int) -> None:
        """Require that nobody else can be on ``vlan``: no access port, and no trunk, which carries every VLAN.

        A declared trunk is an uplink; what it carries is somebody else's business.
        """
        uplinks = {(n, t.port) for n, s in self.world.desired.switches.items() for t in s.spec.trunks}
        others = [
            f"{switch.name}/{port}"
            for switch in self.world.switches.values()
            for port, state in switch.truth.items()
            if state.is_access(vlan) or state.mode is PortMode.OTHER
            if self.world.node_of_port(switch.name, port) != node and not self._was_hidden(switch.name, port, vlan)
            if (switch.name, port) not in uplinks
        ]
        self._require(not others, f"{node} enters airlock {vlan}, where {others} are already")

    def _was_hidden(self, switch: str, port: str, vlan: int) -> bool:
        """Return whether the switch said in this process that the port is known to be elsewhere."""
        told = self.told_ports.get((switch, port))
        return told is not None and told.mode is PortMode.ACCESS and told.vlan != vlan

    def _judge_admission(self, node: str, switch: str, port: str, vlan: int) -> None:
        track = self.track(node)
        act = f"{switch}/{port} of {node} is moved to VLAN {vlan}"
        enclave = track.enclave or ""
        is_its_own = self.world.vlan_of_enclave(enclave) == vlan
        self._require(is_its_own, f"{act}, which is not that of {enclave or 'any enclave of its'}")
        assignment = self.world.counter.assignments.get(node)
        self._require(
            assignment is not None and assignment.attempt == track.attempt, f"{act} in another attempt than recorded"
        )
        self._require(track.phase in ("AIRLOCK", "ENCLAVE"), f"{act} in phase {track.phase}")
        self._require(not track.is_distrusted, f"{act} after a rejection")
        self._require(self.told_power.get(node) is PowerState.ON, f"{act} though it is not known to be on")
        acknowledged = self._acknowledged(node)
        self._require(bool(acknowledged), f"{act} before it acknowledged an acceptance")
        for nonce in acknowledged:
            self._require_true(node, nonce, act)
        machine = self.world.machine_at(switch, port)
        plugged = machine.name if machine else "nothing"
        self._require(plugged == node, f"{act}, but {plugged} is plugged in")
        wanted = self.world.desired.enclaves[enclave].spec.keys if enclave in self.world.desired.enclaves else ()
        agent = machine.agent if machine else None
        if agent is not None:  # An agent that was killed a moment ago cannot be told from one that was not.
            missing = sorted(set(wanted) - {name for name, _ in agent.keys})
            self._require(not missing, f"{act} without the keys {missing}")

    def _acknowledged(self, node: str) -> list[str]:
        """Return the nonces of the node's acknowledged, recorded acceptances in this attempt."""
        track = self.track(node)
        return [
            session.answered.nonce.hex()
            for session in self.world.counter.sessions.values()
            if session.node == node
            and session.attempt == track.attempt
            and session.answered is not None
            and session.answered.receipts is not None
            and track.accepted.get(session.answered.nonce.hex()) == track.enclave
        ]

    def _require_true(self, node: str, nonce: str, act: str, *, is_boot_current: bool = True) -> None:
        """Require that the evidence of ``nonce`` was honest, of this node's machine, and of the running boot."""
        proof = self.proofs.get(nonce)
        if proof is None:
            self._fail(f"{node}: {act}, but no machine made the evidence of {nonce[:8]}")
            return
        machine = self.world.machines[proof.machine]
        self._require(proof.machine == node, f"{node}: {act}, but {proof.machine} made the evidence")
        self._require(proof.is_honest, f"{node}: {act}, but its evidence was a lie or its image was altered")
        enrolled = self.world.endorsement_of(node)
        self._require(machine.tpm.endorsement == enrolled, f"{node}: {act}, but its TPM is not the enrolled one")
        assignment = self.world.counter.assignments.get(node)
        if assignment is not None:
            self._require(proof.image == assignment.image, f"{node}: {act}, but it booted another image")
            fresh = proof.booted_at >= assignment.assigned_at
            self._require(fresh, f"{node}: {act}, but its boot is older than the attempt")
        if is_boot_current:
            # A machine that reset itself and has not spoken since cannot be told from one that did not.
            lost = machine.boots != proof.boot and machine.last_contact_boot > proof.boot
            self._require(not lost, f"{node}: {act}, but the boot that was proven is over")

    def _require_told_in(self, node: str, vlans: set[int], act: str) -> None:
        for port in self._ports(node):
            told = self.told_ports.get(port)
            self._require(self._is_told_in(port, vlans), f"{node} is {act}, but {port} was read back as {told}")

    def _is_told_in(self, port: tuple[str, str], vlans: set[int]) -> bool:
        told = self.told_ports.get(port)
        return told is not None and told.mode is PortMode.ACCESS and told.vlan in vlans

    def _is_inside(self, switch: str, port: str) -> bool:
        state = self.world.switches[switch].truth[port]
        return state.mode is PortMode.ACCESS and state.vlan in self.world.enclave_vlans()

    def _was_parking_tried(self, node: str, switch: str, port: str) -> bool:
        wanted = (f"switch/{switch}", port, str(self.world.parking_of(node)))
        since = self.world.line.effects[self._started_at :]
        return any((effect.device, effect.subject, effect.detail) == wanted for effect in since)

    def _ports(self, node: str) -> list[tuple[str, str]]:
        return self.world.ports_of(node) if node in self.world.desired.nodes else []

    def _require(self, holds: bool, message: str) -> None:  # noqa: FBT001 - it reads as a sentence
        if not holds:
            self._fail(message)

    def _fail(self, message: str) -> None:
        recent = "\n  ".join(str(effect) for effect in self.world.line.effects[-12:])
        self.violations.append(f"{message}\nlast effects:\n  {recent}")
        raise AssertionError(self.violations[-1])
