"""Enclaves that no node, or not enough nodes, could ever serve.

Rules: nobody at all is a mistake; too few is a doubt, because the inventory may grow. What is only taken at the
moment is neither: the plan tells it. A policy that could accept none of the nodes is a mistake like an empty selection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Enclave, Node
from reconciler.repo.catalogue import Catalogue, Located
from reconciler.repo.checks.serving import Serving, objection
from reconciler.repo.mentions import meant

_Place = tuple[str | int, ...]
_SHOWN = 3


def check_selections(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each enclave that no node could ever serve."""
    if not found.is_whole(Node):
        return
    serving = Serving(found)
    known: dict[tuple[object, ...], bool] = {}
    for enclave in found.all(Enclave).values():
        nodes, zone = enclave.document.spec.nodes, serving.zone_of(enclave)
        if nodes.count == 0 or zone is None:
            continue
        if nodes.names is None and next(serving.matching(zone, nodes.select), None) is None:
            yield _nothing(enclave, serving=serving, zone=zone)
            continue
        key = (zone, nodes.names, tuple(sorted(nodes.select.items())), enclave.document.spec.policy)
        if key not in known:
            known[key] = _could_any(found, enclave, serving=serving, zone=zone)
        if not known[key]:
            yield _refused(found, enclave, serving=serving, zone=zone)


def _candidates(found: Catalogue, enclave: Located[Enclave], *, serving: Serving, zone: str) -> Iterator[Located[Node]]:
    nodes = enclave.document.spec.nodes
    if nodes.names is None:
        yield from serving.matching(zone, nodes.select)
    else:
        yield from (found.all(Node)[name] for name in nodes.names if name in found.all(Node))


def _could_any(found: Catalogue, enclave: Located[Enclave], *, serving: Serving, zone: str) -> bool:
    """Return whether there is a node that could serve, or none that is known: a name that leads nowhere is told."""
    policy = serving.policy(enclave.document.spec.policy)
    is_empty = True
    for node in _candidates(found, enclave, serving=serving, zone=zone):
        is_empty = False
        if policy is None or objection(policy, node=node.document) is None:
            return True
    return is_empty


def _refused(found: Catalogue, enclave: Located[Enclave], *, serving: Serving, zone: str) -> Finding:
    name = enclave.document.spec.policy
    policy = serving.policy(name)
    candidates = list(_candidates(found, enclave, serving=serving, zone=zone))
    why = objection(policy, node=candidates[0].document) if policy else None
    who = (
        f"node {candidates[0].name}" if len(candidates) == 1 else f"any of the {len(candidates)} nodes that it may have"
    )
    message = f"policy {name} could never accept {who}: {why}"
    hint = "add what it lacks to the policy, choose another policy, or other nodes"
    return enclave.find("spec", "policy", code="PolicyRefuses", message=message, hint=hint)


def _nothing(enclave: Located[Enclave], *, serving: Serving, zone: str) -> Finding:
    select = enclave.document.spec.nodes.select
    if not serving.in_zone(zone):
        message = f"there is no node in zone {zone}, where the enclave's network is"
        hint = "add nodes to site/nodes first, or write count: 0 until they are there"
        return _at(enclave, ("spec", "nodes", "count"), message, hint)
    for key, value in select.items():
        if not serving.with_label(zone, key, value):
            message = f"no node in zone {zone} has the label {key}: {value}"
            return _at(enclave, ("spec", "nodes", "select", key), message, _near(serving, zone, key, value))
    counts = ", ".join(f"{key}: {value} {len(serving.with_label(zone, key, value))}" for key, value in select.items())
    message = f"no node in zone {zone} has all these labels at once"
    hint = f"nodes with each of them: {counts}; select by fewer labels"
    return _at(enclave, ("spec", "nodes", "select"), message, hint)


def _at(enclave: Located[Enclave], place: _Place, message: str, hint: str) -> Finding:
    return enclave.find(*place, code="SelectsNothing", message=message, hint=hint)


def _near(serving: Serving, zone: str, key: str, value: str) -> str:
    """Return which label was perhaps meant; made only for a finding, so it may look at every node again."""
    labels = [node.document.metadata.labels for node in serving.in_zone(zone)]
    values = sorted({own[key] for own in labels if key in own})
    if values:
        near = meant(value, values)
        return near or f"nodes there have {key}: {', '.join(values[:_SHOWN])}{' …' if len(values) > _SHOWN else ''}"
    keys = sorted({one for own in labels for one in own})
    if not keys:
        return "nodes there have no labels; write them under metadata.labels in site/nodes"
    return (
        meant(key, keys) or f"labels of nodes there are {', '.join(keys[:_SHOWN])}{' …' if len(keys) > _SHOWN else ''}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """What an enclave's selection leads to: how many nodes, how many its policy could accept, and their labels."""

    matching: int
    fit: int
    labels: frozenset[str]


def doubt_selections(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each enclave that could never be served in full, or spreads over a label nobody has."""
    serving = Serving(found)
    known: dict[tuple[object, ...], _Reach] = {}
    for enclave in found.all(Enclave).values():
        nodes, zone = enclave.document.spec.nodes, serving.zone_of(enclave)
        if nodes.names is not None:
            yield from _named(found, enclave, serving=serving)
        elif zone is not None and found.is_whole(Node):
            key = (zone, tuple(sorted(nodes.select.items())), enclave.document.spec.policy)
            if key not in known:
                known[key] = _reach(found, enclave, serving=serving, zone=zone)
            yield from _too_few(enclave, reach=known[key], zone=zone)


def _reach(found: Catalogue, enclave: Located[Enclave], *, serving: Serving, zone: str) -> _Reach:
    policy = serving.policy(enclave.document.spec.policy)
    candidates = list(_candidates(found, enclave, serving=serving, zone=zone))
    fit = sum(policy is None or objection(policy, node=node.document) is None for node in candidates)
    labels = frozenset(key for node in candidates for key in node.document.metadata.labels)
    return _Reach(matching=len(candidates), fit=fit, labels=labels)


def _too_few(enclave: Located[Enclave], *, reach: _Reach, zone: str) -> Iterator[Finding]:
    nodes, policy = enclave.document.spec.nodes, enclave.document.spec.policy
    wanted = nodes.count or 0
    if reach.fit < wanted:
        less = "" if reach.fit == reach.matching else f", of which policy {policy} could accept {reach.fit}"
        message = f"asks for {wanted} nodes, and {reach.matching} in zone {zone} match{less}"
        hint = "ask for fewer, or add nodes; until then as many serve as there are"
        yield enclave.find("spec", "nodes", "count", code="SelectsTooFew", message=message, hint=hint)
    if nodes.spread and wanted and nodes.spread not in reach.labels:
        hint = meant(nodes.spread, sorted(reach.labels)) or f"label the nodes with {nodes.spread}, or leave spread out"
        message = f"no node that matches has the label {nodes.spread}, so they are not spread"
        yield enclave.find("spec", "nodes", "spread", code="SpreadsOverNothing", message=message, hint=hint)


def _named(found: Catalogue, enclave: Located[Enclave], *, serving: Serving) -> Iterator[Finding]:
    name = enclave.document.spec.policy
    policy = serving.policy(name)
    for i, node_name in enumerate(enclave.document.spec.nodes.names or ()):
        node = found.all(Node).get(node_name)
        why = objection(policy, node=node.document) if policy and node else None
        if why:
            message = f"policy {name} could never accept node {node_name}: {why}"
            hint = "add what it lacks to the policy, or name another node"
            yield enclave.find("spec", "nodes", "names", i, code="PolicyRefuses", message=message, hint=hint)
