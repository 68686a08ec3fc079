"""The fingerprint of an observation: which facts a plan rests on, as one SHA-256, the same in every process.

1. Power, ports, what is served, key versions, the standing of each node, and when drift was put right count. What a
   member does all day does not: a fresh proof of the same boot moves nothing, so sessions, evidence, and times and
   clocks of a record are left out.
2. Every node has a digest of its own, over canonical JSON; the digests are hashed in order of the nodes' names, with
   the other facts after them.
3. The time of observation is no fact. Since when somebody listens is none either, nor when a key was made: a new
   version has a number of its own.

``Fingerprints`` keeps the digests of nodes that are seen as before, by identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from reconciler.model.observed import NodeObservation, ObservedState, PortState
from reconciler.model.record import Head
from reconciler.plan.changes import changed_keys


def fingerprint(observed: ObservedState) -> str:
    """Return the fingerprint of ``observed``, in hexadecimal."""
    fingerprints = Fingerprints()
    fingerprints.note(observed.nodes, changed=observed.nodes.keys())
    return fingerprints.of(observed)


class Fingerprints:
    """The digests behind one fingerprint after the other."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._digests: dict[str, bytes] = {}
        self._nodes: bytes | None = None
        self._spare: Mapping[tuple[str, str], PortState] | None = None
        self._spare_digest = b""

    def note(self, nodes: Mapping[str, NodeObservation], *, changed: Collection[str]) -> None:
        """Take note of what is seen of ``changed`` nodes now; those that are not in ``nodes`` are gone."""
        if changed:
            self._nodes = None
        for name in changed:
            seen = nodes.get(name)
            if seen is None:
                self._digests.pop(name, None)
            else:
                self._digests[name] = _digest(_node(seen))

    def of(self, observed: ObservedState) -> str:
        """Return the fingerprint of ``observed``, of whose nodes everything was noted."""
        if self._nodes is None:
            order = sorted(self._digests)
            self._nodes = hashlib.sha256(b"".join(map(self._digests.__getitem__, order))).digest()
        if self._spare is None or changed_keys(self._spare, observed.spare_ports):
            self._spare = observed.spare_ports
            ports = [[*at, state.mode.value, state.vlan] for at, state in sorted(observed.spare_ports.items())]
            self._spare_digest = _digest(ports)
        former = {name: _standing(head) for name, head in observed.former.items()}
        bouts = {subject: [at.isoformat() for at in times] for subject, times in observed.bouts.items()}
        trunks = [[*at, words] for at, words in sorted(observed.trunks.items())]
        rest = _digest([former, dict(observed.key_versions), bouts, trunks])
        return hashlib.sha256(self._nodes + self._spare_digest + rest).hexdigest()


def _node(seen: NodeObservation) -> list[Any]:
    ports = [[name, state.mode.value, state.vlan] for name, state in sorted(seen.ports.items())]
    served = seen.assignment
    return [
        seen.node,
        seen.power.value,
        ports,
        served and [served.enclave, served.image, list(served.pcrs), served.attempt],
        seen.head and _standing(seen.head),
    ]


def _standing(head: Head) -> list[Any]:
    """Return what a record says of a node that a proof does not change."""
    is_confirmed = head.confirmed_at is not None
    return [
        head.phase.value,
        head.enclave,
        head.attempt,
        head.image,
        head.rejection,
        head.is_parked,
        head.ports,
        is_confirmed,
        dict(head.keys),
    ]


def _digest(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()
