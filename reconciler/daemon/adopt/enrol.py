"""One machine as a document: what ``ringfence node add`` puts on a branch, checked before anything is committed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.daemon.adopt.airlocks import lowest_free
from reconciler.daemon.adopt.switches import natural
from reconciler.daemon.adopt.words import bmc_of
from reconciler.errors.taxonomy import InputError, cut
from reconciler.model.base import Value
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import USUAL_PORTS, Node, Switch
from reconciler.repo import layout
from reconciler.repo.desired import load_desired
from reconciler.repo.documents import parse_documents
from reconciler.repo.edit import document_bytes, set_field
from reconciler.repo.snapshot import Snapshot

_INTERFACE = re.compile(r"(?P<name>[^=]+)=(?P<mac>[0-9A-Fa-f:-]+)@(?P<switch>[^:]+):(?P<port>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A machine as the command line describes it; ``interfaces`` are ``eno1=MAC@SWITCH:PORT``."""

    name: str
    zone: str
    bmc: str
    credentials: str
    interfaces: Sequence[str]
    endorsement: str
    family: str
    profile: str
    labels: Mapping[str, str] = field(default_factory=dict)
    airlock_vlan: int | None = None


def enrol(snapshot: Snapshot, new: NewNode) -> tuple[dict[str, bytes], DesiredState]:
    """Return the files that bring ``new`` into the repository in ``snapshot``, and the desired state with them.

    Ports that the switches' documents lack are added to them. InputError: with every finding if the result would not
    be valid, or if the repository is not valid as it is.
    """
    before = load_desired(snapshot)
    if new.name in before.nodes:
        hint = "choose another name, or edit its document"
        raise InputError(f"node {new.name}", "is in the repository already", reason="DuplicateName", hint=hint)
    path = layout.KINDS[Node.__name__].shown.replace("*", new.name)
    cables = [_cable(word) for word in new.interfaces]
    files = {path: document_bytes(_document(new, cables, before))}
    files |= _with_ports(snapshot, before, cables)
    with_it = replace(snapshot, files=dict(sorted({**snapshot.files, **files}.items())))
    return files, load_desired(with_it)


def _document(new: NewNode, cables: list[dict[str, Any]], before: DesiredState) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": new.name}
    if new.labels:
        metadata["labels"] = dict(new.labels)
    vlan = new.airlock_vlan if new.airlock_vlan is not None else _airlock(new.zone, before)
    return {
        "kind": "Node",
        "metadata": metadata,
        "spec": {
            "zone": new.zone,
            "bmc": _bmc(new.bmc, credentials=new.credentials),
            "interfaces": cables,
            "tpm": {"endorsement": new.endorsement},
            "firmware": {"family": new.family, "profile": new.profile},
            "airlock": {"vlan": vlan},
        },
    }


def _airlock(zone: str, before: DesiredState) -> int:
    if zone not in before.zones:
        hint = f"zones are {', '.join(sorted(before.zones)) or 'none; add one to site/zones'}"
        raise InputError(
            f"zone {cut(zone)}", "is not in the commit that is checked out", reason="DanglingReference", hint=hint
        )
    zones = {name: _plain(document.spec) for name, document in before.zones.items()}
    networks = [_plain(document.spec) for document in before.networks.values()]
    nodes = [_plain(document.spec) for document in before.nodes.values()]
    vlan = lowest_free(zone, zones=zones, networks=networks, nodes=nodes)
    if vlan is None:
        hint = "widen airlockVlans in the zone's document"
        raise InputError(f"zone {zone}", "has no free airlock VLAN", reason="AirlocksFull", hint=hint)
    return vlan


def _plain(value: Value) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True)


def _bmc(word: str, *, credentials: str) -> dict[str, Any]:
    found = bmc_of(word)
    if found is None:
        hint = "write ADDRESS[:PORT], perhaps with ,driver=redfish,certificate=sha256:…"
        raise InputError(f"--bmc {cut(word)}", "is no address", reason="BadAddress", hint=hint)
    whole = {"driver": "ipmi", **found, "credentials": credentials}
    if "port" in whole and whole["port"] == USUAL_PORTS.get(whole["driver"]):
        del whole["port"]
    return {name: whole[name] for name in ("driver", *whole)}


def _cable(word: str) -> dict[str, Any]:
    found = _INTERFACE.fullmatch(word)
    if found is None:
        hint = "write NAME=MAC@SWITCH:PORT, as in: eno1=52:54:00:00:03:07@tor:swp7"
        raise InputError(f"--interface {cut(word)}", "is no cable", reason="BadInterface", hint=hint)
    return {**found.groupdict(), "mac": found["mac"].lower().replace("-", ":")}


def _with_ports(snapshot: Snapshot, before: DesiredState, cables: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return the switches' files with the ports that they lack; an unknown switch is a finding later."""
    files: dict[str, bytes] = {}
    for cable in cables:
        switch: Switch | None = before.switches.get(cable["switch"])
        place = _find(snapshot, cable["switch"]) if switch else None
        if switch is None or place is None:
            continue
        path, number = place
        content = files.get(path, snapshot.files[path])
        raws, _ = parse_documents(content, path=path)
        value: Any = raws[number].value
        ports = value["spec"]["ports"]
        if cable["port"] not in ports:
            wanted = [*ports, cable["port"]]
            if ports == sorted(ports, key=natural):
                wanted.sort(key=natural)
            files[path] = set_field(content, path=("spec", "ports"), value=wanted, document=number)
    return files


def _find(snapshot: Snapshot, switch: str) -> tuple[str, int] | None:
    for path, content in snapshot.files.items():
        spot = layout.locate(path)
        if spot is None or spot.place.kind is not Switch:
            continue
        for number, raw in enumerate(parse_documents(content, path=path)[0]):
            value: Any = raw.value
            if value["metadata"]["name"] == switch:
                return path, number
    return None
