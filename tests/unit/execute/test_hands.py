"""The hands: what is moved or switched is read back, and a device that is not where it was sent is an error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors.taxonomy import DeviceError, InputError, TransientError
from reconciler.execute import hands
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.plan.actions import Port
from tests.support.sites import NodeShape, site
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.support.world_line import Fault, FaultKind
from tests.support.world_switch import access

PORTS = (
    Port(interface="eno1", switch="tor-1", port="swp1", vlan=101),
    Port(interface="eno2", switch="tor-2", port="swp2", vlan=999),
)


def _world() -> World:
    return World(site(nodes=[NodeShape(interfaces=2)], switches=2))


def test_ports_are_moved_and_read_back() -> None:
    world = _world()
    assert hands.move(world.site, PORTS) == {"eno1": "access 101", "eno2": "access 999"}
    assert world.switches["tor-1"].truth["swp1"] == access(101)


@pytest.mark.parametrize("kind", [FaultKind.OLD, FaultKind.UNKNOWN])
def test_a_port_that_does_not_read_back_as_asked_is_an_error(kind: FaultKind) -> None:
    world = _world()
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=kind))
    with pytest.raises(DeviceError) as caught:
        hands.move(world.site, PORTS)
    assert caught.value.reason == "PortNotMoved"
    assert "was sent to access VLAN 101 and reads back as" in caught.value.message


def test_every_port_that_is_astray_is_named_and_what_was_moved_stays_moved() -> None:
    world = World(site(nodes=[NodeShape(interfaces=3)], switches=1))
    ports = tuple(Port(interface=f"eno{i}", switch="tor-1", port=f"swp{i}", vlan=100 + i) for i in (1, 2, 3))
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=FaultKind.OLD, skip=1, times=2))
    with pytest.raises(DeviceError, match=r"port swp2 .* 102 .* access 999; port swp3 .* 103 .* access 999") as caught:
        hands.move(world.site, ports)
    assert "swp1" not in caught.value.message
    assert world.switches["tor-1"].truth["swp1"] == access(101)


def test_ports_say_whose_they_are() -> None:
    world = _world()
    hands.move(world.site, PORTS, node="n1")
    assert world.switches["tor-1"].labels["swp1"] == world.switches["tor-2"].labels["swp2"] == "n1"


def test_no_further_switch_is_touched_once_one_did_not_do_as_told() -> None:
    world = _world()
    world.switches["tor-2"].truth["swp2"] = access(101)
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=FaultKind.REFUSED))
    with pytest.raises(DeviceError):
        hands.move(world.site, PORTS)
    assert world.switches["tor-2"].truth["swp2"] == access(101)


@pytest.mark.parametrize("kind", [FaultKind.REFUSED, FaultKind.HANG, FaultKind.OLD])
def test_a_switch_that_is_away_keeps_no_port_on_another_from_being_parked(kind: FaultKind) -> None:
    world = _world()
    parked = tuple(replace(port, vlan=999) for port in PORTS)
    world.switches["tor-1"].truth["swp1"] = world.switches["tor-2"].truth["swp2"] = access(101)
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=kind))
    with pytest.raises((DeviceError, TransientError), match="tor-1"):
        hands.park(world.site, parked)
    assert world.switches["tor-2"].truth["swp2"] == access(999)
    hands.park(world.site, parked)
    assert world.switches["tor-1"].truth["swp1"] == access(999)


def test_a_port_that_is_refused_keeps_no_other_port_of_its_switch_from_being_parked() -> None:
    world = World(site(nodes=[NodeShape(interfaces=2)], switches=1))
    ports = tuple(Port(interface=f"eno{i}", switch="tor-1", port=f"swp{i}", vlan=999) for i in (1, 2))
    world.switches["tor-1"].truth |= {"swp1": access(200), "swp2": access(200)}
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=FaultKind.REFUSED, times=2))
    with pytest.raises(DeviceError, match="tor-1"):
        hands.park(world.site, ports)
    assert world.switches["tor-1"].truth["swp2"] == access(999)


def test_ports_of_several_switches_are_read_at_once() -> None:
    world = _world()
    assert hands.read(world.site, PORTS) == {"eno1": access(999), "eno2": access(999)}
    stray = replace(PORTS[0], port="swp99")
    assert hands.read(world.site, (stray,)) == {"eno1": UNKNOWN_PORT}


def test_power_is_switched_and_read_back() -> None:
    world = at_stage(Stage.BOOTING).world
    machine, power = world.machines["n1"], hands.power_of(world.site, "n1")
    assert machine.is_on
    hands.power_off(power, "n1")
    hands.power_off(power, "n1")
    assert not machine.is_on


@pytest.mark.parametrize("kind", [FaultKind.OLD, FaultKind.UNKNOWN])
def test_power_that_does_not_read_back_as_asked_is_an_error(kind: FaultKind) -> None:
    world = at_stage(Stage.BOOTING).world
    world.line.faults.append(Fault(device="power/n1", operation="turn_off", kind=kind))
    with pytest.raises(DeviceError, match="was switched off and reads back as") as caught:
        hands.power_off(hands.power_of(world.site, "n1"), "n1")
    assert caught.value.reason == "PowerNotSwitched"


def test_a_silent_device_is_tried_later() -> None:
    world = _world()
    world.line.faults.append(Fault(device="switch/tor-1", kind=FaultKind.HANG))
    with pytest.raises(TransientError):
        hands.move(world.site, PORTS)


def test_a_node_without_a_bmc_is_an_error_of_the_settings() -> None:
    with pytest.raises(InputError) as caught:
        hands.power_of(_world().site, "n9")
    assert caught.value.reason == "BmcMissing"


def test_ports_are_described_as_they_are_recorded() -> None:
    assert access(200).words == "access 200"
    assert UNKNOWN_PORT.words == "unknown"
    assert PortState(mode=PortMode.OTHER).words == "other"
