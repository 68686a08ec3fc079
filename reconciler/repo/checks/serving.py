"""Which nodes could ever serve an enclave: by zone and labels, and by what its policy says of their firmware.

Rules: a node could serve if nothing in the repository rules it out; whether it is free, rejected or well is not asked.
Nodes are looked up by the labels that are selected by, so that the work does not grow with enclaves times nodes
(``repo.node_index``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.model.facts import FactAssertion, is_fact_of
from reconciler.model.families import Family, Overlay
from reconciler.model.kinds import AppraisalPolicy, Enclave, Network, Node
from reconciler.model.policy import AppraisalPolicySpec, compose
from reconciler.repo.catalogue import Catalogue, Located
from reconciler.repo.policies import policies_of


class Serving:
    """Lookups among the nodes of a catalogue, for all its enclaves."""

    def __init__(self, found: Catalogue) -> None:
        """Let the catalogue's index be about its nodes; what is looked up first makes that part of it."""
        self._found = found
        self._specs = policies_of(found)
        self._composed: dict[str, AppraisalPolicySpec] = {}
        self._index = found.index
        selected = {key for one in found.all(Enclave).values() for key in one.document.spec.nodes.select}
        self._index.turn_to(found.all(Node), keys=selected)

    def zone_of(self, enclave: Located[Enclave]) -> str | None:
        """Return the zone of the enclave's network; None if that is not known."""
        network = self._found.all(Network).get(enclave.document.spec.networks[0])
        return network.document.spec.zone if network else None

    def in_zone(self, zone: str) -> Collection[Located[Node]]:
        """Return every node of ``zone``."""
        return self._index.in_zone(zone).values()

    def with_label(self, zone: str, key: str, value: str) -> Collection[Located[Node]]:
        """Return the nodes of ``zone`` with a label that an enclave selects by."""
        return self._index.with_label(zone, key, value).values()

    def matching(self, zone: str, select: Mapping[str, str]) -> Iterator[Located[Node]]:
        """Yield the nodes of ``zone`` with all labels of ``select``."""
        lists = [self.with_label(zone, key, value) for key, value in select.items()]
        for node in min(lists, key=len) if lists else self.in_zone(zone):
            labels = node.document.metadata.labels
            if all(labels.get(key) == value for key, value in select.items()):
                yield node

    def policy(self, name: str) -> AppraisalPolicySpec | None:
        """Return the policy ``name`` with all that it includes; None if there is none."""
        if name not in self._found.all(AppraisalPolicy):
            return None
        if name not in self._composed:
            self._composed[name] = compose(name, policies=self._specs)
        return self._composed[name]


def objection(policy: AppraisalPolicySpec, *, node: Node) -> str | None:
    """Return why ``policy`` could never accept ``node``, by what is declared of both; None if it could."""
    firmware = node.spec.firmware
    if policy.firmware and all(reference.profile != firmware.profile for reference in policy.firmware):
        return f"it has no reference values for firmware profile {firmware.profile}"
    if policy.nodes and all(reference.node != node.metadata.name for reference in policy.nodes):
        return f"it has values of single nodes, and none of {node.metadata.name}"
    scopes: frozenset[Family | Overlay] = frozenset({firmware.family, *firmware.overlays})
    for assertion in policy.facts:
        if _is_asked(assertion, node=node) and not is_fact_of(assertion.fact, scopes=scopes):
            return f"it asserts {assertion.fact}, and firmware of family {firmware.family} has no such fact"
    return None


def _is_asked(assertion: FactAssertion, *, node: Node) -> bool:
    firmware = node.spec.firmware
    is_of_family = assertion.families is None or firmware.family in assertion.families
    return is_of_family and (assertion.profiles is None or firmware.profile in assertion.profiles)
