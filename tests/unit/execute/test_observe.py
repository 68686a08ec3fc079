"""Observing: what does not answer is UNKNOWN and nothing else; a store of ours that does not answer fails it all."""

from __future__ import annotations

import pytest

from reconciler.errors.taxonomy import TransientError
from reconciler.execute.observe import observe
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, ObservedState, PowerState
from tests.support.sites import NodeShape, site
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.support.world_line import FOREVER, Fault, FaultKind
from tests.support.world_switch import access


def _observe(world: World, *, desired: DesiredState | None = None, workers: int = 1) -> ObservedState:
    return observe(world.site, desired=desired or world.desired, now=world.clock.now(), workers=workers)


def _failing(device: str, kind: FaultKind, operation: str = "*") -> World:
    world = World(site(nodes=[NodeShape(interfaces=2)] * 2, switches=2))
    world.line.faults.append(Fault(device=device, kind=kind, operation=operation, times=FOREVER))
    return world


@pytest.mark.parametrize("workers", [1, 8])
def test_everything_that_is_named_is_observed(workers: int) -> None:
    runner = at_stage(Stage.MEMBER)
    seen = _observe(runner.world, workers=workers)
    assert set(seen.nodes) == {"n1", "n2"}
    assert (seen.nodes["n1"].power, seen.nodes["n1"].ports) == (PowerState.ON, {"eno1": access(200)})
    assert (seen.nodes["n2"].power, seen.nodes["n2"].ports) == (PowerState.OFF, {"eno1": access(999)})
    assert seen.nodes["n1"].session is not None
    assert seen.nodes["n1"].assignment is not None
    assert seen.nodes["n2"].head is None
    assert set(seen.spare_ports) == {("tor-1", "swp2"), ("tor-1", "swp4"), ("tor-1", "swp5")}
    assert seen.key_versions == {"common": 1}
    assert seen.key_made_at == {"common": runner.world.custodian.made["common"]}
    assert seen.listening_since is not None


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.TRANSIENT, FaultKind.REFUSED, FaultKind.UNKNOWN])
def test_a_switch_that_does_not_answer_leaves_its_ports_unknown_and_no_others(kind: FaultKind) -> None:
    seen = _observe(_failing("switch/tor-1", kind))
    assert seen.nodes["n1"].ports == {"eno1": UNKNOWN_PORT, "eno2": access(999)}
    assert seen.nodes["n2"].ports == {"eno1": access(999), "eno2": UNKNOWN_PORT}
    assert {state for (switch, _), state in seen.spare_ports.items() if switch == "tor-1"} == {UNKNOWN_PORT}
    assert {state for (switch, _), state in seen.spare_ports.items() if switch == "tor-2"} == {access(999)}


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.TRANSIENT, FaultKind.REFUSED, FaultKind.UNKNOWN])
def test_a_bmc_that_does_not_answer_leaves_its_power_unknown(kind: FaultKind) -> None:
    seen = _observe(_failing("power/n1", kind))
    assert [seen.nodes[name].power for name in ("n1", "n2")] == [PowerState.UNKNOWN, PowerState.OFF]


@pytest.mark.parametrize("kind", [FaultKind.TRANSIENT, FaultKind.REFUSED])
def test_a_custodian_that_does_not_answer_leaves_every_version_unknown(kind: FaultKind) -> None:
    world = at_stage(Stage.MEMBER).world
    world.line.faults.append(Fault(device="custodian", kind=kind, times=FOREVER))
    assert _observe(world).key_versions == {}
    assert _observe(world).key_made_at == {}


@pytest.mark.parametrize("kind", [FaultKind.TRANSIENT, FaultKind.REFUSED, FaultKind.UNKNOWN])
def test_a_custodian_that_does_not_say_how_old_its_keys_are_leaves_that_open(kind: FaultKind) -> None:
    world = at_stage(Stage.MEMBER).world
    world.line.faults.append(Fault(device="custodian", operation="made_at", kind=kind, times=FOREVER))
    seen = _observe(world)
    assert (seen.key_versions, seen.key_made_at) == ({"common": 1}, {})


@pytest.mark.parametrize("device", ["boot", "desk", "ledger"])
@pytest.mark.parametrize("workers", [1, 8])
def test_without_its_own_stores_nothing_is_known_at_all(device: str, workers: int) -> None:
    with pytest.raises(TransientError):
        _observe(_failing(device, FaultKind.TRANSIENT), workers=workers)


def test_who_left_the_inventory_is_remembered_with_its_keys() -> None:
    world = at_stage(Stage.MEMBER).world
    smaller = site(nodes=0)
    seen = _observe(world, desired=smaller)
    assert set(seen.former) == {"n1"}
    assert seen.nodes == {}


def test_keys_that_are_no_longer_declared_are_asked_about_while_somebody_knows_them() -> None:
    seen = _observe(at_stage(Stage.MEMBER).world, desired=site(nodes=2))
    assert seen.key_versions == {"common": 1}
    assert seen.key_made_at == {}, "no rotation is declared for them"


def test_what_is_seen_as_before_is_the_same_object_and_everything_else_is_new() -> None:
    runner = at_stage(Stage.MEMBER)
    world = runner.world
    before = _observe(world)
    again = observe(world.site, desired=world.desired, now=world.clock.now(), workers=1, before=before)
    assert all(again.nodes[name] is seen for name, seen in before.nodes.items())
    assert again.spare_ports is before.spare_ports
    world.spoil_port("n2")
    world.switches["tor-1"].truth["swp5"] = access(7)
    changed = observe(world.site, desired=world.desired, now=world.clock.now(), workers=1, before=again)
    assert changed.nodes["n1"] is before.nodes["n1"]
    assert changed == _observe(world)
    assert changed.spare_ports != before.spare_ports
