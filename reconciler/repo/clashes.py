"""Find what two documents claim at once.

Rules: a MAC, a switch port, a BMC, a TPM and a bridge belong to one document each; VLANs of a zone are for one
purpose each, and a network for one tenant; a node that is named is named by one enclave. Both places are told: the
finding stands at the second, its hint names the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple, cast

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Bmc, Document, Enclave, Interface, Network, Node, Switch, Zone
from reconciler.repo.catalogue import Catalogue, Located


class _Claim(NamedTuple):
    """A document says that ``what`` (known as ``shown``) is its own."""

    what: Hashable
    shown: str
    by: Located[Document]
    location: tuple[str | int, ...]


def check_clashes(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for every claim to something that is claimed already."""
    nodes = found.all(Node).values()
    for code, hint, claims in (
        ("DuplicateMac", "a MAC address belongs to one interface", _macs(nodes)),
        ("PortTwice", "a switch port takes one cable", itertools.chain(_test_ports(found), _ports(nodes))),
        ("InterfaceTwice", "give each interface of a node its own name", _interfaces(nodes)),
        ("BmcTwice", "a BMC belongs to one node", _bmcs(nodes)),
        ("EndorsementTwice", "a TPM belongs to one node", _endorsements(nodes)),
        ("SwitchTwice", "describe a bridge once", _bridges(found)),
        ("VlanClash", "choose another VLAN", _vlans(found)),
        ("NodeTwice", "a node serves one enclave", _members(found)),
    ):
        yield from _second_claims(claims, code=code, hint=hint)
    yield from _check_ranges(found)
    yield from _check_shared_networks(found)


def node_claims(nodes: Iterable[Located[Node]]) -> Iterator[tuple[str, Hashable, str]]:
    """Yield what each of ``nodes`` claims as its own: the code of a second claim to it, what it is, and the node."""
    for node in nodes:
        name, spec = node.name, node.document.spec
        for interface in spec.interfaces:
            yield "DuplicateMac", interface.mac, name
            yield "PortTwice", _port(interface), name
        yield "BmcTwice", _bmc(spec.bmc), name
        yield "EndorsementTwice", spec.tpm.endorsement, name
        yield "VlanClash", (spec.zone, spec.airlock.vlan), name


def _port(interface: Interface) -> Hashable:
    return interface.switch, interface.port


def _bmc(bmc: Bmc) -> Hashable:
    return bmc.address.lower(), bmc.listens_on, bmc.system


def _second_claims(claims: Iterable[_Claim], *, code: str, hint: str) -> Iterator[Finding]:
    first: dict[Hashable, _Claim] = {}
    for claim in claims:
        earlier = first.setdefault(claim.what, claim)
        if earlier is not claim:
            message = f"{claim.shown} is taken by {_called(earlier.by)}"
            told = f"see {earlier.by.place(*earlier.location)}; {hint}"
            yield claim.by.find(*claim.location, code=code, message=message, hint=told)


def _called(located: Located[Document]) -> str:
    return f"{type(located.document).__name__.lower()} {located.name}"


def _macs(nodes: Iterable[Located[Node]]) -> Iterator[_Claim]:
    for node in nodes:
        for i, interface in enumerate(node.document.spec.interfaces):
            at = ("spec", "interfaces", i, "mac")
            yield _Claim(what=interface.mac, shown=interface.mac, by=_any(node), location=at)


def _ports(nodes: Iterable[Located[Node]]) -> Iterator[_Claim]:
    for node in nodes:
        for i, interface in enumerate(node.document.spec.interfaces):
            shown = f"port {interface.port} of switch {interface.switch}"
            yield _Claim(what=_port(interface), shown=shown, by=_any(node), location=("spec", "interfaces", i, "port"))


def _test_ports(found: Catalogue) -> Iterator[_Claim]:
    for zone in found.all(Zone).values():
        for i, port in enumerate(zone.document.spec.probe.ports if zone.document.spec.probe else ()):
            shown = f"port {port.port} of switch {port.switch}"
            at = ("spec", "probe", "ports", i, "port")
            yield _Claim(what=(port.switch, port.port), shown=shown, by=_any(zone), location=at)


def _interfaces(nodes: Iterable[Located[Node]]) -> Iterator[_Claim]:
    for node in nodes:
        for i, interface in enumerate(node.document.spec.interfaces):
            what = (node.name, interface.name)
            at = ("spec", "interfaces", i, "name")
            yield _Claim(what=what, shown=f"interface {interface.name}", by=_any(node), location=at)


def _bmcs(nodes: Iterable[Located[Node]]) -> Iterator[_Claim]:
    for node in nodes:
        bmc = node.document.spec.bmc
        shown = f"BMC {bmc.address} port {bmc.listens_on}" + (f" system {bmc.system}" if bmc.system else "")
        yield _Claim(what=_bmc(bmc), shown=shown, by=_any(node), location=("spec", "bmc", "address"))


