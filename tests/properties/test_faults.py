"""Devices that hang, lie, refuse and half-apply never open a gate; when they are well again, the world settles."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import DesiredState
from reconciler.model.observed import PowerState
from tests.support.runner import LONG, Runner, assert_settled, members_of
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.support.world_line import FOREVER, Fault, FaultKind
from tests.support.world_switch import access
from tests.support.worlds import History, Misfortune, busy_sites, faults, histories, misfortunes

_TIMES = st.lists(st.sampled_from((0, 5, 20, 40)), min_size=4, max_size=14)


@given(history=histories(max_nodes=3), broken=st.lists(faults(), min_size=1, max_size=4), waits=_TIMES)
def test_faults_at_random_never_open_a_gate_and_pass(history: History, broken: list[Fault], waits: list[int]) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    world.line.faults = broken
    for index, wait in enumerate(waits):
        world.trust(history.commits[index * len(history.commits) // len(waits)])
        runner.run()
        world.tick(wait)
    world.line.faults.clear()
    world.trust(history.commits[-1])
    runner.settle(quiet_rounds=LONG)
    assert_settled(world)


@given(
    site_=busy_sites(),
    events=st.lists(st.tuples(misfortunes(), st.sampled_from((0, 5, 20, 60))), min_size=1, max_size=8),
)
def test_misfortunes_of_machines_and_cables_never_open_a_gate(
    site_: History, events: list[tuple[Misfortune, int]]
) -> None:
    world = World(site_.commits[0])
    runner = Runner(world)
    names = sorted(world.machines)
    runner.settle()
    for misfortune, wait in events:
        world.befall(misfortune.what, node=names[misfortune.node % len(names)])
        runner.run()
        world.tick(wait)
        runner.run()
    runner.settle(quiet_rounds=LONG)
    assert_settled(world)


@given(
    history=histories(max_nodes=3),
    broken=st.lists(faults(), max_size=3),
    story=st.lists(
        st.tuples(
            st.one_of(st.none(), misfortunes()), st.integers(0, 12), st.sampled_from((0, 5, 20, 60)), st.integers(1, 80)
        ),
        min_size=2,
        max_size=12,
    ),
)
def test_everything_at_once_never_opens_a_gate(
    history: History, broken: list[Fault], story: list[tuple[Misfortune | None, int, int, int]]
) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    world.line.faults = broken
    names = sorted(world.machines)
    for index, (misfortune, point, wait, crash_at) in enumerate(story):
        world.trust(history.commits[index * len(history.commits) // len(story)])
        meanwhile = {}
        if misfortune is not None:
            happens = partial(world.befall, misfortune.what, node=names[misfortune.node % len(names)])
            meanwhile[point] = happens
            if point == 0:
                happens()
        runner.run(crash_at=crash_at if crash_at < 20 else None, meanwhile=meanwhile)
        world.tick(wait)
    world.line.faults.clear()
    world.trust(history.commits[-1])
    runner.settle(quiet_rounds=LONG)
    assert_settled(world)


def _blue() -> DesiredState:
    return site(nodes=1, enclaves=[EnclaveShape(name="blue", count=1)])


@given(kind=st.sampled_from((FaultKind.TRANSIENT, FaultKind.HANG, FaultKind.UNKNOWN, FaultKind.REFUSED)))
def test_a_bmc_that_says_nothing_never_leads_to_admission(kind: FaultKind) -> None:
    world = World(_blue())
    runner = Runner(world)
    runner.run()
    world.line.faults.append(Fault(device="power/*", operation="status", kind=kind, times=FOREVER))
    for _ in range(12):
        world.tick(20)
        runner.run()
    assert members_of(world, "blue") == []
    assert not world.states_of("n1")[0].is_access(200)
    assert world.machines["n1"].agent is None or not world.machines["n1"].agent.keys


@given(kind=st.sampled_from((FaultKind.TRANSIENT, FaultKind.HANG, FaultKind.UNKNOWN, FaultKind.REFUSED)))
def test_a_switch_that_says_nothing_never_leads_to_admission(kind: FaultKind) -> None:
    world = World(_blue())
    runner = Runner(world)
    runner.run()
    world.line.faults.append(Fault(device="switch/*", operation="read_ports", kind=kind, times=FOREVER))
    for _ in range(12):
        world.tick(20)
        runner.run()
    assert members_of(world, "blue") == []
    assert not world.states_of("n1")[0].is_access(200)


def test_a_bmc_frozen_at_on_keeps_a_leaver_from_being_free() -> None:
    world = World(_blue())
    runner = Runner(world)
    runner.settle()
    world.line.faults.append(Fault(device="power/n1", operation="turn_off", kind=FaultKind.OLD, times=FOREVER))
    world.trust(site(nodes=1, revision=1))
    for _ in range(5):
        runner.run()
        world.tick(20)
    assert world.power["n1"].status() is PowerState.ON
    assert world.monitor.track("n1").phase == "ENCLAVE"
    world.line.faults.clear()
    runner.settle()
    assert_settled(world)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_machine_whose_bmc_only_pretends_to_cut_its_power_does_not_join_another_enclave(*, is_frozen: bool) -> None:
    world = World(_blue())
    runner = Runner(world)
    runner.settle()
    boots = world.machines["n1"].boots
    world.line.faults.append(Fault(device="power/n1", operation="turn_o*", kind=FaultKind.LIE, times=FOREVER))
    if is_frozen:
        world.line.faults.append(Fault(device="power/n1", operation="status", kind=FaultKind.STALE, times=FOREVER))
    world.trust(site(nodes=1, enclaves=[EnclaveShape(name="green", count=1)], revision=1))
    for _ in range(20):
        runner.run()
        world.tick(20)
    assert world.machines["n1"].boots == boots
    assert members_of(world, "green") == []


def test_nobody_enters_an_airlock_that_a_stranger_is_in_even_on_another_switch() -> None:
    world = World(site(nodes=2, switches=2))
    runner = Runner(world)
    blue = [EnclaveShape(name="blue", names=("n1",))]
    world.trust(site(nodes=2, switches=2, enclaves=blue, revision=1))
    world.line.faults.append(Fault(device="switch/tor-2", operation="apply", kind=FaultKind.TRANSIENT, times=3))
    world.spoil_port("n2", state=access(world.airlock_of("n1")))
    runner.run()
    assert not world.states_of("n1")[0].is_access(world.airlock_of("n1"))
    runner.settle()
    assert members_of(world, "blue") == ["n1"]


def test_nobody_enters_an_airlock_while_another_port_is_a_trunk() -> None:
    world = World(site(nodes=2))
    runner = Runner(world)
    world.trust(site(nodes=2, enclaves=[EnclaveShape(name="blue", names=("n1",))], revision=1))
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=FaultKind.OLD, times=1))
    world.spoil_port("n2")
    runner.run()
    assert not world.states_of("n1")[0].is_access(world.airlock_of("n1"))
    runner.settle()
    assert members_of(world, "blue") == ["n1"]


@pytest.mark.parametrize("device", ["power/n1", "switch/tor-1"])
@pytest.mark.parametrize("kind", [FaultKind.TRANSIENT, FaultKind.UNKNOWN])
def test_a_device_that_falls_silent_between_the_plan_and_the_admission_keeps_the_gate_shut(
    device: str, kind: FaultKind
) -> None:
    world = World(_blue())
    runner = Runner(world)
    runner.run()
    world.tick(40)
    runner.run()
    world.tick(5)
    operation = "status" if device.startswith("power") else "read_ports"
    world.line.faults.append(Fault(device=device, operation=operation, kind=kind, skip=1, times=FOREVER))
    plan = runner.run().plan
    assert plan is not None
    assert [action.id for action in plan.actions] == ["admit/n1", "confirm/n1"]
    assert not world.states_of("n1")[0].is_access(200)
    world.line.faults.clear()
    runner.settle()
    assert members_of(world, "blue") == ["n1"]
