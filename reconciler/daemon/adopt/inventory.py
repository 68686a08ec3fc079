"""The inventory before anybody has looked: what the repository holds already, with the seed over it.

Rules: documents that are there are known by kind and name, wherever they stand; a placeholder of an earlier adoption
counts as nothing; what the seed says wins over what the repository says, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.daemon.adopt.remarks import OPEN
from reconciler.daemon.adopt.seed import Seed, SeedNode
from reconciler.errors.taxonomy import InputError
from reconciler.model.base import Value
from reconciler.model.kinds import API_VERSION, Network, Node, Switch, Zone
from reconciler.repo import layout
from reconciler.repo.documents import Plain, parse_documents
from reconciler.repo.edit import merged
from reconciler.repo.snapshot import Snapshot

KINDS = ("Zone", "Switch", "Network", "Node")
_TYPES = (Zone, Switch, Network, Node)
Key = tuple[str, str]
Document = dict[str, Any]


@dataclass(kw_only=True)
class Inventory:
    """Documents in the making, by kind and name; ``paths`` says where those stand that are there already."""

    documents: dict[Key, Document] = field(default_factory=dict)
    paths: dict[Key, str] = field(default_factory=dict)
    seeded: set[Key] = field(default_factory=set)

    def specs(self, kind: str) -> dict[str, Document]:
        """Return the specs of one kind by name, to be filled in."""
        return {name: document["spec"] for (its, name), document in self.documents.items() if its == kind}

    def path_of(self, key: Key) -> str:
        """Return where a document stands, or will."""
        kind, name = key
        return self.paths.get(key) or layout.KINDS[kind].shown.replace("*", name)


def read_inventory(snapshot: Snapshot, seed: Seed) -> Inventory:
    """Return what ``snapshot`` and ``seed`` say together; InputError where a file of the site is not YAML."""
    found = Inventory()
    for path, content in snapshot.files.items():
        spot = layout.locate(path)
        if spot is None or spot.place.kind not in _TYPES:
            continue
        raws, findings = parse_documents(content, path=path)
        if findings:
            raise InputError(path, findings[0].message, reason=findings[0].code, findings=tuple(findings))
        for raw in raws:
            _know(found, raw.value, path=path)
    for document in _seeded(seed):
        key = (document["kind"], document["metadata"]["name"])
        found.documents[key] = _over(found.documents.get(key), document)
        found.seeded.add(key)
    return found


def _know(found: Inventory, value: Plain, *, path: str) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        return
    metadata: Any = value["metadata"]
    key = (str(value.get("kind")), str(metadata.get("name")))
    if key[0] in KINDS and key not in found.documents:
        document: Any = without_open(value)
        spec = document.get("spec")
        found.documents[key] = {**document, "spec": spec if isinstance(spec, dict) else {}}
        found.paths[key] = path


def without_open(value: Plain) -> Plain:
    """Return ``value`` without fields that an earlier adoption left open."""
    if isinstance(value, dict):
        return {name: without_open(each) for name, each in value.items() if each != OPEN}
    return [without_open(each) for each in value if each != OPEN] if isinstance(value, list) else value


def _over(old: Document | None, new: Document) -> Document:
    result: Any = merged(old, new)
    return dict(result)


def _seeded(seed: Seed) -> Iterable[Document]:
    for zone in seed.zones:
        yield _document("Zone", zone.name, _plain(zone))
    for switch in seed.switches:
        spec = _plain(switch)
        # Which ports match is seen on the switch.
        spec = {name: value for name, value in spec.items() if name not in {"ports", "control"}}
        yield _document("Switch", switch.name, _in_zone(spec, seed))
    for network in seed.networks:
        yield _document("Network", network.name, _in_zone(_plain(network), seed))
    for node in seed.nodes:
        yield _node(node, seed)


def _node(node: SeedNode, seed: Seed) -> Document:
    spec = _plain(node)
    for name in ("labels", "endorsement", "ekCertificate"):
        spec.pop(name, None)
    if node.endorsement:
        spec["tpm"] = {"endorsement": node.endorsement}
    spec = {name: value for name, value in spec.items() if value not in ({}, [])}
    document = _document("Node", node.name, _in_zone(spec, seed))
    if node.labels:
        document["metadata"]["labels"] = dict(node.labels)
    return document


def _plain(value: Value) -> Document:
    plain = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    plain.pop("name", None)
    return plain


def _in_zone(spec: Document, seed: Seed) -> Document:
    return {"zone": seed.zone, **spec} if seed.zone and "zone" not in spec else spec


def _document(kind: str, name: str, spec: Mapping[str, Any]) -> Document:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
