"""How long planning takes in a running loop, and assignment: ``python -m benchmarks.planning [NODES [CHANGED]]``.

The site is settled: ten enclaves of a hundredth of the nodes each (a hundred at most), whose members serve; everybody
else is free, off and parked. Observing is not in it: the observation is made up, and unchanged nodes are seen as the
same objects, as ``execute.observe`` keeps them.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import API_VERSION, AppraisalPolicy, Enclave, Image, Network, Node, Repository, Switch, Zone
from reconciler.model.observed import Assignment, NodeObservation, ObservedState, PortMode, PortState, PowerState
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.assign import assign_nodes
from reconciler.plan.memory import PlanMemory
from reconciler.plan.plan import Plan
from reconciler.plan.planner import plan

AnyKind = TypeVar("AnyKind", Repository, Zone, Switch, Network, Node, Image, AppraisalPolicy, Enclave)

ENCLAVES = 10
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
ROUNDS = 7
DIGEST = "sha256:" + "1" * 64
PCRS = (0, 2, 4, 7)


def measure(nodes: int, changed: int) -> dict[str, float]:
    """Return seconds of processor time by what was done, at ``nodes`` nodes of which ``changed`` change at a time.

    ``first`` is the first plan, ``unchanged`` one with nothing new, ``changed`` one after so many nodes' documents
    changed, ``larger`` one after an enclave asked for ``changed`` nodes more, ``assign`` all assignments from scratch.
    """
    desired = made_up_site(nodes)
    observed = settled(desired)
    heads = {name: seen.head for name, seen in observed.nodes.items()}
    memory = PlanMemory()
    found = {"first": _timed(lambda: _plan(desired, observed, memory), rounds=1)}
    found["unchanged"] = _timed(lambda: _plan(desired, seen_again(observed), memory))
    found["assign"] = _timed(lambda: assign_nodes(desired, heads), rounds=3)
    commits = iter([_with_changes(desired, changed, revision=revision) for revision in range(ROUNDS)])
    found["changed"] = _timed(lambda: _plan(next(commits), seen_again(observed), memory))
    larger = iter([_with_larger(desired, changed + revision) for revision in range(ROUNDS)])
    found["larger"] = _timed(lambda: _plan(next(larger), seen_again(observed), memory))
    return found


def made_up_site(nodes: int) -> DesiredState:
    """Return a desired state with so many nodes, of which every hundredth (at most a thousand) is asked for."""
    each = min(100, max(1, nodes // 100))
    names = [f"tor-{rack:04}" for rack in range(nodes // 40 + 1)]
    repository = {
        "trust": {"rules": [{"paths": ["**"], "signers": ["operator@example.org"]}]},
        "evidence": {"signers": ["ringfence@example.org"]},
    }
    zone = {"parkingVlan": 999, "airlockVlans": {"first": 1000, "last": 4000}}
    return DesiredState(
        commit="c" * 40,
        tree="d" * 40,
        repository=_parse(Repository, "ringfence", repository),
        zones={"east": _parse(Zone, "east", zone)},
        switches={name: _switch(name) for name in names},
        networks={f"net-{i}": _parse(Network, f"net-{i}", {"zone": "east", "vlan": 100 + i}) for i in range(ENCLAVES)},
        nodes={name: _node(index, name) for index, name in enumerate(f"n{i:06}" for i in range(nodes))},
        images={"worker": _image()},
        policies={"any": _parse(AppraisalPolicy, "any", {"pcrs": list(PCRS), "image": "derived"})},
        tenants={},
        enclaves={f"e{i}": _enclave(i, each) for i in range(ENCLAVES)},
        owners={f"e{i}": "acme" for i in range(ENCLAVES)},
        keys={},
        ek_roots=(),
        ek_intermediates=(),
        ek_crls=(),
    )


def settled(desired: DesiredState) -> ObservedState:
    """Return an observation of ``desired`` as it is when nothing is left to do."""
    enclave_of = assign_nodes(desired, {}).enclave_of
    return ObservedState(
        observed_at=NOW,
        listening_since=NOW - timedelta(days=1),
        nodes={
            name: _member(desired, name, enclave_of[name]) if name in enclave_of else _free(desired, name)
            for name in desired.nodes
        },
        spare_ports={
            (name, switch.spec.ports[-1]): _access(desired.zones[switch.spec.zone].spec.parking_vlan)
            for name, switch in desired.switches.items()
        },
        key_versions=dict.fromkeys(desired.keys, 1),
    )


def _parse(kind: type[AnyKind], name: str, spec: object, *, labels: dict[str, str] | None = None) -> AnyKind:
    document = {
        "apiVersion": API_VERSION,
        "kind": kind.__name__,
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
    }
    return kind.model_validate_json(json.dumps(document))


def _switch(name: str) -> Switch:
    ports = [f"swp{i}" for i in range(1, 49)]
    spec = {"zone": "east", "driver": "openvswitch", "address": "tcp:127.0.0.1:6640", "bridge": name, "ports": ports}
    return _parse(Switch, name, spec)


def _node(index: int, name: str) -> Node:
    rack = index // 40
    mac = index.to_bytes(4, "big").hex(":")
    spec = {
        "zone": "east",
        "bmc": {"driver": "ipmi", "address": "127.0.0.1", "credentials": f"bmc/{name}"},
        "interfaces": [
            {"name": "eno1", "mac": f"52:54:{mac}", "switch": f"tor-{rack:04}", "port": f"swp{index % 40 + 1}"}
        ],
        "tpm": {"endorsement": DIGEST},
        "firmware": {"family": "uefi", "profile": "ovmf"},
        "airlock": {"vlan": 1000 + index % 3000},
    }
    return _parse(Node, name, spec, labels={"rack": f"r{rack:04}", "class": f"c{index % 4}"})


def _image() -> Image:
    measured = {"pcr4": ["2" * 64], "pcr9": [], "pcr11": ["3" * 64]}
    return _parse(Image, "worker", {"digest": DIGEST, "measurements": measured})


def _enclave(index: int, count: int) -> Enclave:
    nodes = {"count": count, "select": {"class": f"c{index % 4}"}, "spread": "rack"}
    spec = {"nodes": nodes, "image": "worker", "policy": "any", "networks": [f"net-{index}"]}
    return _parse(Enclave, f"e{index}", {**spec, "priority": index})


def _free(desired: DesiredState, name: str) -> NodeObservation:
    return NodeObservation(node=name, power=PowerState.OFF, ports=_ports(desired, name, desired.parking_vlan(name)))


def _member(desired: DesiredState, name: str, enclave: str) -> NodeObservation:
    spec = desired.enclaves[enclave].spec
    image = desired.images[spec.image].spec.digest
    pcrs = desired.policies[spec.policy].spec.pcrs
    served = Assignment(node=name, enclave=enclave, image=image, pcrs=pcrs, attempt="a1", assigned_at=NOW)
    head = Head(
        node=name,
        sequence=4,
        digest=DIGEST,
        phase=Phase.ENCLAVE,
        enclave=enclave,
        attempt="a1",
        image=image,
        commit=desired.commit,
        assigned_at=NOW,
        accepted_at=NOW,
        admitted_at=NOW,
        confirmed_at=NOW,
        keys=dict.fromkeys(spec.keys, 1),
    )
    ports = _ports(desired, name, desired.enclave_vlan(enclave))
    return NodeObservation(node=name, power=PowerState.ON, ports=ports, assignment=served, head=head)


def _ports(desired: DesiredState, name: str, vlan: int) -> dict[str, PortState]:
    """Return the node's ports: the first on ``vlan``, every other one parked."""
    first, *others = (interface.name for interface in desired.nodes[name].spec.interfaces)
    return {first: _access(vlan)} | dict.fromkeys(others, _access(desired.parking_vlan(name)))


