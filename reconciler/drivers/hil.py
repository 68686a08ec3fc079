"""The adapter of ``ports.isolation.Switch`` for a tenant whose provider runs HIL: its REST service stands for switches.

A port is ``NODE/NIC``, as HIL names them; it is parked when nothing is attached to it, and an access port of a VLAN
when the network with that VLAN is attached natively and nothing else is. Every step of a port is: read, one action,
wait until it is over, read again; first everything is detached that is not wanted, then the wanted is connected, so a
port is never in two networks. An action that HIL calls done is believed only if the reading after it says so; it is
not tried again in the same call. A port with an action that failed, or that is not over, is UNKNOWN.
Not checked, because HIL does not: what the switch does. HIL never reads it back, so neither do we. Not seen: an action
that somebody else, or this program before it was restarted, has queued and that is not over.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.hil_service import NATIVE, HilService
from reconciler.drivers.https import Party, Vouching, prepare
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError, cut
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.ports.isolation import AccessPort

_PORT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,62})/([A-Za-z0-9][A-Za-z0-9._-]{0,62})")
_URL = re.compile(r"(https://[0-9A-Za-z.\[\]:-]+|http://127\.0\.0\.1:[0-9]{1,5})")
_LAST_VLAN = 4094
_FOR_READING_BACK = 0.2
_OTHER = PortState(mode=PortMode.OTHER)


@dataclass(kw_only=True)
class _Task:
    """What is left to do for a port; ``tried`` are the steps that were taken, ``action`` the one that is under way."""

    node: str
    nic: str
    vlan: int
    action: str | None = None
    tried: set[tuple[str, str]] = field(default_factory=set)
    is_over: bool = False
    has_failed: bool = False


class Hil:
    """One HIL service; calls take turns."""

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        *,
        url: str,
        credentials: Credentials,
        vouching: Vouching,
        parking: int,
        deadline_s: float = 60.0,
        poll_s: float = 0.5,
    ) -> None:
        """Remember where the service is (``https://HOST:PORT``); nothing is sent yet.

        ``parking`` is the VLAN by which a port is meant that nothing is attached to.
        """
        self._subject = f"switch {name}"
        if not _URL.fullmatch(url):
            raise DeviceError(self._subject, "its address is not https:HOST:PORT", reason="SwitchAddress")
        self._url = url
        self._credentials = credentials
        self._vouching = vouching
        self._parking = parking
        self._deadline_s = deadline_s
        self._poll_s = poll_s
        self._turn = threading.Lock()
        self._pending: dict[str, str] = {}

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port as HIL tells it; one with an action of ours under way is UNKNOWN."""
        if not ports:
            return {}
        with self._service() as (service, _):
            for port in self._pending.keys() & set(ports):
                if service.status(self._pending[port]) != "PENDING":
                    del self._pending[port]
            return self._states(service, ports)

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make the ports what is wanted of them and return what was read back; see the module's docstring."""
        tasks: dict[str, _Task] = {}
        for port, place in wanted.items():
            match = _PORT.fullmatch(port)
            if not 1 <= place.vlan <= _LAST_VLAN:
                message = f"{place.vlan} is no VLAN"
                raise InvariantError(f"{self._subject} port {port}", message, reason="VlanOutOfRange")
            if match:
                tasks[port] = _Task(node=match[1], nic=match[2], vlan=place.vlan, action=self._pending.get(port))
        if not wanted:
            return {}
        with self._service() as (service, cutoff):
            try:
                self._work(service, tasks, cutoff=cutoff)
            finally:
                for port, task in tasks.items():
                    self._pending.pop(port, None)
                    if task.action is not None:
                        self._pending[port] = task.action
            states = self._states(service, wanted)
        unsure = {port for port, task in tasks.items() if task.has_failed or not task.is_over}
        return {port: UNKNOWN_PORT if port in unsure else state for port, state in states.items()}

    def close(self) -> None:
        """Do nothing: no connection outlives a call."""

    def _work(self, service: HilService, tasks: Mapping[str, _Task], *, cutoff: Cutoff) -> None:
        """Take steps, each port's one at a time and all ports' side by side, while there is time to read back."""
        while True:
            service.forget()
            for task in tasks.values():
                if not task.is_over:
                    self._step(service, task)
            if all(task.is_over for task in tasks.values()):
                break
            if cutoff.left_s < self._deadline_s * _FOR_READING_BACK:
                break
            time.sleep(self._poll_s)
        service.forget()

    def _step(self, service: HilService, task: _Task) -> None:
        """See how a port's action stands and, if none is under way, begin the next one or be done."""
        if task.action is not None:
            status = service.status(task.action)
            if status == "PENDING":
                return
            task.action = None
            if status == "ERROR":
                task.is_over = task.has_failed = True
                return
        step = self._next_step(service, task)
        if step is None or step in task.tried:
            task.is_over = True
            return
        task.action = service.act(task.node, nic=task.nic, verb=step[0], network=step[1])
        if task.action is not None:
            task.tried.add(step)

    def _next_step(self, service: HilService, task: _Task) -> tuple[str, str] | None:
        attached = service.attached(task.node, nic=task.nic)
        project = service.project(task.node)
        if attached is None or project is None:
            return None
        wanted = None if task.vlan == self._parking else service.network(project, vlan=task.vlan)
        for channel, network in sorted(attached.items()):
            if (channel, network) != (NATIVE, wanted):
                return "detach", network
        return None if wanted is None or wanted in attached.values() else ("connect", wanted)

    def _states(self, service: HilService, ports: Collection[str]) -> Mapping[str, PortState]:
        return {port: self._state(service, port) for port in ports}

    def _state(self, service: HilService, port: str) -> PortState:
        match = _PORT.fullmatch(port)
        attached = service.attached(match[1], nic=match[2]) if match else None
        if attached is None or port in self._pending:
            return UNKNOWN_PORT
        if not attached:
            return PortState(mode=PortMode.ACCESS, vlan=self._parking)
        vlan = service.vlan(attached[NATIVE]) if set(attached) == {NATIVE} else None
        return _OTHER if vlan is None or vlan == self._parking else PortState(mode=PortMode.ACCESS, vlan=vlan)

    @contextmanager
    def _service(self) -> Iterator[tuple[HilService, Cutoff]]:
        """Give a conversation of at most the deadline; errors of requests become the port's."""
        hint = "compare it with account.certificate in the switch's document"
        party = Party(subject=self._subject, called="HIL", reasons="Switch", hint=hint)
        with Cutoff(self._deadline_s) as cutoff:
            if not self._turn.acquire(timeout=self._deadline_s):
                raise TransientError(self._subject, "is busy with an earlier call", reason="SwitchBusy")
            try:
                with requests.Session() as session:
                    prepare(session, party=party, credentials=self._credentials, vouching=self._vouching, cutoff=cutoff)
                    base = f"{self._url}/v0"
                    yield HilService(base, session=session, cutoff=cutoff, subject=self._subject), cutoff
            except (requests.RequestException, OSError) as error:
                if cutoff.left_s == 0.0:
                    message = f"no answer within {self._deadline_s:g} s"
                    raise TransientError(self._subject, message, reason="SwitchSilent") from error
                message = f"HIL is not reachable: {cut(type(error).__name__)}"
                raise TransientError(self._subject, message, reason="SwitchUnreachable") from error
            finally:
                self._turn.release()
