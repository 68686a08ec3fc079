"""Desired states for tests, built in a few words: ``site(nodes=3, enclaves=[EnclaveShape(name="blue", count=2)])``.

Rules: equal shapes give equal states; the inventory is the same for every state of one ``nodes``, so that states can
follow each other as commits do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import (
    API_VERSION,
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
from tests.support.firmware import firmware_events, measurements_of, replay
from tests.support.softtpm import DEFAULT_PCRS, SoftTpm

PARKING = 999
FIRST_AIRLOCK = 100
FIRST_NETWORK = 200
ENCLAVES = ("blue", "green", "red")
IMAGES = ("worker", "worker-2")

AnyKind = TypeVar("AnyKind", Repository, Zone, Switch, Network, Node, Image, AppraisalPolicy, Tenant, Key, Enclave)


@dataclass(frozen=True, kw_only=True)
class NodeShape:
    """What varies between nodes."""

    interfaces: int = 1
    size: str = "small"
    cleared: int = 0
    rack: str | None = None
    drift: str = "heal"


@dataclass(frozen=True, kw_only=True)
class EnclaveShape:
    """What varies between enclaves; ``names`` or ``count``."""

    name: str
    count: int | None = None
    names: tuple[str, ...] | None = None
    size: str | None = None
    image: str = IMAGES[0]
    policy: str = "measured-boot"
    keys: tuple[str, ...] = field(default=("common",))
    reattest: str = "30s"
    priority: int = 0
    preemptible: bool = False
    spread: str | None = None
    suspend: bool = False
    max_unavailable: int | None = None
    maintenance: tuple[dict[str, Any], ...] = ()
    drift: str = "heal"


def site(
    *,
    nodes: int | Sequence[NodeShape] = 3,
    enclaves: Sequence[EnclaveShape] = (),
    switches: int = 1,
    revision: int = 0,
    measured: str = "",
    freeze: str | None = None,
    maintenance: Sequence[dict[str, Any]] = (),
    rotation: str | None = None,
    switch_drift: str = "heal",
    fights: int = 3,
) -> DesiredState:
    """Return the desired state with that inventory and those enclaves, as commit number ``revision``.

    ``measured`` changes what every image measures (another build of the same name). ``freeze`` is a freeze's reason,
    ``maintenance`` the repository's windows, ``rotation`` how old any key may be, ``fights`` how
    often drift is put right within an hour.
    """
    shapes = [NodeShape()] * nodes if isinstance(nodes, int) else list(nodes)
    names = [f"n{index}" for index in range(1, len(shapes) + 1)]
    wiring = [f"tor-{index + 1}" for index in range(switches)]
    return DesiredState(
        commit=hashlib.sha1(f"commit {revision}".encode(), usedforsecurity=False).hexdigest(),
        tree=hashlib.sha1(f"tree {revision}".encode(), usedforsecurity=False).hexdigest(),
        repository=_repository(freeze, maintenance, fights),
        zones={"east": _zone()},
        switches={name: _switch(name, ports=2 * len(shapes) + 1, drift=switch_drift) for name in wiring},
        networks={f"{name}-net": _network(index, name) for index, name in enumerate(ENCLAVES)},
        nodes={
            name: _node(index, name, shape, wiring)
            for index, (name, shape) in enumerate(zip(names, shapes, strict=True))
        },
        images={name: _image(name, measured) for name in IMAGES},
        policies={"measured-boot": _policy("measured-boot"), "pinned": _policy("pinned")},
        tenants={"acme": _parse(Tenant, "acme", {})},
        enclaves={shape.name: _enclave(shape) for shape in enclaves},
        owners={shape.name: "acme" for shape in enclaves},
        keys={
            key: _parse(Key, key, {"type": "disk", "rotation": rotation})
            for key in sorted({key for shape in enclaves for key in shape.keys})
        },
        ek_roots=SoftTpm("n1").ek_roots,
        ek_intermediates=(),
        ek_crls=(),
    )


def _parse(kind: type[AnyKind], name: str, spec: dict[str, Any], *, labels: dict[str, str] | None = None) -> AnyKind:
    document = {
        "apiVersion": API_VERSION,
        "kind": kind.__name__,
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
    }
    return kind.model_validate_json(json.dumps(document))


def _repository(freeze: str | None, maintenance: Sequence[dict[str, Any]], fights: int) -> Repository:
    rule = {"paths": ["**"], "signers": ["operator@example.org"]}
    spec: dict[str, Any] = {"trust": {"rules": [rule]}, "evidence": {"signers": ["ringfence@example.org"]}}
    spec["maintenance"] = list(maintenance)
    spec["fights"] = {"limit": fights}
    spec["freeze"] = None if freeze is None else {"reason": freeze}
    return _parse(Repository, "ringfence", spec)


def _zone() -> Zone:
    spec = {"parkingVlan": PARKING, "airlockVlans": {"first": FIRST_AIRLOCK, "last": FIRST_AIRLOCK + 99}}
    return _parse(Zone, "east", spec)


def _switch(name: str, *, ports: int, drift: str) -> Switch:
    spec = {
        "zone": "east",
        "driver": "openvswitch",
        "address": "tcp:127.0.0.1:6640",
        "bridge": name,
        "ports": [f"swp{index}" for index in range(1, ports + 1)],
        "drift": drift,
    }
    return _parse(Switch, name, spec)


def _node(index: int, name: str, shape: NodeShape, switches: Sequence[str]) -> Node:
    interfaces = [
        {
            "name": f"eno{card + 1}",
            "mac": f"52:54:00:00:{card:02x}:{index + 1:02x}",
            "switch": switches[(index + card) % len(switches)],
            "port": f"swp{2 * index + card + 1}",
        }
        for card in range(shape.interfaces)
    ]
    spec = {
        "zone": "east",
        "bmc": {"driver": "ipmi", "address": "127.0.0.1:6230", "credentials": f"bmc/{name}"},
        "interfaces": interfaces,
        "tpm": {"endorsement": SoftTpm(name).endorsement},
        "firmware": {"family": "uefi", "profile": "ovmf"},
        "airlock": {"vlan": FIRST_AIRLOCK + index + 1},
        "cleared": shape.cleared,
        "drift": shape.drift,
    }
    return _parse(Node, name, spec, labels={"size": shape.size} | ({"rack": shape.rack} if shape.rack else {}))


def _image(name: str, measured: str) -> Image:
    digest = hashlib.sha256(f"{name} {measured}".encode()).hexdigest()
    measurements = measurements_of(f"{name} {measured}")
    spec = {"digest": f"sha256:{digest}", "measurements": measurements.model_dump(mode="json", by_alias=True)}
    return _parse(Image, name, spec)


def _network(index: int, enclave: str) -> Network:
    return _parse(Network, f"{enclave}-net", {"zone": "east", "vlan": FIRST_NETWORK + index})


def _policy(name: str) -> AppraisalPolicy:
    spec: dict[str, Any] = {"pcrs": list(DEFAULT_PCRS), "image": "derived"}
    if name == "pinned":
        values = replay(firmware_events("ovmf", secure_boot=False))
        spec["pcrs"] = list(DEFAULT_PCRS[:-1])
        spec["firmware"] = [{"profile": "ovmf", "pcrs": {str(pcr): [values[pcr].hex()] for pcr in (0, 2, 7)}}]
    return _parse(AppraisalPolicy, name, spec)


def _enclave(shape: EnclaveShape) -> Enclave:
    nodes: dict[str, Any] = {"names": list(shape.names)} if shape.names is not None else {"count": shape.count or 0}
    if shape.size is not None:
        nodes["select"] = {"size": shape.size}
    if shape.spread is not None:
        nodes["spread"] = shape.spread
    spec = {
        "nodes": nodes,
        "image": shape.image,
        "policy": shape.policy,
        "networks": [f"{shape.name}-net"],
        "keys": list(shape.keys),
        "reattest": shape.reattest,
        "priority": shape.priority,
        "preemptible": shape.preemptible,
        "suspend": shape.suspend,
        "disruption": {"maxUnavailable": shape.max_unavailable},
        "maintenance": list(shape.maintenance),
        "drift": shape.drift,
    }
    return _parse(Enclave, shape.name, spec)
