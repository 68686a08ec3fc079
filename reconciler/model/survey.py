"""What a look at the hardware shows before anything of it is ours: switch ports, learnt addresses, BMCs.

Claims all of it: a MAC address is whatever the machine behind the port sent, a serial
number what its BMC tells. Nothing here proves anything; an inventory is proposed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.observed import PortState, PowerState


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSighting:
    """A port as it stands; ``macs`` were learnt on it just now, ``note`` is what its switch says it is for.

    ``attached`` are addresses that the switch's configuration claims for it. ``is_internal``: it leads to the switch
    itself.
    """

    name: str
    state: PortState
    macs: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    note: str = ""
    is_internal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSighting:
    """One bridge, the names of all bridges there, and whether its forwarding table could be read."""

    bridges: tuple[str, ...]
    ports: Mapping[str, PortSighting] = field(default_factory=dict)
    has_table: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BmcSighting:
    """What a BMC tells; empty where it does not. ``mac`` is its own, not the machine's."""

    power: PowerState
    guid: str = ""
    mac: str = ""
    manufacturer: str = ""
    product: str = ""
    serial: str = ""
