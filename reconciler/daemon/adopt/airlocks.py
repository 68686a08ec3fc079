"""Which VLAN a new node's airlock takes: the lowest of its zone's range that nothing else has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def lowest_free(zone: str, *, zones: Mapping[str, Any], networks: Iterable[Any], nodes: Iterable[Any]) -> int | None:
    """Return a VLAN for one more airlock in ``zone``; None if the range is full, or not known.

    All are specs as they stand in documents, so that unfinished ones can be asked as well.
    """
    limits = zones.get(zone, {}).get("airlockVlans")
    if not isinstance(limits, Mapping):
        return None
    first, last = limits.get("first"), limits.get("last")
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    taken = {zones[zone].get("parkingVlan")}
    taken |= {network.get("vlan") for network in networks if network.get("zone") == zone}
    for node in nodes:
        airlock = node.get("airlock")
        if node.get("zone") == zone and isinstance(airlock, Mapping):
            taken.add(airlock.get("vlan"))
    return next((vlan for vlan in range(first, last + 1) if vlan not in taken), None)
