"""Ports of ours that no node uses: they are parked like everything that is detached."""

from __future__ import annotations

from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.plan.actions import Action, Park, Port


def spare_ports(desired: DesiredState, observed: ObservedState) -> list[Action]:
    """Return a parking for every port of ours that no node uses and that is not known to be parked."""
    actions: list[Action] = []
    for (switch, port), state in sorted(observed.spare_ports.items()):
        vlan = desired.zones[desired.switches[switch].spec.zone].spec.parking_vlan
        if not state.is_access(vlan):
            spare = Port(interface=port, switch=switch, port=port, vlan=vlan)
            actions.append(Park(subject=f"{switch}:{port}", why="no node uses this port", ports=(spare,)))
    return actions
