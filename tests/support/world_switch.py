"""A simulated switch: ports with a VLAN, behind the isolation port.

Rules: ports are moved one by one, as on a switch without transactions; a port is only ever a trunk because the world
(a test) made it one.
It does not know what is plugged in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.ports.isolation import AccessPort, Switch
from tests.support.world_line import FaultKind, Line

Told = Callable[[str, PortState], None]
Written = Callable[[str, int], None]


def access(vlan: int) -> PortState:
    """Return the state of a plain access port of ``vlan``."""
    return PortState(mode=PortMode.ACCESS, vlan=vlan)


def send(switch: Switch, port: str, *, vlan: int) -> PortState:
    """Have one port moved, and return what was read back."""
    return switch.apply({port: AccessPort(vlan=vlan)})[port]


class SimulatedSwitch:
    """One switch. ``truth`` is what its ports really are; only the world and the monitor look at it."""

    def __init__(self, name: str, *, ports: Mapping[str, PortState], line: Line) -> None:
        """Make a switch with ``ports`` in the given state."""
        self.name = name
        self.truth = dict(ports)
        self.labels: dict[str, str] = {}
        self.on_written: Written = lambda _port, _vlan: None
        self.on_told: Told = lambda _port, _state: None
        self._line = line
        self._shown: dict[str, PortState] = dict(ports)

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port (``ports.isolation.Switch``)."""
        fault = self._line.read(f"switch/{self.name}", "read_ports")
        with self._line.lock:
            answer: dict[str, PortState] = {}
            for port in ports:
                if fault is FaultKind.UNKNOWN:
                    answer[port] = UNKNOWN_PORT
                elif fault is FaultKind.STALE:
                    answer[port] = self._shown.get(port, UNKNOWN_PORT)
                else:
                    answer[port] = self.truth.get(port, UNKNOWN_PORT)
                self._tell(port, answer[port])
            return answer

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make the ports what is wanted of them (``ports.isolation.Switch``).

        One after the other: each is an effect of its own, so that a batch can be cut off or go wrong between any two.
        """
        return {port: self._place(port, place) for port, place in wanted.items()}

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _place(self, port: str, place: AccessPort) -> PortState:
        if port not in self.truth:
            return UNKNOWN_PORT
        vlan = place.vlan
        with self._line.write(f"switch/{self.name}", "apply", subject=port, detail=str(vlan)) as fault:
            if fault not in (FaultKind.OLD, FaultKind.LIE):
                self.on_written(port, vlan)
                self.truth[port] = access(vlan)
                self.labels[port] = place.node
            if fault is FaultKind.LIE:
                answer = access(vlan)
            elif fault is FaultKind.UNKNOWN:
                answer = UNKNOWN_PORT
            else:
                answer = self.truth[port]
            if fault is not FaultKind.HALF:
                self._tell(port, answer)
        return answer

    def _tell(self, port: str, state: PortState) -> None:
        self._shown[port] = state
        self.on_told(port, state)
