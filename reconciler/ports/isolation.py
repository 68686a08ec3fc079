"""The isolation port: which VLAN a switch's ports lead to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.model.observed import PortState


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPort:
    """Where a port is to be: a plain access port of ``vlan``, and nothing else.

    ``node`` is the node at the other end of the cable, for the port's description, so that a person at the switch sees
    whose it is; empty for a port that no node uses.
    """

    vlan: int
    node: str = ""


class Switch(Protocol):
    """One switch.

    Both calls block for at most the deadline given to the adapter's constructor. TransientError: unreachable, busy, or
    silent; DeviceError: it refuses. Neither says which ports were moved: some, all or none of them, and the next
    ``read_ports`` tells. No call ever leaves a port wider than it was or than it was asked to be.

    An adapter may be told the parking VLAN. Ports there are kept from each other as well; a port that is on it and not
    kept apart is not parked, and reads as OTHER.
    """

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port, read from the switch now; a port that it does not know is UNKNOWN."""
        ...

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make each port what is wanted of it, and return what was read back of each afterwards.

        Idempotent. One transaction where the switch has such: at no instant is a port a trunk. A port that the switch
        does not have is UNKNOWN, and so is one whose move cannot be confirmed; the others are moved all the same. The
        caller compares what was read back. Ports that are not named are left alone.
        """
        ...
