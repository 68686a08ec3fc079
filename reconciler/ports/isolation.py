"""The isolation port: which VLAN a switch port leads to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from reconciler.model.observed import PortState


class Switch(Protocol):
    """One switch.

    Both calls block for at most the deadline given to the adapter's constructor. TransientError: unreachable or
    busy; DeviceError: it refuses, or the port does not exist. No call ever leaves a port wider than it was asked.
    """

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port, read from the switch now; a port that it does not know is UNKNOWN."""
        ...

    def set_access(self, port: str, *, vlan: int) -> PortState:
        """Make ``port`` a plain access port of ``vlan`` and return what was read back afterwards.

        Idempotent. One transaction: at no instant is the port a trunk. The caller compares what was read back.
        """
        ...
