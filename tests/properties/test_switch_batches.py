"""Moves of several nodes in one transaction, cut off or gone wrong anywhere, open no gate; the world settles after."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.drivers.paced_switch import PacedSwitch
from reconciler.ports.site import Site
from tests.support.runner import LONG, Runner, assert_settled
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.world import World
from tests.support.world_line import Fault, FaultKind
from tests.support.worlds import History, busy_sites, faults

_KINDS = (FaultKind.TRANSIENT, FaultKind.HALF, FaultKind.REFUSED, FaultKind.OLD, FaultKind.LIE, FaultKind.UNKNOWN)


def _batched(world: World, *, at_once: int) -> Site:
    """Return the world's site with its switches behind limits; their breaks are over at once."""
    clock = itertools.count(step=100)
    paced = {
        name: PacedSwitch(switch, name=name, at_once=at_once, monotonic=lambda: float(next(clock)))
        for name, switch in world.switches.items()
    }
    return replace(world.site, switches=paced)


@given(
    story=busy_sites(max_nodes=4),
    broken=st.lists(faults(), max_size=3),
    at_once=st.integers(1, 2),
    waits=st.lists(st.sampled_from((0, 5, 20, 40)), min_size=3, max_size=8),
)
def test_nodes_that_are_moved_together_are_each_proven_and_settle(
    story: History, broken: list[Fault], at_once: int, waits: list[int]
) -> None:
    world = World(story.commits[0])
    runner = Runner(world, site=_batched(world, at_once=at_once), workers=4)
    world.line.faults = broken
    for wait in waits:
        runner.run()
        world.tick(wait)
    world.line.faults.clear()
    runner.settle(quiet_rounds=LONG)
    assert_settled(world)


@given(
    interfaces=st.integers(2, 3),
    crash_at=st.integers(1, 60),
    kind=st.none() | st.sampled_from(_KINDS),
    skip=st.integers(0, 8),
)
def test_crash_or_failure_between_two_ports_of_one_node_opens_no_gate(
    interfaces: int, crash_at: int, kind: FaultKind | None, skip: int
) -> None:
    nodes = [NodeShape(interfaces=interfaces), NodeShape(interfaces=interfaces)]
    world = World(site(nodes=nodes, switches=1))
    runner = Runner(world)
    for name in world.desired.nodes:
        world.spoil_port(name)
    world.trust(site(nodes=nodes, switches=1, enclaves=[EnclaveShape(name="blue", count=1)], revision=1))
    if kind is not None:
        world.line.faults.append(Fault(device="switch/*", operation="apply", kind=kind, skip=skip, times=2))
    for _ in range(3):
        runner.run(crash_at=crash_at)
        world.tick(20)
    world.line.faults.clear()
    runner.settle(quiet_rounds=LONG)
    assert_settled(world)
