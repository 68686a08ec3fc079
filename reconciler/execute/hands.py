"""The hands: ports moved and power switched, each read back; nothing here decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from reconciler.errors.taxonomy import DeviceError, InputError, RingfenceError, TransientError
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, ObservedState, PortState, PowerState
from reconciler.plan.actions import Port
from reconciler.ports.isolation import AccessPort, Switch
from reconciler.ports.power import Power
from reconciler.ports.site import Site


class Switched(Protocol):
    """Whatever has switches, by name: a site, or a part of one."""

    @property
    def switches(self) -> Mapping[str, Switch]:
        """Return the switches."""
        ...


def describe_ports(seen: Mapping[str, PortState]) -> dict[str, str]:
    """Return the states of a node's ports as they are recorded, by interface."""
    return {interface: state.words for interface, state in seen.items()}


def move(site: Switched, ports: Iterable[Port], *, node: str = "") -> Mapping[str, str]:
    """Move ``node``'s ports, switch by switch, and return the states that were read back, by interface.

    The ports of one switch are moved at once. Raises DeviceError if ports are not where they were sent; what was moved
    before stays moved, and no further switch is touched.
    """
    states: dict[str, str] = {}
    for switch, group in _by_switch(ports).items():
        states |= _move_on(site, switch, group, node=node)
    return states


def park(site: Switched, ports: Iterable[Port], *, node: str = "") -> Mapping[str, str]:
    """Move ``node``'s ports to where they lead nowhere, and return the states that were read back, by interface.

    Nothing that one of them meets with keeps another from it: neither a switch that is away, nor one that refuses all
    of them for one; then each is sent alone. Raises the first error, after everything was tried.
    """
    errors: list[RingfenceError] = []
    states: dict[str, str] = {}
    waiting = list(_by_switch(ports).items())
    while waiting:
        switch, group = waiting.pop(0)
        try:
            states |= _move_on(site, switch, group, node=node)
        except (TransientError, DeviceError) as error:
            if isinstance(error, DeviceError) and len(group) > 1:
                waiting += [(switch, [port]) for port in group]
            else:
                errors.append(error)
    if errors:
        raise errors[0]
    return states


def _move_on(site: Switched, switch: str, ports: Collection[Port], *, node: str) -> Mapping[str, str]:
    """Move ports of one switch and compare what is read back."""
    seen = site.switches[switch].apply({port.port: AccessPort(vlan=port.vlan, node=node) for port in ports})
    states = {port: seen.get(port.port, UNKNOWN_PORT) for port in ports}
    astray = [(port, state) for port, state in states.items() if not state.is_access(port.vlan)]
    if astray:
        told = (
            f"port {port.port} was sent to access VLAN {port.vlan} and reads back as {state.words}"
            for port, state in astray
        )
        raise DeviceError(
            f"switch {switch}",
            "; ".join(told),
            reason="PortNotMoved",
            hint="look at the switch: does it have the port, and is somebody else writing to it?",
        )
    return {port.interface: state.words for port, state in states.items()}


def _by_switch(ports: Iterable[Port]) -> Mapping[str, list[Port]]:
    groups: dict[str, list[Port]] = {}
    for port in ports:
        groups.setdefault(port.switch, []).append(port)
    return groups


def read(site: Switched, ports: Collection[Port]) -> Mapping[str, PortState]:
    """Return the states of ``ports`` right now, by interface."""
    groups = _by_switch(ports)
    seen = {switch: site.switches[switch].read_ports([port.port for port in group]) for switch, group in groups.items()}
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
