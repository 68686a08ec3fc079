"""Observations to and from their recorded form.

Rules: what was not recorded is UNKNOWN; an inventory that differs from the one that was observed is laid over the same
switches and machines. What comes back has no sessions and says that nobody listened, so that no member counts as late
or silent for want of evidence that a record does not hold: members whose recorded proof stands are taken to stay
proven. A plan from it can be shown; carrying one out takes an observation of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.model.desired import DesiredState
from reconciler.model.observed import (
    UNKNOWN_PORT,
    UNKNOWN_TRUNK,
    Assignment,
    NodeObservation,
    ObservedState,
    PortMode,
    PortState,
    PowerState,
)
from reconciler.model.record import Head
from reconciler.model.recorded import RecordedAssignment, RecordedObservation, RecordedPort
from reconciler.plan.fingerprint import fingerprint

_WORDS: Mapping[PortMode, RecordedPort] = {PortMode.OTHER: "other", PortMode.UNKNOWN: "unknown"}
_STATES: Mapping[RecordedPort, PortState] = {"other": PortState(mode=PortMode.OTHER), "unknown": UNKNOWN_PORT}


def record_of(observed: ObservedState, *, desired: DesiredState) -> RecordedObservation:
    """Return what is recorded of ``observed``, which was made under ``desired``."""
    ports: dict[str, dict[str, RecordedPort]] = {}
    for (switch, port), state in observed.spare_ports.items():
        ports.setdefault(switch, {})[port] = _port(state)
    for name, seen in observed.nodes.items():
        for cable in desired.nodes[name].spec.interfaces:
            ports.setdefault(cable.switch, {})[cable.port] = _port(seen.ports.get(cable.name, UNKNOWN_PORT))
    return RecordedObservation(
        commit=desired.commit,
        observed_at=observed.observed_at,
        listening_since=observed.listening_since,
        fingerprint=fingerprint(observed),
        power={name: seen.power for name, seen in observed.nodes.items()},
        ports=ports,
        assignments={n: _served(seen.assignment) for n, seen in observed.nodes.items() if seen.assignment},
        key_versions=dict(observed.key_versions),
        key_made_at=dict(observed.key_made_at),
        bouts=dict(observed.bouts) or None,
        trunks=_trunks(observed) or None,
    )


def _trunks(observed: ObservedState) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (switch, port), words in observed.trunks.items():
        found.setdefault(switch, {})[port] = words
    return found


def _port(state: PortState) -> RecordedPort:
    return state.vlan if state.vlan is not None else _WORDS.get(state.mode, "unknown")


def _served(served: Assignment) -> RecordedAssignment:
    return RecordedAssignment(
        enclave=served.enclave,
        image=served.image,
        pcrs=served.pcrs,
        attempt=served.attempt,
        assigned_at=served.assigned_at,
    )


def parse_recorded(content: bytes) -> RecordedObservation:
    """Return the recorded observation in ``content``; raise TrustError if ringfence did not write it."""
    try:
        return RecordedObservation.model_validate_json(content)
    except ValidationError:
        hint = "a newer ringfence may have written it; the next pass writes it anew"
        message = "is not an observation that this ringfence writes"
        raise TrustError("observation.json", message, reason="ObservationMalformed", hint=hint) from None


def observed_from(recorded: RecordedObservation, *, desired: DesiredState, heads: Mapping[str, Head]) -> ObservedState:
    """Return ``recorded`` as an observation of what ``desired`` names, with the ``heads`` of the evidence branch."""

    def port(switch: str, name: str) -> PortState:
        state = recorded.ports.get(switch, {}).get(name, "unknown")
        return _STATES.get(state) or PortState(mode=PortMode.ACCESS, vlan=int(state))

    nodes = {
        name: NodeObservation(
            node=name,
            power=recorded.power.get(name, PowerState.UNKNOWN),
            ports={cable.name: port(cable.switch, cable.port) for cable in node.spec.interfaces},
            assignment=_assignment(name, recorded.assignments.get(name)),
            head=heads.get(name),
        )
        for name, node in sorted(desired.nodes.items())
    }
    used = {(cable.switch, cable.port) for node in desired.nodes.values() for cable in node.spec.interfaces}
    known = {key for seen in nodes.values() if seen.head for key in seen.head.keys} | set(desired.keys)
    return ObservedState(
        observed_at=recorded.observed_at,
        listening_since=None,
        nodes=nodes,
        spare_ports={
            (name, spare): port(name, spare)
            for name, switch in sorted(desired.switches.items())
            for spare in switch.spec.ports
            if (name, spare) not in used
        },
        former={name: head for name, head in heads.items() if name not in desired.nodes},
        key_versions={key: version for key, version in recorded.key_versions.items() if key in known},
        key_made_at={key: made for key, made in recorded.key_made_at.items() if key in known},
        bouts=recorded.bouts or {},
        trunks={
            (name, trunk.port): (recorded.trunks or {}).get(name, {}).get(trunk.port, UNKNOWN_TRUNK)
            for name, switch in desired.switches.items()
            for trunk in switch.spec.trunks
        },
    )


def _assignment(node: str, served: RecordedAssignment | None) -> Assignment | None:
    if served is None:
        return None
    return Assignment(
        node=node,
        enclave=served.enclave,
        image=served.image,
        pcrs=served.pcrs,
        attempt=served.attempt,
        assigned_at=served.assigned_at,
    )


def never_seen(recorded: RecordedObservation, *, desired: DesiredState) -> tuple[str, ...]:
    """Return the nodes of ``desired`` that the record says nothing of: they are new in the inventory."""
    return tuple(sorted(desired.nodes.keys() - recorded.power.keys()))


def moved_since(recorded: RecordedObservation, *, heads: Mapping[str, Head]) -> tuple[str, ...]:
    """Return the nodes that were brought somewhere else after the observation, by their records."""
    at = recorded.observed_at
    return tuple(
        name
        for name, head in sorted(heads.items())
        if any(moment is not None and moment > at for moment in (head.assigned_at, head.admitted_at))
    )
