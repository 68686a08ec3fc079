"""Where isolation may be probed with real frames: test ports, and a VLAN of their own.

That the field is there at all is the operator's leave (``ringfence probe``). No test port is ever put anywhere else
than on the parking VLAN and on this one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from reconciler.model.base import Name, Value, Vlan
from reconciler.model.trunks import PortName


class PortRef(Value):
    """A port of a switch."""

    switch: Name
    """The switch; one of this zone."""
    port: PortName
    """The port; one of the switch's `ports`, and no node's."""


class ZoneProbe(Value):
    """Ports that the reconciler's machine is cabled to, and the VLAN on which they may meet."""

    vlan: Vlan
    """A VLAN that nothing else uses, on which test ports hear each other: silence elsewhere then means something."""
    ports: Annotated[tuple[PortRef, ...], Field(min_length=2, max_length=8)]
    """The test ports; two or more, since one sends and another listens."""

    @model_validator(mode="after")
    def _each_once(self) -> ZoneProbe:
        if len(set(self.ports)) != len(self.ports):
            raise ValueError("a port is named twice")
        return self
