"""The hands: ports moved and power switched, each read back; nothing here decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from reconciler.errors.taxonomy import DeviceError, InputError
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, ObservedState, PortMode, PortState, PowerState
from reconciler.plan.actions import Port
from reconciler.ports.power import Power
from reconciler.ports.site import Site


def describe_port(state: PortState) -> str:
    """Return a port's state as it is recorded: ``access 200``."""
    return f"access {state.vlan}" if state.mode is PortMode.ACCESS else state.mode.value.lower()


def describe_ports(seen: Mapping[str, PortState]) -> dict[str, str]:
    """Return the states of a node's ports as they are recorded, by interface."""
    return {interface: describe_port(state) for interface, state in seen.items()}


def move(site: Site, ports: Iterable[Port]) -> Mapping[str, str]:
    """Move each port, compare what is read back, and return the read-back states by interface.

    Raises DeviceError if a port is not where it was sent; what was moved before stays moved.
    """
    states: dict[str, str] = {}
    for port in ports:
        switch = site.switches[port.switch]
        state = switch.set_access(port.port, vlan=port.vlan)
        if not state.is_access(port.vlan):
            raise DeviceError(
                f"switch {port.switch}",
                f"port {port.port} was sent to access VLAN {port.vlan} and reads back as {describe_port(state)}",
                reason="PortNotMoved",
                hint="look at the switch: somebody else may be writing to it",
            )
        states[port.interface] = describe_port(state)
    return states


def read(site: Site, ports: Collection[Port]) -> Mapping[str, PortState]:
    """Return the states of ``ports`` right now, by interface."""
    by_switch: dict[str, list[str]] = {}
    for port in ports:
        by_switch.setdefault(port.switch, []).append(port.port)
    seen = {switch: site.switches[switch].read_ports(names) for switch, names in by_switch.items()}
    return {port.interface: seen[port.switch].get(port.port, UNKNOWN_PORT) for port in ports}


def observed_ports(desired: DesiredState, observed: ObservedState, *, zone: str) -> dict[tuple[str, str], PortState]:
    """Return what was observed of every port of ours in ``zone``, by switch and port."""
    ports = dict(observed.spare_ports)
    for name, seen in observed.nodes.items():
        for cable in desired.nodes[name].spec.interfaces:
            ports[cable.switch, cable.port] = seen.ports.get(cable.name, UNKNOWN_PORT)
    return {place: state for place, state in ports.items() if desired.switches[place[0]].spec.zone == zone}


def power_off(power: Power, node: str) -> None:
    """Cut the power and see that it is off."""
    _check(node, power.turn_off(), PowerState.OFF)


def power_on(power: Power, node: str) -> None:
    """Boot from the network and see that the power is on."""
    _check(node, power.turn_on(), PowerState.ON)


def power_of(site: Site, node: str) -> Power:
    """Return the node's BMC."""
    if node not in site.powers:
        raise InputError(
            f"node {node}", "no BMC is set up for it", reason="BmcMissing", hint="name its credentials in the settings"
        )
    return site.powers[node]


def _check(node: str, found: PowerState, wanted: PowerState) -> None:
    if found is not wanted:
        raise DeviceError(
            f"node {node}",
            f"its power was switched {wanted.value.lower()} and reads back as {found.value.lower()}",
            reason="PowerNotSwitched",
            hint="look at the BMC: ipmitool chassis power status",
        )
