"""The reconciler on a simulated world: passes, crashes, and what "settled" means.

Rules: one worker unless told otherwise, so that a pass is the same every time; every pass is a fresh process unless
told otherwise; the monitor is asked after each. ``assert_settled`` looks at the world and the monitor's own reading of
the records, never at the reconciler's opinion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import RingfenceError
from reconciler.execute.outcome import Outcome
from reconciler.execute.passes import Draft, Engine
from reconciler.execute.recall import PassMemory
from reconciler.plan.plan import Plan
from reconciler.ports.site import Site
from tests.support.world import World
from tests.support.world_line import Crash
from tests.support.world_switch import access

EVIDENCE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
MAX_ROUNDS = 80
ROUND_S = 20
LONG = 8
_NOTHING: Mapping[int, Callable[[], None]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Pass:
    """How a pass went: ``error`` if there was no plan, ``has_crashed`` if the process died in it."""

    plan: Plan | None = None
    outcomes: Mapping[str, Outcome] | None = None
    error: RingfenceError | None = None
    has_crashed: bool = False
    touched: int = 0


class Runner:
    """A reconciler on ``world``."""

    def __init__(
        self, world: World, *, memory: PassMemory | None = None, site: Site | None = None, workers: int = 1
    ) -> None:
        """Give it the world's ports, or ``site``; with ``memory`` it is a loop that remembers its passes."""
        self.world = world
        self._engine = Engine(
            site=site or world.site,
            sign=EVIDENCE_KEY.sign,
            key_id="evidence",
            now=world.clock.now,
            workers=workers,
            memory=memory,
        )

    def draft(self) -> Draft:
        """Observe, judge and plan in a fresh process; touch nothing."""
        self.world.start_process()
        return self._engine.draft(self.world.desired)

    def run(self, *, crash_at: int | None = None, meanwhile: Mapping[int, Callable[[], None]] = _NOTHING) -> Pass:
        """Make one pass in a fresh process that dies at point ``crash_at``.

        ``meanwhile`` is what happens in the world when the pass comes to a point.
        """
        self.world.start_process(crash_at=crash_at)
        self.world.line.interrupts.update(meanwhile)
        before = len(self.world.line.effects)
        try:
            self.begin()
            draft = self._engine.draft(self.world.desired)
            outcomes = self._engine.carry_out(draft, watch=lambda _action, _outcome: None)
            self.end(draft, outcomes)
        except Crash:
            self.world.monitor.check()
            return Pass(has_crashed=True, touched=len(self.world.line.effects) - before)
        except RingfenceError as error:
            self.world.monitor.check()
            return Pass(error=error, touched=len(self.world.line.effects) - before)
        self.world.monitor.check()
        return Pass(plan=draft.plan, outcomes=outcomes, touched=len(self.world.line.effects) - before)

    def begin(self) -> None:
        """Do what is due before a pass; nothing."""

    def end(self, draft: Draft, outcomes: Mapping[str, Outcome]) -> None:
        """Do what is due after a pass; nothing."""

    def settle(self, *, quiet_rounds: int = 2, rounds: int = MAX_ROUNDS) -> Pass:
        """Make passes, with time between them, until enough in a row find nothing to do; return the last one.

        A machine that has fallen silent is noticed after a while only: ``LONG`` is enough rounds for that.
        """
        quiet = 0
        for _ in range(rounds):
            self.world.tick(ROUND_S)
            for _ in range(3):
                last = self.run()
                if last.plan is not None and last.plan.is_empty():
                    break
            quiet = quiet + 1 if last.plan is not None and last.plan.is_empty() else 0
            if quiet == quiet_rounds:
                return last
        shown = [] if last.plan is None else [f"{action.id}: {action.why}" for action in last.plan.actions]
        outcomes = {} if last.outcomes is None else {k: str(v) for k, v in last.outcomes.items()}
        raise AssertionError(f"not settled after {rounds} rounds: {last.error} {shown} {outcomes}")


def assert_nobody_is_rejected(world: World) -> None:
    """Require that no machine lost trust; for worlds in which every machine is honest and nothing befell one."""
    rejected = [node for node, track in world.monitor.tracks.items() if track.phase == "REJECTED"]
    assert not rejected, f"honest machines are rejected: {rejected}"


def members_of(world: World, enclave: str) -> list[str]:
    """Return the nodes that are on record as members of ``enclave``."""
    tracks = world.monitor.tracks
    return sorted(n for n, t in tracks.items() if t.phase == "ENCLAVE" and t.enclave == enclave)


def assert_settled(world: World) -> None:
    """Require that the world is as its newest trusted commit asks, as far as its machines allow."""
    world.monitor.check()
    for node in world.desired.nodes:
        match world.monitor.track(node).phase:
            case "ENCLAVE":
                _assert_serves(world, node)
            case "FREE" | "REJECTED" as phase:
                _assert_rests(world, node, phase)
            case phase:
                raise AssertionError(f"{node} is still in {phase}")
    for name, enclave in world.desired.enclaves.items():
        members, asked = members_of(world, name), enclave.spec.nodes
        if asked.names == ():
            continue  # An empty selection empties nothing; that who stays serves well was asked above.
        if asked.names is not None:
            able = [node for node in asked.names if world.monitor.track(node).phase != "REJECTED"]
            assert members == sorted(able), f"{name} asks for {able} and has {members}"
        else:
            idle = [
                node
                for node, document in world.desired.nodes.items()
                if world.monitor.track(node).phase == "FREE"
                and asked.select.items() <= document.metadata.labels.items()
            ]
            assert len(members) <= (asked.count or 0), f"{name} asks for {asked.count} and has {members}"
            assert len(members) == asked.count or not idle, f"{name} has {members} of {asked.count}, {idle} are idle"


def _assert_serves(world: World, node: str) -> None:
    track, machine = world.monitor.track(node), world.machines[node]
    assert track.is_parked is False, f"{node} serves, and is on record as parked"
    enclave = world.desired.enclaves.get(track.enclave or "")
    assert enclave is not None, f"{node} serves {track.enclave}, which nobody asks for"
    vlan = world.desired.enclave_vlan(enclave.metadata.name)
    first, *others = world.states_of(node)
    assert first.is_access(vlan), f"{node} serves, but its port is {first}"
    assert others == [access(world.parking_of(node))] * len(others), f"a second port of {node} is {others}"
    assert machine.is_on, f"{node} serves, but is off"
    assert machine.agent is not None, f"{node} serves, but nothing runs on it"
    assert machine.image == world.desired.images[enclave.spec.image].spec.digest, f"{node} runs another image"
    assert not machine.is_altered, f"{node} serves, though it is altered"
    for key in enclave.spec.keys:
        version = world.custodian.current[key]
        held = machine.agent.keys.get((key, version))
        assert held == world.custodian.payload(key, version=version), f"{node} lacks {key} version {version}"


def _assert_rests(world: World, node: str, phase: str) -> None:
    assert not world.machines[node].is_on, f"{node} is {phase}, but on"
    parked = access(world.parking_of(node))
    assert world.states_of(node) == [parked] * len(world.ports_of(node)), f"{node} is {phase}, but not parked"
    assert node not in world.counter.assignments, f"{node} is {phase}, but is served an image"
    assert world.monitor.track(node).is_parked is not False, f"{node} is {phase} and parked, but that is not on record"
    for name, version in world.monitor.track(node).knows.items():
        assert world.custodian.current[name] > version, f"{node} is {phase}, and what it knows of {name} is current"
