"""Find names that lead nowhere, or may not be mentioned from where they are.

Rules: a finding for each dangling name, with what was perhaps meant; keys are the tenant's own; what is cabled or
networked together lies in one zone; signers that rules name are in ``trust/allowed_signers``.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import (
    AppraisalPolicy,
    Enclave,
    Image,
    Key,
    Network,
    Node,
    Repository,
    Switch,
    Tenant,
    Zone,
)
from reconciler.repo import layout
from reconciler.repo.catalogue import Catalogue, D, Located
from reconciler.repo.mentions import meant, mention
from reconciler.repo.policies import check_policies
from reconciler.repo.signers import AllowedSigners


def check_references(
    found: Catalogue, *, signers: AllowedSigners, gpg: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """Yield a finding for every mention that leads nowhere, or where it may not; ``gpg`` signs commits by GPG."""
    for repository in found.all(Repository).values():
        yield from _check_signers(repository, signers=signers, gpg=gpg)
    for zone in found.all(Zone).values():
        yield from _check_probe(found, zone)
    for switch in found.all(Switch).values():
        yield from mention(found, switch, Zone, switch.document.spec.zone, "spec", "zone")
        yield from _check_trunks(found, switch)
    for network in found.all(Network).values():
        yield from mention(found, network, Zone, network.document.spec.zone, "spec", "zone")
    for node in found.all(Node).values():
        yield from _check_node(found, node)
    for key in found.all(Key).values():
        yield from _check_tenant(found, key)
    yield from check_policies(found)
    for enclave in found.all(Enclave).values():
        yield from _check_tenant(found, enclave)
        yield from _check_enclave(found, enclave)


def _check_signers(
    repository: Located[Repository], *, signers: AllowedSigners, gpg: frozenset[str]
) -> Iterator[Finding]:
    spec = repository.document.spec
    mentions: list[tuple[tuple[str | int, ...], str]] = [
        ((("spec", "trust", "rules", i, "signers", j)), name)
        for i, rule in enumerate(spec.trust.rules)
        for j, name in enumerate(rule.signers)
    ]
    mentions += [(("spec", "evidence", "signers", j), name) for j, name in enumerate(spec.evidence.signers)]
    yield from _check_witnesses(repository, signers=signers)
    for location, name in mentions:
        known = (
            signers.principals if location[1] == "evidence" else signers.principals | gpg
        )  # Evidence is signed by SSH.
        if name not in known and signers.signers:  # Without any, that alone is the finding.
            hint = meant(name, known) or f"add a line for {name} to {layout.ALLOWED_SIGNERS}"
            message = f"there is no signer {name}"
            yield repository.find(*location, code="DanglingReference", message=message, hint=hint)


def _check_witnesses(repository: Located[Repository], *, signers: AllowedSigners) -> Iterator[Finding]:
    known = {signer.principal for signer in signers.signers if "ssh-ed25519" in signer.line.split()}
    for j, witness in enumerate(repository.document.spec.evidence.witnesses.known):
        if witness.signer not in known and signers.signers:
            here = ("spec", "evidence", "witnesses", "known", j, "signer")
            hint = meant(witness.signer, known) or f"add a line for {witness.signer} to {layout.ALLOWED_SIGNERS}"
            message = f"there is no signer {witness.signer} with an Ed25519 key"
            yield repository.find(*here, code="DanglingReference", message=message, hint=hint)


def _check_trunks(found: Catalogue, switch: Located[Switch]) -> Iterator[Finding]:
    zone = found.all(Zone).get(switch.document.spec.zone)
    parking = zone.document.spec.parking_vlan if zone else None
    for i, trunk in enumerate(switch.document.spec.trunks):
        carried = trunk.carried()
        if parking in carried.vlans | {carried.native}:
            here = ("spec", "trunks", i, "native" if carried.native == parking else "vlans")
            message = f"trunk {trunk.port} carries VLAN {parking}, on which zone {zone.name if zone else ''} parks"
            hint = "that VLAN leads nowhere, so no trunk carries it (docs/hardware.md)"
            yield switch.find(*here, code="VlanClash", message=message, hint=hint)


def _check_probe(found: Catalogue, zone: Located[Zone]) -> Iterator[Finding]:
    for i, test in enumerate(zone.document.spec.probe.ports if zone.document.spec.probe else ()):
        here = ("spec", "probe", "ports", i)
        yield from mention(found, zone, Switch, test.switch, *here, "switch")
        switch = found.all(Switch).get(test.switch)
        if switch is None:
            continue
        yield from _check_port(zone, switch, test.port, *here, "port")
        if switch.document.spec.zone != zone.name:
            message = f"switch {switch.name} is in zone {switch.document.spec.zone}"
            hint = "a test port is at a switch of its own zone"
            yield zone.find(*here, "switch", code="ZoneMismatch", message=message, hint=hint)


def _check_port(located: Located[D], switch: Located[Switch], port: str, *location: str | int) -> Iterator[Finding]:
    ports = switch.document.spec.ports
    if port not in ports:
        hint = meant(port, ports) or f"add it to spec.ports in {switch.raw.path}"
        message = f"switch {switch.name} has no port {port}"
        yield located.find(*location, code="DanglingReference", message=message, hint=hint)


def _check_node(found: Catalogue, node: Located[Node]) -> Iterator[Finding]:
    spec = node.document.spec
    yield from mention(found, node, Zone, spec.zone, "spec", "zone")
    for i, interface in enumerate(spec.interfaces):
        here = ("spec", "interfaces", i)
        yield from mention(found, node, Switch, interface.switch, *here, "switch")
        switch = found.all(Switch).get(interface.switch)
        if switch is None:
            continue
        yield from _check_port(node, switch, interface.port, *here, "port")
        if switch.document.spec.zone != spec.zone and {switch.document.spec.zone, spec.zone} <= found.all(Zone).keys():
            message = f"switch {switch.name} is in zone {switch.document.spec.zone}, the node in {spec.zone}"
            yield node.find(*here, "switch", code="ZoneMismatch", message=message, hint="one of the two is wrong")


def _check_enclave(found: Catalogue, enclave: Located[Enclave]) -> Iterator[Finding]:
    spec = enclave.document.spec
    yield from mention(found, enclave, Image, spec.image, "spec", "image")
    yield from mention(found, enclave, AppraisalPolicy, spec.policy, "spec", "policy")
    for i, name in enumerate(spec.networks):
        yield from mention(found, enclave, Network, name, "spec", "networks", i)
    for i, name in enumerate(spec.keys):
        yield from mention(found, enclave, Key, name, "spec", "keys", i)
        key = found.all(Key).get(name)
        if key and key.tenant != enclave.tenant:
            message = f"key {name} belongs to tenant {key.tenant}"
            hint = f"declare a key in tenants/{enclave.tenant}/keys"
            yield enclave.find("spec", "keys", i, code="NotYours", message=message, hint=hint)
    networks = [network.document for name in spec.networks if (network := found.all(Network).get(name))]
    zones = {network.spec.zone for network in networks} & found.all(Zone).keys()
    for i, name in enumerate(spec.nodes.names or ()):
        here = ("spec", "nodes", "names", i)
        yield from mention(found, enclave, Node, name, *here)
        node = found.all(Node).get(name)
        if node and zones and node.document.spec.zone not in zones:
            message = f"node {name} is in zone {node.document.spec.zone}, the enclave's network in {', '.join(zones)}"
            hint = "name nodes of the network's zone"
            yield enclave.find(*here, code="ZoneMismatch", message=message, hint=hint)


def _check_tenant(found: Catalogue, located: Located[D]) -> Iterator[Finding]:
    tenant = located.tenant or ""
    if not found.is_known(Tenant, tenant):
        hint = f"add tenants/{tenant}/tenant.yaml"
        message = f"there is no tenant {tenant}"
        yield located.find("metadata", "name", code="DanglingReference", message=message, hint=hint)
