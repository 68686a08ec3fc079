"""What lies between the reconciler and every simulated device: time, faults, crashes and a list of effects.

Rules: a device behaves unless a ``Fault`` says otherwise; a fault is spent call by call; every call that changes
something passes two *points* (before and after it takes effect), at which the world may be interrupted; a process
that crashed does nothing more until it is started again.
It does not know what devices mean; it does not judge (``monitor`` does).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from reconciler.errors.taxonomy import DeviceError, TransientError, TrustError

FOREVER = 1 << 30
_START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


class Crash(BaseException):
    """The reconciler's process is gone, between two instructions."""


class FaultKind(StrEnum):
    """How a call can go wrong."""

    TRANSIENT = "transient"
    """Nothing happens; TransientError at once."""
    HANG = "hang"
    """Nothing happens; TransientError after the device's deadline."""
    REFUSED = "refused"
    """Nothing happens; DeviceError (TrustError from a custodian)."""
    HALF = "half"
    """It happens, and then TransientError: the caller cannot know."""
    OLD = "old"
    """Nothing happens; what is read back is the old state."""
    LIE = "lie"
    """Nothing happens; what is read back is what was asked for."""
    UNKNOWN = "unknown"
    """It happens, but the device does not say so: UNKNOWN. For a read: UNKNOWN."""
    STALE = "stale"
    """A read returns what it returned the last time."""


@dataclass(kw_only=True)
class Fault:
    """One way in which some calls go wrong.

    ``device`` and ``operation`` are shell patterns: ``power/n1``, ``switch/*``, ``apply``. The first ``skip``
    matching calls are spared, the next ``times`` are hit.
    """

    device: str
    kind: FaultKind
    operation: str = "*"
    skip: int = 0
    times: int = 1

    def matches(self, device: str, operation: str) -> bool:
        """Return whether this fault is about such a call and is not spent yet."""
        return self.times > 0 and fnmatchcase(device, self.device) and fnmatchcase(operation, self.operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A call that may have changed something; ``fault`` is set if it did not go as it should."""

    device: str
    operation: str
    subject: str
    detail: str
    fault: FaultKind | None = None

    def __str__(self) -> str:
        """Return one line for an assertion's message."""
        marked = f" [{self.fault}]" if self.fault else ""
        return f"{self.device} {self.operation} {self.subject} {self.detail}{marked}"


class Clock:
    """Simulated time: it moves when somebody moves it."""

    def __init__(self) -> None:
        """Start at noon on 3 March."""
        self._now = _START

    def now(self) -> datetime:
        """Return the simulated time, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._now += timedelta(seconds=seconds)


@dataclass
class Line:
    """The way every call to a device takes.

    ``points`` counts the points passed since the process was started; ``interrupts`` are called at the point of
    their number (a crash is an interrupt that raises).
    """

    clock: Clock = field(default_factory=Clock)
    faults: list[Fault] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    interrupts: dict[int, Callable[[], None]] = field(default_factory=dict)
    points: int = 0
    is_dead: bool = False
    deadline_s: float = 10.0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def start_process(self, *, crash_at: int | None = None) -> None:
        """Start the reconciler's process; it dies at point ``crash_at``."""
        self.is_dead = False
        self.points = 0
        self.interrupts.clear()
        if crash_at is not None:
            self.interrupts[crash_at] = self._crash

    def read(self, device: str, operation: str) -> FaultKind | None:
        """Let a reading call through; return how its answer is to be falsified, if at all."""
        self._require_life()
        kind = self._spend(device, operation)
        self._raise_if_failing(device, operation, kind)
        if kind is FaultKind.HALF:
            raise _transient(device, operation, "the answer was lost")
        return kind

    @contextmanager
    def write(self, device: str, operation: str, *, subject: str = "", detail: str = "") -> Iterator[FaultKind | None]:
        """Let a changing call through; the body applies it unless told OLD or LIE."""
        with self.lock:
            self._require_life()
            self._pass_point()
            kind = self._spend(device, operation)
            self.effects.append(Effect(device=device, operation=operation, subject=subject, detail=detail, fault=kind))
            self._raise_if_failing(device, operation, kind)
            yield kind
            self._pass_point()
            if kind is FaultKind.HALF:
                raise _transient(device, operation, "the answer was lost")

    def _crash(self) -> None:
        self.is_dead = True
        raise Crash

    def _require_life(self) -> None:
        if self.is_dead:
            raise Crash

    def _pass_point(self) -> None:
        self.points += 1
        interrupt = self.interrupts.pop(self.points, None)
        if interrupt is not None:
            interrupt()

    def _spend(self, device: str, operation: str) -> FaultKind | None:
        with self.lock:
            for fault in self.faults:
                if fault.matches(device, operation):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault.kind
        return None

    def _raise_if_failing(self, device: str, operation: str, kind: FaultKind | None) -> None:
        if kind is FaultKind.REFUSED:
            refusal = TrustError if device == "custodian" else DeviceError
            raise refusal(device, f"{operation} refused", reason="SimulatedRefusal")
        if kind is FaultKind.HANG:
            self.clock.advance(self.deadline_s)
        if kind in (FaultKind.TRANSIENT, FaultKind.HANG):
            raise _transient(device, operation, "no answer")


def _transient(device: str, operation: str, why: str) -> TransientError:
    return TransientError(device, f"{operation}: {why}", reason="SimulatedFault")
