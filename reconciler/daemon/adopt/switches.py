"""What a survey says about a switch's document: its bridge, which ports are ours, and what leads where.

Rules: a port becomes ours only if a node is cabled to it, a zone calls it a test port, or the seed asks for it by name
or pattern, since every port of ours that no node uses is parked; ports that are in the document stay in it, there or
not.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.daemon.adopt.inventory import Document, Inventory
from reconciler.daemon.adopt.look import Sightings
from reconciler.daemon.adopt.remarks import OPEN, Remark
from reconciler.daemon.adopt.seed import Seed
from reconciler.errors.taxonomy import RingfenceError
from reconciler.model.observed import PortMode
from reconciler.model.survey import PortSighting, SwitchSighting
from reconciler.model.trunks import PORT_PATTERN

_SHOWN = 6


def fill_switches(inventory: Inventory, *, seed: Seed, seen: Sightings) -> Iterator[Remark]:
    """Fill in what is open in every switch's document, and yield what is to be told. Nodes' cables are known by now."""
    wanted = {switch.name: switch.ports for switch in seed.switches}
    for name, spec in inventory.specs("Switch").items():
        subject = f"switch {name}"
        spec.setdefault("zone", OPEN)
        spec.setdefault("driver", "openvswitch")
        sighting = seen.switches.get(name)
        if sighting is None or isinstance(sighting, RingfenceError):
            yield _unseen(subject, sighting)
            sighting = SwitchSighting(bridges=())
        elif not sighting.ports:
            yield from _bridge(spec, sighting, subject=subject)
        spec.setdefault("bridge", OPEN)
        patterns = wanted.get(name, ())
        ours = _ports(name, inventory, sighting, patterns=patterns)
        yield from _names(ours, subject=subject)
        known = spec.get("ports")
        before: list[Any] = list(known) if isinstance(known, list) else []
        added = [port for port in ours if port not in before and re.fullmatch(PORT_PATTERN, port)]
        if before + added:
            spec["ports"] = before + sorted(added, key=natural) if before else sorted(added, key=natural)
        else:
            spec["ports"] = OPEN
            yield Remark(
                subject=subject,
                code="NoPorts",
                message="no node is cabled to it, and the seed asks for none of its ports",
                hint='cable a node to it, or ask for ports in the seed: ports: ["swp*"]',
                is_open=True,
            )
        yield from _gone(before, sighting, subject=subject)
        yield from _others(before + added, sighting, subject=subject)
        yield from _leaks(before + added, sighting, zone=_zone(inventory, spec), subject=subject)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts swp2 before swp10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _unseen(subject: str, error: RingfenceError | None) -> Remark:
    if error is None:
        message, hint = "has no address", "give it in the seed, or with --switch NAME=tcp:HOST:PORT"
        return Remark(subject=subject, code="NoAddress", message=message, hint=hint, is_open=True)
    message = f"could not be read, its document stays as it is: {error.message}"
    return Remark(subject=subject, code=error.reason, message=message, hint=error.hint)


def _bridge(spec: Document, sighting: SwitchSighting, *, subject: str) -> Iterator[Remark]:
    there = ", ".join(sighting.bridges) or "none"
    yield Remark(
        subject=subject,
        code="SwitchBridgeMissing",
        message=f"has no bridge {spec.get('bridge', '')} with ports; there are: {there}",
        hint="name the bridge in the seed, or with --switch NAME=ADDRESS,bridge=BRIDGE",
        is_open="bridge" not in spec,
    )


def _ports(name: str, inventory: Inventory, sighting: SwitchSighting, *, patterns: Sequence[str]) -> list[str]:
    cabled = {
        str(interface["port"])
        for spec in inventory.specs("Node").values()
        for interface in spec.get("interfaces", [])
        if isinstance(interface, dict) and interface.get("switch") == name and interface.get("port", OPEN) != OPEN
    }
    asked = {
        port.name
        for port in sighting.ports.values()
        if not port.is_internal and any(fnmatch.fnmatchcase(port.name, pattern) for pattern in patterns)
    }
    probes = [spec.get("probe") for spec in inventory.specs("Zone").values()]
    named = [port for probe in probes if isinstance(probe, dict) for port in probe.get("ports") or ()]
    tests = {
        str(port["port"])
        for port in named
        if isinstance(port, dict) and port.get("switch") == name and port.get("port")
    }
    return sorted(cabled | asked | tests, key=natural)


def _names(ports: Iterable[str], *, subject: str) -> Iterator[Remark]:
    for port in ports:
        if not re.fullmatch(PORT_PATTERN, port):
            message = f"port {port} is left out: a name is lower-case letters, digits and inner dashes"
            yield Remark(subject=subject, code="PortName", message=message, hint="rename the port on the switch")


def _gone(ports: Iterable[str], sighting: SwitchSighting, *, subject: str) -> Iterator[Remark]:
    for port in ports if sighting.ports else ():
        if port not in sighting.ports:
            message = f"port {port} stands in its document, and is not on the switch"
            hint = "take it out of spec.ports if it is gone for good; until then a plan cannot be carried out there"
            yield Remark(subject=subject, code="PortGone", message=message, hint=hint)


def _others(ports: Iterable[str], sighting: SwitchSighting, *, subject: str) -> Iterator[Remark]:
    others = [port for name, port in sighting.ports.items() if name not in set(ports) and not port.is_internal]
    if others:
        shown = ", ".join(_shown(port) for port in sorted(others, key=lambda port: natural(port.name))[:_SHOWN])
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        message = f"{len(others)} ports are not ours and are left alone: {shown}{more}"
        hint = "a port in spec.ports that no node uses is parked"
        yield Remark(subject=subject, code="OtherPorts", message=message, hint=hint)


def _shown(port: PortSighting) -> str:
    return f"{port.name} ({describe(port)})"


def describe(port: PortSighting) -> str:
    """Return how a port stands, in the operator's words."""
    return f"VLAN {port.state.vlan}" if port.state.mode is PortMode.ACCESS else "trunk"


def _leaks(ports: Iterable[str], sighting: SwitchSighting, *, zone: Document, subject: str) -> Iterator[Remark]:
    """Yield a remark for each port that is not ours and is on the VLAN which is to lead nowhere."""
    parking = zone.get("parkingVlan")
    for name, port in sighting.ports.items():
        if name not in set(ports) and not port.is_internal and isinstance(parking, int):
            if port.state.is_access(parking):
                message = f"port {name}, which is not ours, is on the parking VLAN {parking}: it leads somewhere"
            elif port.state.mode is not PortMode.ACCESS:
                message = f"port {name}, which is not ours, is a trunk: the parking VLAN {parking} may lead out there"
            else:
                continue
            hint = "choose a VLAN that nothing uses, or keep it off that port"
            yield Remark(subject=subject, code="ParkingLeads", message=message, hint=hint)


def _zone(inventory: Inventory, spec: Document) -> Document:
    return inventory.specs("Zone").get(str(spec.get("zone")), {})
