"""Ports of ours that no node uses: they are parked like everything that is detached.

1. One that is known to lead elsewhere has drifted. It is parked, or (where its switch's document says ``report``) left
   alone, if it is harmless: an access port of a VLAN that no document of its zone has anything to do with.
2. One that somebody else moved back too often of late is left alone for a while (``plan.fights``).
3. One of which nothing is known is parked. It is no drift.
4. A test port may be on its zone's probe VLAN: a probe is under way, or was killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import ZoneSpec
from reconciler.model.observed import ObservedState, PortMode, PortState
from reconciler.plan.actions import Park, Port
from reconciler.plan.fights import calm_at, is_fight, recent
from reconciler.plan.plan import Drift, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SparePorts:
    """What is to be done and said about the ports that no node uses; nothing about those that are parked."""

    actions: tuple[Park, ...]
    drift: tuple[Drift, ...]
    problems: tuple[Problem, ...]


def spare_ports(desired: DesiredState, observed: ObservedState, *, now: datetime) -> SparePorts:
    """Return what is to be done and said about ports of ours that no node uses."""
    actions: list[Park] = []
    drift: list[Drift] = []
    problems: list[Problem] = []
    for (switch, port), state in sorted(observed.spare_ports.items()):
        spec = desired.zones[desired.switches[switch].spec.zone].spec
        vlan = spec.parking_vlan
        if state.is_access(vlan) or _is_probing(spec, switch, port, state):
            continue
        subject = f"port/{switch}:{port}"
        if state.mode is not PortMode.UNKNOWN:
            drift.append(Drift(subject=subject, expected="parked", found=state.words))
            why = _why_left(desired, switch, state, bouts=observed.bouts.get(subject, ()), now=now)
            if why:
                problems.append(Problem(subject=subject, message=why))
                continue
        spare = Port(interface=port, switch=switch, port=port, vlan=vlan)
        actions.append(Park(subject=f"{switch}:{port}", why="no node uses this port", ports=(spare,)))
    return SparePorts(actions=tuple(actions), drift=tuple(drift), problems=tuple(problems))


def _why_left(
    desired: DesiredState, switch: str, state: PortState, *, bouts: tuple[datetime, ...], now: datetime
) -> str:
    """Return why a port that has drifted is left where it is; empty if it is parked."""
    fights = desired.repository.spec.fights
    if is_fight(bouts, fights=fights, now=now):
        times, until = recent(bouts, fights=fights, now=now), calm_at(bouts, fights=fights, now=now)
        return (
            f"parked {len(times)} times since {times[0]:%Y-%m-%dT%H:%M:%SZ}, and is {state.words} again; "
            f"it is not parked before {until:%Y-%m-%dT%H:%M:%SZ}"
        )
    if desired.switches[switch].spec.drift == "report" and _is_harmless(desired, switch, state):
        return f"drift is reported only: should be parked, and is {state.words}"
    return ""


def _is_probing(spec: ZoneSpec, switch: str, port: str, state: PortState) -> bool:
    """Return whether the port is a test port where a probe puts those."""
    tests = spec.probe.ports if spec.probe else ()
    is_test = any((test.switch, test.port) == (switch, port) for test in tests)
    return is_test and spec.probe is not None and state.is_access(spec.probe.vlan)


def _is_harmless(desired: DesiredState, switch: str, state: PortState) -> bool:
    """Return whether a port leads nowhere that is any of our business."""
    zone = desired.switches[switch].spec.zone
    spec = desired.zones[zone].spec
    if state.mode is not PortMode.ACCESS or state.vlan is None:
        return False
    ours = {network.spec.vlan for network in desired.networks.values() if network.spec.zone == zone}
    is_airlock = spec.airlock_vlans.first <= state.vlan <= spec.airlock_vlans.last
    ours |= {spec.parking_vlan} | ({spec.probe.vlan} if spec.probe else set())
    return not is_airlock and state.vlan not in ours
