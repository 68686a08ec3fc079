"""A switch behind its limits: what several callers want at a time is done in one transaction.

Rules: at most so many transactions at once and a second, and none while a switch that
failed is given a break (``pace``); requests for one port are served in the order in which
they came, and never side by side; a read is served by a reading that began after it was
asked for; if a transaction for several callers is refused, each is served alone, so that
nobody suffers for another's port; the lock here is never held while a switch is asked or
waited for. What is read back is handed on as it is: who asked compares it.
Not kept here: a caller's deadline. A call takes at most those of the transactions that it
waits for and its own, and a break.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.drivers.pace import Pace
from reconciler.errors.taxonomy import (
    DeviceError,
    InputError,
    InvariantError,
    RingfenceError,
    TransientError,
    TrustError,
)
from reconciler.model.observed import PortState
from reconciler.ports.isolation import AccessPort, Switch

_JITTER = secrets.SystemRandom()


class Adapter(Switch, Protocol):
    """A switch whose connection can be closed."""

    def close(self) -> None:
        """Drop the connection, if there is one."""
        ...


@dataclass(kw_only=True, eq=False)
class _Request:
    """What one caller waits for: ports read, or (``wanted``) written."""

    ports: frozenset[str]
    wanted: Mapping[str, AccessPort] | None = None
    is_alone: bool = False
    states: Mapping[str, PortState] | None = None
    error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Return whether the caller need not wait any more."""
        return self.states is not None or self.error is not None


@dataclass(kw_only=True)
class _Queue:
    """Who waits, and the ports of those who are being served."""

    waiting: list[_Request] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=dict)

    def take(self) -> list[_Request]:
        """Return the requests that go into the next transaction: all reads or all writes, and no port twice written."""
        taken: list[_Request] = []
        blocked = set(self.busy)
        for request in self.waiting:
            fits = not taken or (
                (request.wanted is None) == (taken[0].wanted is None) and not request.is_alone and not taken[0].is_alone
            )
            if fits and blocked.isdisjoint(request.ports):
                taken.append(request)
                blocked |= request.ports if request.wanted is not None else frozenset()
            else:
                blocked |= request.ports  # Nobody who came later overtakes it.
        self.waiting = [request for request in self.waiting if request not in taken]
        for port in (port for request in taken for port in request.ports):
            self.busy[port] = self.busy.get(port, 0) + 1
        return taken

    def free(self, served: Collection[_Request]) -> None:
        """Let others have the ports of ``served``; who has got nothing yet waits on, before everybody else."""
        for port in (port for request in served for port in request.ports):
            self.busy[port] -= 1
            if not self.busy[port]:
                del self.busy[port]
        self.waiting = [request for request in served if not request.is_over] + self.waiting


class PacedSwitch:
    """One switch and its limits; the same port again (``ports.isolation.Switch``)."""

    def __init__(
        self,
        switch: Adapter,
        *,
        name: str,
        at_once: int = 1,
        per_second: int = 20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow ``at_once`` transactions side by side, and ``per_second`` to begin in any second."""
        self._subject = f"switch {name}"
        self._switch = switch
        self._pace = Pace(at_once=at_once, per_second=per_second)
        self._monotonic = monotonic
        self._queue = _Queue()
        self._turn = threading.Condition()

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port, read after this was called."""
        return self._wait_for(_Request(ports=frozenset(ports))) if ports else {}

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make the ports what is wanted of them, together with what others want now, and return what was read back."""
        return self._wait_for(_Request(ports=frozenset(wanted), wanted=dict(wanted))) if wanted else {}

    def close(self) -> None:
        """Drop the connection."""
        self._switch.close()

    def _wait_for(self, request: _Request) -> Mapping[str, PortState]:
        """Wait until ``request`` was served, by whomever; whoever is there when its turn has come serves."""
        with self._turn:
            self._queue.waiting.append(request)
        while (batch := self._next_batch(request)) is not None:
            self._serve(batch)
        if isinstance(request.error, RingfenceError):
            raise _again(request.error) from request.error
        if request.error is not None:
            raise TransientError(self._subject, "whoever asked it was interrupted", reason="SwitchSilent")
        return request.states or {}

    def _next_batch(self, request: _Request) -> list[_Request] | None:
        """Wait for a turn and return what to serve in it; None once ``request`` is over."""
        with self._turn:
            while not request.is_over:
                delay_s = self._pace.delay(self._monotonic())
                batch = self._queue.take() if delay_s <= 0 else []
                if batch:
                    self._pace.begin(self._monotonic())
                    return batch
                is_timed = 0 < delay_s < threading.TIMEOUT_MAX
                self._turn.wait(delay_s if is_timed else None)
        return None

    def _serve(self, batch: list[_Request]) -> None:
        """Serve a batch in one transaction, without any lock, and tell those who wait for it."""
        error: BaseException | None = None
        try:
            states = self._transact(batch)
            for request in batch:
                request.states = {port: states[port] for port in request.ports if port in states}
        except RingfenceError as failure:
            error = failure
        except BaseException as failure:
            error = failure
            raise
        finally:
            if isinstance(error, DeviceError) and len(batch) > 1:
                for request in batch:
                    request.is_alone = True
            elif error is not None:
                for request in batch:
                    request.error = error
            with self._turn:
                is_away = isinstance(error, TransientError)
                self._pace.end(self._monotonic(), is_away=is_away, jitter=_JITTER.random())
                self._queue.free(batch)
                self._turn.notify_all()

    def _transact(self, batch: list[_Request]) -> Mapping[str, PortState]:
        wanted = {port: place for request in batch for port, place in (request.wanted or {}).items()}
        if wanted:
            return self._switch.apply(wanted)
        return self._switch.read_ports(sorted({port for request in batch for port in request.ports}))


def _again(error: RingfenceError) -> RingfenceError:
    """Return an error of the same kind for one of several who wait: a raised exception is not shared by threads."""
    kinds = (DeviceError, TransientError, InvariantError, TrustError, InputError)
    kind = next((kind for kind in kinds if isinstance(error, kind)), InvariantError)
    return kind(error.subject, error.message, reason=error.reason, hint=error.hint)
