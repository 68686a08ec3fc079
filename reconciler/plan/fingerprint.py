"""The fingerprint of an observation: which facts a plan rests on, as one SHA-256.

Rules: equal facts give an equal fingerprint, whenever they were seen. Power, ports, what is served, key versions and
the standing of each node count. What a member does all day does not: a fresh proof of the same boot moves nothing, so
sessions, evidence and the times and clocks of a record are left out.
"""

from __future__ import annotations

import hashlib

from reconciler.model.observed import NodeObservation, ObservedState
from reconciler.model.record import Head


def fingerprint(observed: ObservedState) -> str:
    """Return the SHA-256 (hexadecimal) over the facts of ``observed``."""
    facts = (
        [_node(seen) for _, seen in sorted(observed.nodes.items())],
        [(where, state.mode.value, state.vlan) for where, state in sorted(observed.spare_ports.items())],
        [(name, _standing(head)) for name, head in sorted(observed.former.items())],
        sorted(observed.key_versions.items()),
    )
    return hashlib.sha256(repr(facts).encode("utf-8")).hexdigest()


def _node(seen: NodeObservation) -> tuple[object, ...]:
    served = seen.assignment
    return (
        seen.node,
        seen.power.value,
        [(name, state.mode.value, state.vlan) for name, state in sorted(seen.ports.items())],
        served and (served.enclave, served.image, served.pcrs, served.attempt),
        seen.head and _standing(seen.head),
    )


def _standing(head: Head) -> tuple[object, ...]:
    """Return what a record says of a node that a proof does not change."""
    keys = sorted(head.keys.items())
    is_confirmed = head.confirmed_at is not None
    return (head.phase.value, head.enclave, head.attempt, head.image, head.rejection, is_confirmed, keys)
