"""Simulated wires at a simulated switch: what is sent comes out where access ports of the same VLAN are.

Rules: parked ports are kept from each other; other interfaces are access ports where the test puts them. ``bridges``
are pairs of interfaces between which everything crosses, ``deaf`` are interfaces that are not there, and ``broken``
take frames and lose them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.model.observed import PortMode, PortState
from tests.support.world_switch import SimulatedSwitch

_MARK = re.compile(rb"RINGFENCE([0-9a-f]{32})")


@dataclass(kw_only=True)
class SimulatedWires:
    """The wires (``ports.wire.Wires``): ``cables`` are test ports' interfaces by port, ``places`` others' VLANs."""

    switch: SimulatedSwitch
    cables: Mapping[str, str]
    places: Mapping[str, int]
    parking: int
    bridges: set[tuple[str, str]] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    is_open: bool = False
    seen: list[dict[str, PortState]] = field(default_factory=list)
    _heard: dict[str, set[str]] = field(default_factory=dict)

    def open(self, interfaces: Collection[str]) -> Mapping[str, str]:
        """Listen on ``interfaces``."""
        self.is_open = True
        return {name: "" if name in self.deaf else f"0a:00:00:00:00:{n:02x}" for n, name in enumerate(interfaces, 1)}

    def send(self, frames: Iterable[tuple[str, bytes]]) -> None:
        """Let frames come out where they do."""
        self.seen.append({port: self.switch.truth[port] for port in self.cables})
        for sender, data in frames:
            mark = _MARK.search(data)
            assert mark is not None
            for receiver in {*self.cables.values(), *self.places} - {sender} - self.deaf:
                if sender not in self.broken and self._reaches(sender, receiver):
                    self._heard.setdefault(receiver, set()).add(mark[1].decode())

    def listen(self, seconds: float, *, until: Collection[tuple[str, str]] = ()) -> Mapping[str, frozenset[str]]:
        """Tell what came in."""
        assert seconds > 0
        assert self.is_open
        assert {interface for interface, _ in until} <= set(self.cables.values())
        heard, self._heard = {name: frozenset(marks) for name, marks in self._heard.items()}, {}
        return heard

    def close(self) -> None:
        """Stop listening."""
        self.is_open = False

    def _reaches(self, sender: str, receiver: str) -> bool:
        if (sender, receiver) in self.bridges:
            return True
        one, other = self._vlan(sender), self._vlan(receiver)
        return one == other and one is not None and one != self.parking

    def _vlan(self, interface: str) -> int | None:
        port = next((port for port, far in self.cables.items() if far == interface), None)
        if port is None:
            return self.places[interface]
        state = self.switch.truth[port]
        return state.vlan if state.mode is PortMode.ACCESS else None
