"""Trunks are held against their documents, told of, and otherwise left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.observe import observe
from reconciler.model.desired import DesiredState
from reconciler.model.observed import PortMode, PortState
from reconciler.model.trunks import Carried, Trunk
from reconciler.plan.planner import plan
from reconciler.plan.trunks import trunk_drift, trunk_problems
from tests.support.runner import Runner
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.support.world_switch import access

UPLINK = Trunk(port="up1", vlans=(200, 201), native=None)
SHOWN = "VLANs 200-201"


def _desired() -> DesiredState:
    desired = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])
    tor = desired.switches["tor-1"]
    spec = tor.spec.model_copy(update={"trunks": (UPLINK,)})
    return replace(desired, switches={"tor-1": tor.model_copy(update={"spec": spec})})


def _carrying(*vlans: int, native: int | None = None) -> PortState:
    return PortState(mode=PortMode.OTHER, carried=Carried(vlans=frozenset(vlans), native=native))


@pytest.mark.parametrize(
    ("state", "found", "problem"),
    [
        (_carrying(200, 201), None, None),
        (_carrying(200, 201, 999), "VLANs 200-201, 999", "should carry VLANs 200-201, and has VLANs 200-201, 999"),
        (_carrying(200), "VLANs 200", "should carry VLANs 200-201, and has VLANs 200"),
        (_carrying(200, 201, native=1), "VLANs 200-201, and 1 untagged", "and has VLANs 200-201, and 1 untagged"),
        (access(200), "access 200", "and has access 200"),
        (PortState(mode=PortMode.OTHER), None, "what it carries is not known"),
        (None, None, "what it carries is not known"),
    ],
)
def test_a_trunk_is_told_of_if_it_carries_anything_else(
    state: PortState | None, found: str | None, problem: str | None
) -> None:
    world = World(_desired())
    if state is not None:
        world.switches["tor-1"].truth["up1"] = state
    draft = Runner(world).draft()
    drift = trunk_drift(draft.desired, draft.observed)
    assert [(d.subject, d.expected, d.found) for d in drift] == ([("trunk/tor-1:up1", SHOWN, found)] if found else [])
    problems = [p for p in draft.plan.problems if p.subject == "trunk/tor-1:up1"]
    assert len(problems) == (problem is not None)
    assert all(problem in p.message for p in problems if problem)
    assert [d for d in draft.plan.drift if d.subject.startswith("trunk/")] == list(drift)
    assert tuple(problems) == trunk_problems(draft.desired, draft.observed)


@given(
    state=st.one_of(
        st.none(),
        st.builds(access, st.integers(1, 4094)),
        st.sets(st.integers(1, 4094), max_size=4).map(lambda vlans: _carrying(*vlans)),
    )
)
def test_no_port_is_moved_for_a_trunk(state: PortState | None) -> None:
    world = World(_desired())
    runner = Runner(world)
    without = plan(world.desired, observed=runner.draft().observed, verdicts={}, now=world.clock.now())
    if state is not None:
        world.switches["tor-1"].truth["up1"] = state
    draft = runner.draft()
    assert draft.plan.actions == without.actions
    runner.settle()
    assert world.switches["tor-1"].truth.get("up1") == state
    assert all(effect.subject != "up1" for effect in world.line.effects)
    assert ("tor-1", "up1") not in draft.observed.spare_ports


def test_a_trunk_is_a_fact_that_a_plan_rests_on() -> None:
    world = World(_desired())
    world.switches["tor-1"].truth["up1"] = _carrying(200, 201)
    before = Runner(world).draft().plan.observation
    world.switches["tor-1"].truth["up1"] = _carrying(200)
    assert Runner(world).draft().plan.observation != before


def test_a_switch_without_declared_trunks_is_asked_for_its_ports_alone() -> None:
    world = World(site(nodes=1))
    world.start_process()
    seen = observe(world.site, desired=world.desired, now=world.clock.now(), workers=1)
    assert seen.trunks == {}
