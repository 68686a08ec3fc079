"""The fingerprint of an observation: a SHA-256 over its facts, the same in every process that sees the same.

1. Every node has a digest of its own, over canonical JSON: mappings are sorted, times are in UTC, bytes in hexadecimal.
2. The digests are hashed in order of the nodes' names, with the other facts after them.
3. The time of observation is no fact. Since when somebody listens is none either.

``Fingerprints`` keeps the digests of nodes that are seen as before, by identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.model.base import Value
from reconciler.model.observed import NodeObservation, ObservedState, PortState
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
        rest = [_plain(observed.former), _plain(observed.key_versions)]
        return hashlib.sha256(self._nodes + self._spare_digest + _digest(rest)).hexdigest()


def _node(seen: NodeObservation) -> list[Any]:
    ports = [[name, state.mode.value, state.vlan] for name, state in sorted(seen.ports.items())]
    return [seen.node, seen.power.value, ports, _plain(seen.assignment), _plain(seen.session), _plain(seen.head)]


def _digest(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()


def _plain(value: Any) -> Any:  # noqa: ANN401  # walks facts of any type
    """Return ``value`` made of JSON types, equal for equal facts."""
    if isinstance(value, Value):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    elif is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    match value:
        case None | str() | int():
            return value
        case bytes():
            return value.hex()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return [_plain(item) for item in value]
