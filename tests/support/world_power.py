"""A simulated BMC: one machine's power, behind the power port.

Rules: power that is on is not cycled by ``turn_on``; what is reported is what is, unless a fault says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reconciler.model.observed import PowerState
from tests.support.world_line import FaultKind, Line


class Machine(Protocol):
    """What a BMC is wired to."""

    @property
    def is_on(self) -> bool:
        """Return whether the machine has power."""
        ...

    def power_on(self) -> None:
        """Give it power; it starts to boot."""
        ...

    def power_off(self) -> None:
        """Cut its power."""
        ...


class SimulatedPower:
    """The BMC of ``machine``."""

    def __init__(self, node: str, *, machine: Machine, line: Line) -> None:
        """Wire a BMC to a machine."""
        self.node = node
        self.on_told: Callable[[PowerState], None] = lambda _state: None
        self.on_written: Callable[[PowerState], None] = lambda _state: None
        self._machine = machine
        self._line = line
        self._shown = PowerState.UNKNOWN

    def status(self) -> PowerState:
        """Return whether the machine is on (``ports.power.Power``)."""
        fault = self._line.read(f"power/{self.node}", "status")
        if fault is FaultKind.UNKNOWN:
            return self._tell(PowerState.UNKNOWN)
        if fault is FaultKind.STALE:
            return self._tell(self._shown)
        return self._tell(self._truth())

    def turn_on(self) -> PowerState:
        """Boot the machine from the network (``ports.power.Power``)."""
        return self._switch("turn_on", wanted=PowerState.ON)

    def turn_off(self) -> PowerState:
        """Cut the power (``ports.power.Power``)."""
        return self._switch("turn_off", wanted=PowerState.OFF)

    def _switch(self, operation: str, *, wanted: PowerState) -> PowerState:
        with self._line.write(f"power/{self.node}", operation, subject=self.node) as fault:
            if fault not in (FaultKind.OLD, FaultKind.LIE):
                self.on_written(wanted)
                if wanted is PowerState.OFF:
                    self._machine.power_off()
                elif not self._machine.is_on:
                    self._machine.power_on()
            answer = self._truth()
            if fault is FaultKind.LIE:
                answer = wanted
            elif fault is FaultKind.UNKNOWN:
                answer = PowerState.UNKNOWN
            if fault is not FaultKind.HALF:
                self._tell(answer)
        return answer

    def _truth(self) -> PowerState:
        return PowerState.ON if self._machine.is_on else PowerState.OFF

    def _tell(self, state: PowerState) -> PowerState:
        self._shown = state
        self.on_told(state)
        return state