def _access(vlan: int) -> PortState:
    return PortState(mode=PortMode.ACCESS, vlan=vlan)


def seen_again(observed: ObservedState) -> ObservedState:
    """Return the observation as the next pass makes it, in which nothing has changed."""
    return replace(observed, nodes=dict(observed.nodes))


def _with_changes(desired: DesiredState, changed: int, *, revision: int) -> DesiredState:
    """Return ``desired`` as a new commit has it: so many nodes' BMCs have moved, all over the site."""
    nodes = dict(desired.nodes)
    for name in list(nodes)[:: max(1, len(nodes) // changed)][:changed]:
        spec = nodes[name].spec
        bmc = spec.bmc.model_copy(update={"address": f"127.0.1.{revision + 1}"})
        nodes[name] = nodes[name].model_copy(update={"spec": spec.model_copy(update={"bmc": bmc})})
    return replace(desired, commit=f"{revision:040}", nodes=nodes)


def _with_larger(desired: DesiredState, more: int) -> DesiredState:
    enclave = desired.enclaves["e1"]
    selection = enclave.spec.nodes.model_copy(update={"count": (enclave.spec.nodes.count or 0) + more})
    larger = enclave.model_copy(update={"spec": enclave.spec.model_copy(update={"nodes": selection})})
    return replace(
        desired, commit=f"{more:040}", nodes=dict(desired.nodes), enclaves={**desired.enclaves, "e1": larger}
    )


def _plan(desired: DesiredState, observed: ObservedState, memory: PlanMemory) -> Plan:
    return plan(desired, observed=observed, verdicts={}, now=NOW, memory=memory)


def _timed(work: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """Return the median of the seconds of processor time that ``work`` takes: what else runs takes none of it."""
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return statistics.median(seconds)


def main() -> None:
    """Print what was measured, in milliseconds."""
    given = [int(each) for each in sys.argv[1:]]
    nodes, changed = (*given, 100_000, 10)[:2] if len(given) != 1 else (given[0], 10)
    for what, seconds in measure(nodes, changed).items():
        print(f"{what:<10} {seconds * 1000:>10,.1f} ms")  # noqa: T201  # a script prints what it measured


if __name__ == "__main__":
    main()
