"""A node's life from its first lease on: airlock, proof, admission, work, proof again.

Rules: trust failures end it at once; everything else is tried again with bounded
back-off; a network that stays silent is asked for a new lease, because the port may
have been moved meanwhile. The workload starts only after the node was confirmed in
its enclave's network, and ends with the agent.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from reconciler.agent.console import say
from reconciler.agent.messages import Challenge, Verdict
from reconciler.agent.network import Lease, Network
from reconciler.agent.session import Session
from reconciler.agent.wire import Wire
from reconciler.errors.taxonomy import TransientError, TrustError

_BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_ADMISSION_POLL_S = 0.5
_ADMISSION_DEADLINE_S = 120.0
_RELEASE_AFTER = 3  # failures in a row after which the node asks where it is
_REFUSALS = 10
_WORKLOAD_END_S = 5.0
_Value = TypeVar("_Value")


class Life:
    """The order of steps; see the module's docstring."""

    def __init__(self, *, session: Session, wire: Wire, network: Network, workload: Workload) -> None:
        """Hold the parts; nothing is sent yet."""
        self._session = session
        self._wire = wire
        self._network = network
        self._workload = workload

    def live(self, *, rounds: int = 0) -> None:
        """Live until power is cut, trust is lost, or ``rounds`` proofs were accepted (0: no limit)."""
        airlock = self._arrive()
        done = 0
        admitted: Lease | None = None
        while True:
            challenge, verdict = self._persist(self._prove)
            if admitted is None:
                admitted = self._await_admission(airlock)
            if admitted is not None:
                self._persist(self._session.confirm)
                say(f"confirmed from {admitted.network}")
                self._workload.start(challenge)
            done += 1
            if done == rounds:
                return
            if admitted is not None:
                self._workload.watch(verdict.reattest_s)

    def _arrive(self) -> Lease:
        for pause in _pauses():
            try:
                lease = self._network.obtain()
            except TransientError as error:
                say(f"{error}; asking again")
                time.sleep(pause)
                continue
            say(f"lease {lease.address}, service {lease.service}")
            self._wire.use(lease.service)
            return lease
        raise AssertionError  # _pauses never ends

    def _prove(self) -> tuple[Challenge, Verdict]:
        for pause in _pauses():
            challenge, verdict = self._session.prove()
            if verdict.status == "accepted":
                return challenge, verdict
            time.sleep(pause)
        raise AssertionError  # _pauses never ends

    def _persist(self, step: Callable[[], _Value]) -> _Value:
        """Repeat a step until it is done; after a refusal the session is forgotten, and made anew by the step."""
        failures = refusals = 0
        for pause in _pauses():
            try:
                return step()
            except TransientError as error:
                failures += 1
                say(f"{error}; trying again")
            except TrustError as error:
                refusals += 1
                if error.reason != "Refused" or refusals > _REFUSALS:
                    raise
                say("refused; enrolling anew")
                self._session.forget()
            time.sleep(pause)
            if failures and failures % _RELEASE_AFTER == 0:
                self._arrive()
        raise AssertionError  # _pauses never ends

    def _await_admission(self, airlock: Lease) -> Lease | None:
        """Ask for leases until one is in another network; None if the node is still in its airlock by then."""
        deadline = time.monotonic() + _ADMISSION_DEADLINE_S
        while time.monotonic() < deadline:
            try:
                lease = self._network.obtain(tries=1)
            except TransientError:
                continue  # the port is being moved; udhcpc has waited long enough by itself
            if lease.network != airlock.network:
                say(f"lease {lease.address}, service {lease.service}")
                self._wire.use(lease.service)
                return lease
            time.sleep(_ADMISSION_POLL_S)
        say("not admitted in time; proving again")
        self._wire.use(airlock.service)
        return None


class Workload(AbstractContextManager["Workload"]):
    """The enclave's own program, if the image carries one."""

    def __init__(self, program: Path, *, keys: Path) -> None:
        """Remember the program; it is optional."""
        self._program = program
        self._keys = keys
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Return itself: nothing runs yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the program, if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=_WORKLOAD_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=_WORKLOAD_END_S)

    def start(self, challenge: Challenge) -> None:
        """Start the program once; later calls do nothing while it runs."""
        if not self._program.exists() or (self._process is not None and self._process.poll() is None):
            return
        names = {"RINGFENCE_NODE": challenge.node, "RINGFENCE_ENCLAVE": challenge.enclave}
        environment = {**os.environ, **names, "RINGFENCE_KEYS": str(self._keys)}
        try:
            self._process = subprocess.Popen([self._program], env=environment, stdin=subprocess.DEVNULL)
        except OSError as error:
            say(f"the workload cannot be started: {error.strerror}")
            return
        say("workload started")

    def watch(self, seconds: float) -> None:
        """Wait, and say so if the program ends meanwhile."""
        if self._process is None or self._process.poll() is not None:
            time.sleep(seconds)
            return
        deadline = time.monotonic() + seconds
        try:
            status = self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return
        say(f"the workload ended with status {status}")
        time.sleep(max(0.0, deadline - time.monotonic()))


def _pauses() -> Iterator[float]:
    yield from _BACK_OFF_S
    while True:
        yield _BACK_OFF_S[-1]
