"""Whether the desired state at a record's commit allowed what the record tells of, and the records before it proved it.

What cannot be asked of one commit and one chain is not asked here: which of several nodes a count should have given,
whether a budget or a window was kept to, and whether an enclave's every key was released (a freeze may withhold some).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Enclave, Node, NodeSelection
from reconciler.model.phase import Phase
from reconciler.model.record import Event, Head

Doubt = tuple[str, str]
"""A code and a message."""

_PROVEN = frozenset({Event.RELEASED, Event.ADMITTED, Event.CONFIRMED})
_IN_ENCLAVE = frozenset({Event.ASSIGNED, Event.ENROLLED, Event.APPRAISED, *_PROVEN})
_PARKED = frozenset({Event.PARKED, Event.RETURNED})
"""A rejection tells of the ports as they were found, parked by then or not: that is no deed of ours."""


def find_unallowed(
    record: Record, *, head: Head | None, desired: DesiredState, image: Callable[[Appraisal], str | None]
) -> Iterator[Doubt]:
    """Yield what of ``record`` was not allowed; ``head`` is the sum of the records before it.

    ``image`` gives the digest of the image that an appraisal names, None if its commit has none of that name.
    """
    yield from _ungated(record, head)
    node = desired.nodes.get(record.node)
    if node is None:
        yield "RecordStray", "its commit's inventory does not have the node"
        return
    if record.event in _PARKED and record.ports:
        yield from _misplaced(record, _ports(node, desired, vlan=desired.parking_vlan(record.node)))
    if record.event is Event.RETURNED and head is not None and head.phase is Phase.REJECTED:
        yield from _barred(node, head)
    if record.event not in _IN_ENCLAVE:
        return
    enclave = desired.enclaves.get(record.enclave or "")
    if enclave is None:
        yield "RecordStray", f"its commit has no enclave {record.enclave}"
        return
    if record.event is not Event.ASSIGNED and _is_held_to_attempt(record):
        yield from _other_attempt(record, head)
    yield from _by_event(record, head=head, node=node, enclave=enclave, desired=desired)
    if record.appraisal is not None:
        yield from _judged_otherwise(record, record.appraisal, head=head, enclave=enclave, image=image)


def _ungated(record: Record, head: Head | None) -> Iterator[Doubt]:
    is_open = head is not None and head.nonce is not None and head.attempt == record.attempt
    if record.event in _PROVEN and not is_open:
        yield "GateSkipped", f"it was {record.event} without a proof accepted in the same attempt"


def _is_held_to_attempt(record: Record) -> bool:
    """Return whether the record must be about the attempt on record: a rejection may be of one that never began."""
    return record.event is not Event.APPRAISED or record.clock is not None


def _other_attempt(record: Record, head: Head | None) -> Iterator[Doubt]:
    if head is None or (record.enclave, record.attempt) != (head.enclave, head.attempt):
        yield "AttemptStray", "it is about another enclave or attempt than the one that is on record"


def _by_event(
    record: Record, *, head: Head | None, node: Node, enclave: Enclave, desired: DesiredState
) -> Iterator[Doubt]:
    match record.event:
        case Event.ASSIGNED:
            yield from _barred(node, head)
            yield from _unwanted(record, head, node, enclave, desired)
            if record.image != desired.images[enclave.spec.image].spec.digest:
                yield "ImageDiffers", f"enclave {record.enclave} boots another image than {record.image}"
            if record.ports:
                yield from _misplaced(record, _ports(node, desired, vlan=node.spec.airlock.vlan))
        case Event.RELEASED:
            for key in sorted(record.keys.keys() - set(enclave.spec.keys)):
                yield "KeyNotListed", f"enclave {record.enclave} does not list key {key}"
        case Event.ADMITTED:
            yield from _unwanted(record, head, node, enclave, desired)
            vlan = desired.enclave_vlan(enclave.metadata.name)
            yield from _misplaced(record, _ports(node, desired, vlan=vlan))
        case _:
            pass


def _judged_otherwise(
    record: Record,
    appraisal: Appraisal,
    *,
    head: Head | None,
    enclave: Enclave,
    image: Callable[[Appraisal], str | None],
) -> Iterator[Doubt]:
    if appraisal.policy != enclave.spec.policy:
        yield "PolicyDiffers", f"enclave {record.enclave} is proven by another policy than {appraisal.policy}"
    assigned = head.image if head is not None and head.attempt == record.attempt else None
    if assigned is not None and image(appraisal) != assigned:
        yield "ImageDiffers", "it was held against an image that the node was not assigned"
    if record.clock is not None and (head is None or head.enrolment != appraisal.evidence.enrolment):
        yield "EnrolmentDiffers", "its session is not the one that is on record as enrolled"


def _unwanted(
    record: Record, head: Head | None, node: Node, enclave: Enclave, desired: DesiredState
) -> Iterator[Doubt]:
    zone = desired.networks[enclave.spec.networks[0]].spec.zone
    if node.spec.zone != zone or not _is_asked_for(record, head, node, enclave.spec.nodes, desired):
        yield "NodeNotAllowed", f"enclave {record.enclave} does not ask for this node"


def _is_asked_for(record: Record, head: Head | None, node: Node, asked: NodeSelection, desired: DesiredState) -> bool:
    """Return whether the selection may be of the node; one that names nobody empties nothing: who serves stays."""
    if asked.count == 0:
        return False
    if asked.names is not None:
        is_named, is_empty = record.node in asked.names, not asked.names
    else:
        is_named = _has(node, asked.select)
        is_empty = not is_named and not any(_has(other, asked.select) for other in desired.nodes.values())
    return is_named or (is_empty and head is not None and head.enclave == record.enclave)


def _has(node: Node, labels: Mapping[str, str]) -> bool:
    return labels.items() <= node.metadata.labels.items()


def _barred(node: Node, head: Head | None) -> Iterator[Doubt]:
    if head is not None and head.rejection is not None and head.rejection > node.spec.cleared:
        yield "RejectionStands", f"no commit had cleared its rejection, record {head.rejection}"


def _ports(node: Node, desired: DesiredState, *, vlan: int) -> dict[str, str]:
    """Return what the switches say of the node's ports with the first on ``vlan`` and every other one parked."""
    parking = desired.parking_vlan(node.metadata.name)
    names = [interface.name for interface in node.spec.interfaces]
    return {name: f"access {vlan if index == 0 else parking}" for index, name in enumerate(names)}


def _misplaced(record: Record, expected: dict[str, str]) -> Iterator[Doubt]:
    if record.ports != expected:
        told = ", ".join(f"{name} {state}" for name, state in sorted(record.ports.items())) or "nothing"
        due = ", ".join(f"{name} {state}" for name, state in sorted(expected.items()))
        yield "PortsDiffer", f"its ports read {told}, and its commit says {due}"
