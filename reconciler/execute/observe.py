"""Observing: every fact that a plan is made from, read now; what cannot be read is UNKNOWN.

Nothing is changed here. A store of ours that does not answer (boot service, desk,
ledger) fails the observation: without it nothing at all is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.errors.taxonomy import DeviceError, TransientError, TrustError
from reconciler.evidence.journal import parse_journal_head
from reconciler.execute.concurrency import map_all
from reconciler.execute.recall import PowerRecall
from reconciler.model.desired import DesiredState
from reconciler.model.drift import LONGEST
from reconciler.model.observed import (
    UNKNOWN_PORT,
    UNKNOWN_TRUNK,
    NodeObservation,
    ObservedState,
    PortMode,
    PortState,
    PowerState,
)
from reconciler.ports.site import Site


def observe(  # noqa: PLR0913  # two of the six only save work
    site: Site,
    *,
    desired: DesiredState,
    now: datetime,
    workers: int,
    recall: PowerRecall | None = None,
    before: ObservedState | None = None,
) -> ObservedState:
    """Return what the site says of everything that ``desired`` names; ``workers`` devices are asked at once.

    With ``recall`` a BMC that answered a moment ago is not asked again. Everything is read as ever with ``before``, the
    last observation; but what is equal to what was seen then is the same object, so that planning can tell by identity.
    """
    names = sorted(desired.nodes)
    read = dict(map_all(lambda name: (name, _ports(site, desired, name)), sorted(desired.switches), workers=workers))
    ports = {name: {port: seen[port] for port in desired.switches[name].spec.ports} for name, seen in read.items()}
    power = dict(map_all(lambda name: (name, _power(site, name, now=now, recall=recall)), names, workers=workers))
    assignments, sessions, heads = site.boot.assignments(), site.desk.sessions(), site.ledger.heads()
    known = before.nodes if before else {}
    nodes = {
        name: _same(
            known.get(name),
            NodeObservation(
                node=name,
                power=power[name],
                ports={i.name: ports[i.switch].get(i.port, UNKNOWN_PORT) for i in desired.nodes[name].spec.interfaces},
                assignment=assignments.get(name),
                session=sessions.get(name),
                head=heads.get(name),
            ),
        )
        for name in names
    }
    used = {(i.switch, i.port) for node in desired.nodes.values() for i in node.spec.interfaces}
    spare = {
        (switch, port): state
        for switch, states in ports.items()
        for port, state in states.items()
        if (switch, port) not in used
    }
    versions = _versions(site, desired, nodes)
    return ObservedState(
        observed_at=now,
        listening_since=site.desk.listening_since(),
        nodes=nodes,
        spare_ports=before.spare_ports if before and before.spare_ports == spare else spare,
        former={name: head for name, head in heads.items() if name not in desired.nodes},
        key_versions=versions,
        key_made_at=_made_at(site, desired, versions),
        bouts=_bouts(site, now=now),
        trunks=_trunks(desired, read),
    )


def _same(before: NodeObservation | None, seen: NodeObservation) -> NodeObservation:
    """Return ``before`` if it is equal to what is seen now."""
    return before if before is not None and before == seen else seen


def _ports(site: Site, desired: DesiredState, name: str) -> Mapping[str, PortState]:
    spec = desired.switches[name].spec
    ports = (*spec.ports, *(trunk.port for trunk in spec.trunks))
    try:
        seen = site.switches[name].read_ports(ports)
    except (TransientError, DeviceError):
        seen = {}
    return {port: seen.get(port, UNKNOWN_PORT) for port in ports}


def _trunks(desired: DesiredState, read: Mapping[str, Mapping[str, PortState]]) -> Mapping[tuple[str, str], str]:
    """Return in words what every declared trunk carries."""
    declared = [(name, trunk.port) for name, switch in desired.switches.items() for trunk in switch.spec.trunks]
    return {(switch, port): _trunk(read[switch][port]) for switch, port in declared}


def _trunk(state: PortState) -> str:
    if state.mode is PortMode.ACCESS:
        return state.words
    return state.carried.words if state.carried else UNKNOWN_TRUNK


def _power(site: Site, name: str, *, now: datetime, recall: PowerRecall | None) -> PowerState:
    remembered = recall.state(name, now=now) if recall else None
    if remembered is not None:
        return remembered
    try:
        state = site.powers[name].status()
    except (TransientError, DeviceError):
        state = PowerState.UNKNOWN
    if recall is not None:
        recall.note(name, state, at=now)
    return state


def _bouts(site: Site, *, now: datetime) -> Mapping[str, tuple[datetime, ...]]:
    """Return when drift was put right within the last day, by subject."""
    content = site.ledger.journal_head()
    known = (parse_journal_head(content).bouts or {}) if content else {}
    late = {subject: tuple(at for at in times if now - at < LONGEST) for subject, times in known.items()}
    return {subject: times for subject, times in late.items() if times}


def _versions(site: Site, desired: DesiredState, nodes: Mapping[str, NodeObservation]) -> Mapping[str, int]:
    known = {key for seen in nodes.values() if seen.head for key in seen.head.keys}
    try:
        return site.custodian.versions(sorted(known | set(desired.keys)))
    except (TransientError, TrustError):
        return {}


def _made_at(site: Site, desired: DesiredState, versions: Mapping[str, int]) -> Mapping[str, datetime | None]:
    """Return when the declared keys were made.

    They are asked for after the versions: if a key is rotated in between, it seems younger than it is, and nothing is
    done about a version that is no longer the current one.
    """
    names = sorted(desired.keys.keys() & versions.keys())
    try:
        return site.custodian.made_at(names) if names else {}
    except (TransientError, TrustError):
        return {}