def _endorsements(nodes: Iterable[Located[Node]]) -> Iterator[_Claim]:
    for node in nodes:
        digest = node.document.spec.tpm.endorsement
        at = ("spec", "tpm", "endorsement")
        yield _Claim(what=digest, shown=f"the TPM {digest[:19]}…", by=_any(node), location=at)


def _bridges(found: Catalogue) -> Iterator[_Claim]:
    for switch in found.all(Switch).values():
        spec = switch.document.spec
        shown = f"bridge {spec.bridge} at {spec.address}" if spec.bridge else f"a switch at {spec.address}"
        at = ("spec", "bridge" if spec.bridge else "address")
        yield _Claim(what=(spec.address, spec.bridge), shown=shown, by=_any(switch), location=at)


def _vlans(found: Catalogue) -> Iterator[_Claim]:
    """Yield what single VLANs are for: parking, probes, networks, airlocks. Whole ranges are checked apart."""
    for zone in found.all(Zone).values():
        vlan = zone.document.spec.parking_vlan
        shown = f"VLAN {vlan} of zone {zone.name}"
        yield _Claim(what=(zone.name, vlan), shown=shown, by=_any(zone), location=("spec", "parkingVlan"))
        probe = zone.document.spec.probe
        if probe is not None:
            shown = f"VLAN {probe.vlan} of zone {zone.name}"
            yield _Claim(what=(zone.name, probe.vlan), shown=shown, by=_any(zone), location=("spec", "probe", "vlan"))
    for network in found.all(Network).values():
        spec = network.document.spec
        shown = f"VLAN {spec.vlan} of zone {spec.zone}"
        yield _Claim(what=(spec.zone, spec.vlan), shown=shown, by=_any(network), location=("spec", "vlan"))
    yield from _airlocks(found.all(Node).values())


def _airlocks(nodes: Iterable[Located[Node]]) -> Iterator[_Claim]:
    for node in nodes:
        vlan, name = node.document.spec.airlock.vlan, node.document.spec.zone
        at = ("spec", "airlock", "vlan")
        yield _Claim(what=(name, vlan), shown=f"VLAN {vlan} of zone {name}", by=_any(node), location=at)


def _members(found: Catalogue) -> Iterator[_Claim]:
    for enclave in found.all(Enclave).values():
        for i, name in enumerate(enclave.document.spec.nodes.names or ()):
            at = ("spec", "nodes", "names", i)
            yield _Claim(what=name, shown=f"node {name}", by=_any(enclave), location=at)


def _check_ranges(found: Catalogue) -> Iterator[Finding]:
    zones = found.all(Zone)
    for zone in zones.values():
        if _is_airlock(zone, zone.document.spec.parking_vlan):
            message = f"VLAN {zone.document.spec.parking_vlan} is one of the zone's airlock VLANs"
            yield zone.find("spec", "parkingVlan", code="VlanClash", message=message, hint="park outside the range")
        probe = zone.document.spec.probe
        if probe is not None and _is_airlock(zone, probe.vlan):
            message = f"VLAN {probe.vlan} is one of the zone's airlock VLANs"
            yield zone.find("spec", "probe", "vlan", code="VlanClash", message=message, hint="probe outside the range")
    for network in found.all(Network).values():
        spec = network.document.spec
        home = zones.get(spec.zone)
        if home and _is_airlock(home, spec.vlan):
            message = f"VLAN {spec.vlan} is one of the airlock VLANs of zone {spec.zone}"
            hint = f"see {home.place('spec', 'airlockVlans')}; choose a VLAN outside the range"
            yield network.find("spec", "vlan", code="VlanClash", message=message, hint=hint)
    for node in found.all(Node).values():
        home = zones.get(node.document.spec.zone)
        vlan = node.document.spec.airlock.vlan
        if home and not _is_airlock(home, vlan):
            limits = home.document.spec.airlock_vlans
            message = f"VLAN {vlan} is not one of the airlock VLANs of zone {home.name}"
            hint = f"choose one from {limits.first} to {limits.last}, or see {home.place('spec', 'airlockVlans')}"
            yield node.find("spec", "airlock", "vlan", code="VlanClash", message=message, hint=hint)


def _is_airlock(zone: Located[Zone], vlan: int) -> bool:
    limits = zone.document.spec.airlock_vlans
    return limits.first <= vlan <= limits.last


def _check_shared_networks(found: Catalogue) -> Iterator[Finding]:
    first: dict[str, Located[Enclave]] = {}
    for enclave in found.all(Enclave).values():
        for i, name in enumerate(enclave.document.spec.networks):
            earlier = first.setdefault(name, enclave)
            if earlier.tenant != enclave.tenant:
                message = f"network {name} is used by tenant {earlier.tenant}"
                hint = f"see {earlier.place('spec', 'networks')}; a network belongs to one tenant"
                yield enclave.find("spec", "networks", i, code="NetworkShared", message=message, hint=hint)


def _any(
    located: Located[Node] | Located[Switch] | Located[Network] | Located[Zone] | Located[Enclave],
) -> Located[Document]:
    return cast("Located[Document]", located)
