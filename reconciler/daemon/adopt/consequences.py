"""What owning the hardware as it is written down would do to it, in the operator's words."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.daemon.adopt.look import Sightings
from reconciler.daemon.adopt.switches import describe
from reconciler.model.observed import PortMode
from reconciler.model.survey import BmcSighting, SwitchSighting
from reconciler.plan.actions import Action, Park, Port, PowerOff
from reconciler.plan.plan import Plan


def consequences(plan: Plan, *, seen: Sightings) -> list[str]:
    """Return a line for each thing of the hardware that ``plan`` would change, and from what."""
    lines: list[str] = []
    for action in plan.actions:
        lines += _of(action, seen)
    return list(dict.fromkeys(lines))


def _of(action: Action, seen: Sightings) -> list[str]:
    if isinstance(action, Park):
        return [f"{_standing(port, seen.switches)} and would be parked on VLAN {port.vlan}" for port in action.ports]
    if isinstance(action, PowerOff):
        sighting = seen.bmcs.get(action.subject)
        is_ = f"is {sighting.power.value.lower()}" if isinstance(sighting, BmcSighting) else "did not answer"
        return [f"node {action.subject} {is_} and would be powered off: {action.why}"]
    return [f"{action.subject}: {action.verb}: {action.why}"]


def _standing(port: Port, switches: Mapping[str, object]) -> str:
    where = f"port {port.port} of switch {port.switch}"
    sighting = switches.get(port.switch)
    seen = sighting.ports.get(port.port) if isinstance(sighting, SwitchSighting) else None
    if seen is None:
        return f"{where} could not be seen"
    if seen.state.mode is PortMode.ACCESS:
        return f"{where} is on {describe(seen)}"
    return f"{where} is a trunk"
