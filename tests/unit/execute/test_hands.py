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
    world.line.faults.append(Fault(device="switch/tor-1", operation="set_access", kind=kind))
    with pytest.raises(DeviceError) as caught:
        hands.move(world.site, PORTS)
    assert caught.value.reason == "PortNotMoved"
    assert "was sent to access VLAN 101 and reads back as" in caught.value.message


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
    assert hands.describe_port(access(200)) == "access 200"
    assert hands.describe_port(UNKNOWN_PORT) == "unknown"
    assert hands.describe_port(PortState(mode=PortMode.OTHER)) == "other"
