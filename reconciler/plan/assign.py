"""Which node serves which enclave: deterministic, and sticky.

A node that serves stays. Named nodes come before counted ones; among equals the name
decides. A node that a rejection bars serves nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Enclave, Node
from reconciler.model.phase import Phase
from reconciler.model.record import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """An enclave that asks for more than can be given."""

    enclave: str
    wanted: int
    given: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignments:
    """The enclave of each serving node, and what could not be served."""

    enclave_of: Mapping[str, str]
    shortfalls: tuple[Shortfall, ...]


def is_barred(node: Node, head: Head | None) -> bool:
    """Return whether a rejection of ``node`` stands that no commit has cleared."""
    return head is not None and head.rejection is not None and head.rejection > node.spec.cleared


def assign_nodes(desired: DesiredState, heads: Mapping[str, Head | None]) -> Assignments:
    """Return who serves whom under ``desired``, given each node's head."""
    taken: dict[str, str] = {}
    shortfalls: list[Shortfall] = []
    able = {name for name, node in desired.nodes.items() if not is_barred(node, heads.get(name))}
    for name, enclave in sorted(desired.enclaves.items()):
        names = enclave.spec.nodes.names or ()
        given = [node for node in names if node in able]
        taken |= dict.fromkeys(given, name)
        shortfalls += [
            _shortfall(name, enclave, len(given), f"node {node} is rejected") for node in names if node not in able
        ]
    for name, enclave in sorted(desired.enclaves.items()):
        count = enclave.spec.nodes.count
        if count is None:
            continue
        free = [node for node in able if node not in taken and _fits(desired, enclave, desired.nodes[node])]
        chosen = sorted(free, key=lambda node: (not _serves(heads.get(node), name), _busy(heads.get(node)), node))[
            :count
        ]
        taken |= dict.fromkeys(chosen, name)
        if len(chosen) < count:
            shortfalls.append(_shortfall(name, enclave, len(chosen), "no other free node matches"))
    return Assignments(enclave_of=dict(sorted(taken.items())), shortfalls=tuple(shortfalls))


def _fits(desired: DesiredState, enclave: Enclave, node: Node) -> bool:
    labels = node.metadata.labels
    zone = desired.networks[enclave.spec.networks[0]].spec.zone
    return node.spec.zone == zone and all(labels.get(k) == v for k, v in enclave.spec.nodes.select.items())


def _serves(head: Head | None, enclave: str) -> bool:
    return head is not None and head.enclave == enclave and head.phase in {Phase.AIRLOCK, Phase.ENCLAVE}


def _busy(head: Head | None) -> bool:
    """Return whether the node still has another enclave to leave; such a node is taken last."""
    return head is not None and head.phase is not Phase.FREE


def _shortfall(name: str, enclave: Enclave, given: int, why: str) -> Shortfall:
    wanted = enclave.spec.nodes.count or len(enclave.spec.nodes.names or ())
    return Shortfall(enclave=name, wanted=wanted, given=given, why=why)
