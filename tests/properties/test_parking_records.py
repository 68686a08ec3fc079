"""Parking is done first and recorded after: the record says what was read back, holds nothing up, and is not lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.outcome import Done, Failed
from reconciler.model.desired import DesiredState
from tests.support.runner import Runner, assert_settled
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.world_line import FOREVER, Effect, Fault, FaultKind
from tests.support.world_switch import access

_NODES = (NodeShape(interfaces=2), NodeShape())
_BLUE = [EnclaveShape(name="blue", names=("n1",))]


def _blue(revision: int = 0) -> DesiredState:
    return site(nodes=_NODES, enclaves=_BLUE, revision=revision)


def _member() -> tuple[World, Runner]:
    world = World(_blue())
    runner = Runner(world)
    runner.settle()
    return world, runner


def _written(world: World, *, since: int) -> list[Effect]:
    return [effect for effect in world.line.effects[since:] if effect.operation == "apply"]


_LIES = (Lie.CHANGED_EVENT, Lie.CLAIMED_PCR, Lie.OTHER_AK, Lie.WRONG_NONCE)


@given(lie=st.sampled_from(_LIES), kind=st.sampled_from((FaultKind.TRANSIENT, FaultKind.HANG, FaultKind.HALF)))
def test_a_branch_that_cannot_be_written_keeps_nobody_in_the_network_or_under_power(lie: Lie, kind: FaultKind) -> None:
    world, runner = _member()
    world.machines["n1"].lie = lie
    world.tick(40)
    world.line.faults.append(Fault(device="ledger", operation="append", kind=kind, times=FOREVER))
    before = len(world.line.effects)
    outcomes = runner.run().outcomes or {}
    assert isinstance(outcomes["park/n1"], Failed)
    assert isinstance(outcomes["power-off/n1"], Done)
    assert isinstance(outcomes["rotate-key/common"], Done)
    assert world.states_of("n1") == [access(world.parking_of("n1"))] * 2
    assert not world.machines["n1"].is_on
    done = [effect.operation for effect in world.line.effects[before:] if effect.operation != "publish"]
    assert done[:2] == ["apply"] * 2
    world.line.faults.clear()
    runner.settle()
    assert_settled(world)
    assert world.monitor.track("n1").is_parked


@pytest.mark.parametrize("is_expelled", [False, True])
def test_a_parking_whose_record_was_lost_is_recorded_later_without_touching_the_switch(*, is_expelled: bool) -> None:
    world, runner = _member()
    if is_expelled:
        world.machines["n1"].lie = Lie.CHANGED_EVENT
        world.tick(40)
    else:
        world.trust(site(nodes=_NODES, revision=1))
    world.line.faults.append(Fault(device="ledger", operation="append", kind=FaultKind.TRANSIENT, times=FOREVER))
    runner.run()
    assert world.states_of("n1") == [access(world.parking_of("n1"))] * 2
    assert world.monitor.track("n1").is_parked is False
    world.line.faults.clear()
    since = len(world.line.effects)
    assert isinstance((runner.run().outcomes or {})["park/n1"], Done)
    assert world.monitor.track("n1").is_parked
    assert _written(world, since=since) == []


def test_a_parking_that_was_undone_before_its_record_is_made_again() -> None:
    world, runner = _member()
    world.trust(site(nodes=_NODES, revision=1))
    world.line.faults.append(Fault(device="ledger", operation="append", kind=FaultKind.TRANSIENT, times=1))
    runner.run()
    stray = world.spoil_port
    point = 2  # After what is published, before anything is read or written for the action.
    runner.run(meanwhile={point: lambda: stray("n1", state=access(4000))})
    runner.settle()
    assert_settled(world)


@given(nodes=st.integers(1, 6))
def test_a_fresh_site_of_parked_nodes_has_nothing_to_do_and_nothing_on_record(nodes: int) -> None:
    world = World(site(nodes=nodes))
    made = Runner(world).run()
    assert made.plan is not None
    assert made.plan.is_empty()
    assert world.ledger.rounds == []


def test_a_stray_that_no_record_knows_is_on_record_once_it_was_parked() -> None:
    world = World(site(nodes=1))
    world.spoil_port("n1", state=access(4000))
    runner = Runner(world)
    runner.settle()
    assert world.monitor.track("n1").is_parked
    assert world.monitor.track("n1").sequence == 1


def test_a_member_that_is_on_record_as_parked_is_proven_anew_however_its_port_came_back() -> None:
    world, runner = _member()
    agent = world.machines["n1"].agent
    assert agent is not None
    runner.run()
    agent.malice = Malice.SILENT
    world.tick(400)
    attempt = world.monitor.track("n1").attempt
    # Killed once it is parked and that is on record, before it loses its power.
    for point in range(1, 20):
        if world.monitor.track("n1").is_parked is False:
            runner.run(crash_at=point)
    assert world.monitor.track("n1").is_parked
    assert world.machines["n1"].is_on
    agent.malice = Malice.NONE
    world.spoil_port("n1", state=access(200))
    world.tick(40)
    runner.settle(quiet_rounds=8)
    assert_settled(world)
    assert world.monitor.track("n1").attempt != attempt
