"""Which nodes could ever serve an enclave: by zone and labels, and by what its policy says of their firmware.

Rules: a node could serve if nothing in the repository rules it out; whether it is free, rejected or well is not asked.
Nodes are looked up by the labels that are selected by, so that the work does not grow with enclaves times nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from reconciler.model.facts import FactAssertion, is_fact_of
from reconciler.model.families import Family, Overlay
from reconciler.model.kinds import AppraisalPolicy, Enclave, Network, Node
from reconciler.model.policy import AppraisalPolicySpec, compose
from reconciler.repo.catalogue import Catalogue, Located
from reconciler.repo.policies import policies_of


class Serving:
    """An index over the nodes of a catalogue, made once for all its enclaves."""

    def __init__(self, found: Catalogue) -> None:
        """Look at every node once."""
        self._found = found
        self._specs = policies_of(found)
        self._composed: dict[str, AppraisalPolicySpec] = {}
        selected = {key for one in found.all(Enclave).values() for key in one.document.spec.nodes.select}
        by_zone: defaultdict[str, list[Located[Node]]] = defaultdict(list)
        by_label: defaultdict[tuple[str, str, str], list[Located[Node]]] = defaultdict(list)
        for node in found.all(Node).values():
            document = node.document
            zone = document.spec.zone
            by_zone[zone].append(node)
            if selected:
                labels = document.metadata.labels
                for key in selected:
                    if key in labels:
                        by_label[zone, key, labels[key]].append(node)
        self._by_zone: Mapping[str, list[Located[Node]]] = by_zone
        self._by_label: Mapping[tuple[str, str, str], list[Located[Node]]] = by_label

    def zone_of(self, enclave: Located[Enclave]) -> str | None:
        """Return the zone of the enclave's network; None if that is not known."""
        network = self._found.all(Network).get(enclave.document.spec.networks[0])
        return network.document.spec.zone if network else None

    def in_zone(self, zone: str) -> list[Located[Node]]:
        """Return every node of ``zone``."""
        return self._by_zone.get(zone, [])

    def with_label(self, zone: str, key: str, value: str) -> list[Located[Node]]:
        """Return the nodes of ``zone`` with a label that an enclave selects by."""
        return self._by_label.get((zone, key, value), [])

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
