"""Rotation by time: an old key is replaced once, its members end with the new version, and nobody notices else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import DesiredState
from reconciler.plan.plan import Held
from tests.properties.test_evidence import _audit
from tests.properties.test_guards import FAIR, frozen
from tests.support.runner import LONG, ROUND_S, Runner, assert_nobody_is_rejected, assert_settled, members_of
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_line import FOREVER, Fault, FaultKind
from tests.support.worlds import History, histories

MONTH = timedelta(days=30)
AGES = st.sampled_from((None, MONTH, MONTH + timedelta(days=1), 12 * MONTH))
"""How old every key is found to be; None if nobody knows."""


def rotating(desired: DesiredState) -> DesiredState:
    """Return ``desired`` with a rotation of 30 days for every key."""
    keys = {
        name: key.model_copy(update={"spec": key.spec.model_copy(update={"rotation": MONTH})})
        for name, key in desired.keys.items()
    }
    return replace(desired, keys=keys)


def settled(desired: DesiredState) -> tuple[World, Runner]:
    world = World(rotating(desired))
    runner = Runner(world)
    runner.settle()
    return world, runner


def grow_old(world: World, age: timedelta | None) -> dict[str, int]:
    """Make every key ``age`` old; return the versions that this is about."""
    made = None if age is None else world.clock.now() - age
    world.custodian.made.update(dict.fromkeys(world.custodian.made, made))
    return {name: version for name, version in world.custodian.current.items() if name in world.desired.keys}


class Calm:
    """What must not change in a world while its keys are rotated."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = self._now()
        self._effects = len(world.line.effects)

    def _now(self) -> list[object]:
        world = self._world
        return [
            {name: (machine.boots, machine.is_on) for name, machine in world.machines.items()},
            {name: dict(switch.truth) for name, switch in world.switches.items()},
            {name: members_of(world, name) for name in world.desired.enclaves},
        ]

    def check(self) -> None:
        """Require that nobody was disturbed."""
        assert self._now() == self._before
        devices = {effect.device for effect in self._world.line.effects[self._effects :]}
        assert devices <= {"custodian", "desk", "ledger"}, f"{devices} were touched"
        assert_nobody_is_rejected(self._world)
        assert _audit(self._world).flaws == []


@given(history=histories(max_nodes=3, max_commits=1), age=AGES, crash_at=st.none() | st.integers(1, 12))
def test_an_old_key_is_rotated_once_and_members_end_with_the_new_version(
    history: History, age: timedelta | None, crash_at: int | None
) -> None:
    world, runner = settled(history.commits[0])
    before, calm = grow_old(world, age), Calm(world)
    runner.run(crash_at=crash_at)
    runner.settle(quiet_rounds=LONG)
    assert world.custodian.current == {name: version + 1 for name, version in before.items()}
    assert_settled(world)
    calm.check()


@given(history=histories(max_nodes=3, max_commits=1), age=AGES, rounds=st.integers(1, 6))
def test_under_a_freeze_an_old_key_waits(history: History, age: timedelta | None, rounds: int) -> None:
    world, runner = settled(history.commits[0])
    thawed = world.desired
    world.trust(replace(frozen(thawed), commit="e" * 40))
    before, calm = grow_old(world, age), Calm(world)
    why = f"the repository is frozen: {FAIR}"
    for _ in range(rounds):
        made = runner.run()
        world.tick(ROUND_S)
        assert world.custodian.current == before
        assert made.plan is not None
        held = {held for held in made.plan.held if held.subject.startswith("key/")}
        assert held == {Held(subject=f"key/{name}", due="to be rotated", why=why) for name in before}
    world.trust(replace(thawed, commit="f" * 40))
    runner.settle(quiet_rounds=LONG)
    assert world.custodian.current == {name: version + 1 for name, version in before.items()}
    calm.check()


@given(
    history=histories(max_nodes=3, max_commits=1),
    operation=st.sampled_from(("rotate", "made_at")),
    kind=st.sampled_from((FaultKind.TRANSIENT, FaultKind.REFUSED)),
    rounds=st.integers(1, 12),
)
def test_members_serve_on_while_their_keys_cannot_be_rotated(
    history: History, operation: str, kind: FaultKind, rounds: int
) -> None:
    world, runner = settled(history.commits[0])
    before, calm = grow_old(world, MONTH), Calm(world)
    world.line.faults.append(Fault(device="custodian", operation=operation, kind=kind, times=FOREVER))
    for _ in range(rounds):
        runner.run()
        world.tick(ROUND_S)
    assert world.custodian.current == before
    calm.check()
    world.line.faults.clear()
    runner.settle(quiet_rounds=LONG)
    assert world.custodian.current == {name: version + 1 for name, version in before.items()}
    assert_settled(world)
    calm.check()


@given(history=histories(max_nodes=3, max_commits=1), age=AGES)
def test_an_answer_that_is_lost_after_the_rotation_rotates_nothing_twice(
    history: History, age: timedelta | None
) -> None:
    world, runner = settled(history.commits[0])
    before = grow_old(world, age)
    world.line.faults.append(Fault(device="custodian", operation="rotate", kind=FaultKind.HALF, times=1))
    runner.settle(quiet_rounds=LONG)
    assert world.custodian.current == {name: version + 1 for name, version in before.items()}
    assert_settled(world)


def test_loss_is_not_held_by_the_freeze_that_holds_age() -> None:
    world, runner = settled(site(nodes=3, enclaves=[EnclaveShape(name="blue", count=2)]))
    world.trust(replace(frozen(world.desired), commit="e" * 40))
    grow_old(world, MONTH)
    runner.run()
    assert world.custodian.current == {"common": 1}
    world.machines["n1"].lie = Lie.CHANGED_EVENT
    for _ in range(6):
        world.tick(ROUND_S)
        runner.run()
    assert members_of(world, "blue") == ["n2"]
    assert world.custodian.current == {"common": 2}, "once, though it was old as well"
    agent = world.machines["n2"].agent
    assert agent is not None
    assert ("common", 2) in agent.keys


def test_a_key_grows_old_by_the_clock_again_and_again() -> None:
    desired = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1, reattest="10m")], rotation="1h")
    world = World(desired)
    runner = Runner(world)
    runner.settle()
    calm = Calm(world)
    for _ in range(40):
        world.tick(300)
        runner.run()
    assert world.custodian.current == {"common": 4}, "in 200 minutes"
    calm.check()
