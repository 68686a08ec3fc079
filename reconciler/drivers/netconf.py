"""The isolation port over NETCONF (RFC 6241), through ncclient: lock, candidate, validate and confirmed commit.

A write goes through these steps, numbered in the code as here:

1. Running is read. A port that is not in it is not written, and reads back as UNKNOWN.
2. The candidate is locked, whatever was left in it is discarded, and the ports are edited, validated first.
3. Ports that are to be parked are committed for good, before any others: no roll-back may ever open a parked port.
   The others are committed *on probation*: the switch undoes it by itself unless it is confirmed in time.
4. Running is read back.
5. If every port on probation is where it was sent, it is confirmed. If not, all of it is undone, and those that did go
   where they were sent are sent once more without the others.
6. The candidate is unlocked, whatever happened.

Rules: every call has one deadline for everything it does; the host key is pinned; only the lock of
this session's own transaction is ever held, and no longer than that takes. Whatever goes wrong, the
session is dropped, and with it what is on probation. Not checked: that the forwarding plane does
what running says.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Collection as Names
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reconciler.drivers import netconf_model
from reconciler.drivers.netconf_model import OPENCONFIG, VlanModel
from reconciler.drivers.secret import Secret
from reconciler.errors.taxonomy import DeviceError, InvariantError, RingfenceError, TransientError, cut
from reconciler.model.observed import UNKNOWN_PORT, PortState
from reconciler.ports.isolation import AccessPort

_ADDRESS = re.compile(r"^ssh:(?:\[([0-9A-Fa-f:]+)\]|([0-9A-Za-z.-]+)):([0-9]{1,5})$")
_NEEDED = (":candidate", ":confirmed-commit", ":validate")
_BUSY = {"lock-denied", "in-use", "resource-denied"}
_REUSE_S = 60.0
_LAST_VLAN = 4094
_NO_LOG = logging.NullHandler()
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshLogin:
    """Who logs in, with a ``password`` or the private ``key`` in a file, to a switch that has ``host_key``."""

    user: str
    host_key: str
    password: Secret | None = None
    key: Path | None = None


class Netconf:
    """One switch that speaks NETCONF; the adapter of ``ports.isolation.Switch``."""

    def __init__(  # noqa: PLR0913  # where, who, what
        self,
        name: str,
        *,
        address: str,
        login: SshLogin,
        parking: int | None = None,
        model: VlanModel = OPENCONFIG,
        deadline_s: float = 20.0,
    ) -> None:
        """Remember where switch ``name`` is (``ssh:HOST:PORT``); nothing is connected before the first call.

        ``parking`` is the VLAN on which ports are switched off, and so kept from each other.
        """
        match = _ADDRESS.match(address)
        if match is None:
            raise DeviceError(f"switch {name}", "its address is not ssh:HOST:PORT", reason="SwitchAddress")
        self._subject = f"switch {name}"
        self._peer = (match[1] or match[2], int(match[3]))
        self._login = login
        self._parking = parking
        self._model = model
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._manager: Any = None
        self._used_s = 0.0

    def read_ports(self, ports: Names[str]) -> Mapping[str, PortState]:
        """Return the state of each port, as running has it now."""
        return self._within_deadline(lambda end_s: self._first_read(ports, end_s)) if ports else {}

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make the ports what is wanted of them, and return what was read back."""
        for port, place in wanted.items():
            if not 1 <= place.vlan <= _LAST_VLAN:
                raise InvariantError(
                    f"{self._subject} port {port}", f"{place.vlan} is no VLAN", reason="VlanOutOfRange"
                )

        def write(end_s: float) -> Mapping[str, PortState]:
            before = self._first_read(wanted, end_s)  # 1
            there = {port: place for port, place in wanted.items() if before[port] != UNKNOWN_PORT}
            parked = {port: place for port, place in there.items() if place.vlan == self._parking}
            others = {port: place for port, place in there.items() if port not in parked}
            seen = dict(before)
            if parked:
                with self._edited(parked, end_s):  # 2
                    self._ask(end_s).commit()  # 3
                    seen |= self._read(parked, end_s)  # 4
            if others:
                seen |= self._on_probation(others, end_s)
            return seen

        return self._within_deadline(write) if wanted else {}

    def close(self) -> None:
        """End the session; a later call makes a new one."""
        with self._lock:
            self._drop()

    def _on_probation(self, wanted: Mapping[str, AccessPort], end_s: float) -> Mapping[str, PortState]:
        """Move ports that are not to be parked, and confirm it only if every one of them went where it was sent."""
        with self._edited(wanted, end_s):  # 2
            patience_s = max(1, math.ceil(end_s - time.monotonic()))
            self._ask(end_s).commit(confirmed=True, timeout=str(patience_s))  # 3
            seen = self._read(wanted, end_s)  # 4
            went = {port: place for port, place in wanted.items() if seen[port].is_access(place.vlan)}
            if len(went) == len(wanted):
                self._ask(end_s).commit()  # 5
                return seen
        self._drop()  # What is on probation ends with its session, at once (RFC 6241, 8.4.1).
        again = self._on_probation(went, end_s) if went else {}
        # Of the others, what they have gone back to is told; had one gone where it was sent after all, it is not known.
        back = self._first_read(wanted, end_s)
        return {port: UNKNOWN_PORT if s.is_access(wanted[port].vlan) else s for port, s in back.items()} | dict(again)

    @contextlib.contextmanager
    def _edited(self, wanted: Mapping[str, AccessPort], end_s: float) -> Iterator[None]:
        """Lock the candidate with ``wanted`` in it; leave it as it was found."""
        if self._manager is None:
            self._connect(end_s)
        self._ask(end_s).lock("candidate")
        try:
            self._ask(end_s).discard_changes()
            config = netconf_model.edit(self._model, wanted, parking=self._parking)
            # Validated by the edit itself (RFC 6241, 8.6.4.1): netconfd 2.13 forgets, in an operation of its own for
            # that, that there is something to commit.
            self._ask(end_s).edit_config(
                config, target="candidate", default_operation="merge", test_option="test-then-set"
            )
            yield
        except BaseException:
            with contextlib.suppress(
                RingfenceError, *_foreign()
            ):  # A session that is gone has let go of both by itself.
                self._ask(end_s).discard_changes()
                self._ask(end_s).unlock("candidate")
            raise
        self._ask(end_s).unlock("candidate")  # 6

    def _first_read(self, ports: Names[str], end_s: float) -> Mapping[str, PortState]:
        """Read running, over the session of an earlier call if that still works, else over a new one."""
        if self._manager is not None and time.monotonic() - self._used_s < _REUSE_S:
            try:
                return self._read(ports, end_s)
            except _foreign() as error:
                if not isinstance(self._translated(error), TransientError):
                    raise
        self._drop()
        self._connect(end_s)
        return self._read(ports, end_s)

    def _read(self, ports: Names[str], end_s: float) -> Mapping[str, PortState]:
        chosen = netconf_model.selection(self._model, ports)
        answer = self._ask(end_s).get_config("running", filter=("subtree", chosen))
        return netconf_model.port_states(self._model, answer.data_ele, ports, parking=self._parking)

    def _ask(self, end_s: float) -> Any:  # noqa: ANN401  # ncclient has no types
        """Return the session, which waits for its next answer until ``end_s`` at most."""
        left_s = end_s - time.monotonic()
        if left_s <= 0 or self._manager is None:
            raise self._silent()
        self._manager.timeout = left_s
        return self._manager

    def _within_deadline(self, work: Callable[[float], T]) -> T:
        """Run ``work`` with the moment by which it must end; drop the session whatever goes wrong."""
        end_s = time.monotonic() + self._deadline_s
        if not self._lock.acquire(timeout=self._deadline_s):
            raise self._silent()
        try:
            result = work(end_s)
            self._used_s = time.monotonic()
        except RingfenceError:
            self._drop()
            raise
        except _foreign() as error:
            self._drop()
            raise self._translated(error) from error
        except BaseException:
            self._drop()
            raise
        finally:
            self._lock.release()
        return result

    def _connect(self, end_s: float) -> None:
        """Open a session with the switch that has the pinned key; refuse one that lacks what is needed."""
        from ncclient import manager

        for name in ("ncclient", "paramiko"):  # What goes wrong is told by our errors, not on standard error.
            logging.getLogger(name).addHandler(_NO_LOG)
        left_s = max(end_s - time.monotonic(), 0.001)
        peer = socket.create_connection(self._peer, timeout=left_s)
        # The client waits for a greeting as long as it likes; at the deadline its line is cut.
        cutter = threading.Timer(left_s, lambda: peer.shutdown(socket.SHUT_RDWR))
        cutter.daemon = True
        cutter.start()
        try:
            self._manager = manager.connect_ssh(
                host=self._peer[0],
                port=self._peer[1],
                sock=peer,
                username=self._login.user,
                password=self._login.password.reveal().decode() if self._login.password else None,
                key_filename=str(self._login.key) if self._login.key else None,
                allow_agent=False,
                look_for_keys=False,
                hostkey_b64=self._login.host_key.split()[1],
                timeout=left_s,
            )
        except BaseException:
            peer.close()
            raise
        finally:
            cutter.cancel()
        lacking = [needed for needed in _NEEDED if needed not in self._manager.server_capabilities]
        if lacking:
            raise DeviceError(
                self._subject,
                f"does not offer {', '.join(lacking)}",
                reason="SwitchCapability",
                hint="switch on the candidate datastore and confirmed commit, or use another driver",
            )

    def _translated(self, error: BaseException) -> RingfenceError:
        """Return what an exception of the client, or of what it stands on, means."""
        from ncclient.operations import MissingCapabilityError, RPCError, TimeoutExpiredError
        from ncclient.transport.errors import AuthenticationError, SSHError, SSHUnknownHostError
        from paramiko.ssh_exception import IncompatiblePeer

        match error:
            case RPCError():
                return self._refused(error)
            case MissingCapabilityError():
                found = DeviceError(self._subject, cut(str(error)), reason="SwitchCapability")
            case AuthenticationError():
                hint = "look at its credentials on this machine"
                found = DeviceError(self._subject, "does not let us log in", reason="SwitchLogin", hint=hint)
            case SSHUnknownHostError() | SSHError(__context__=IncompatiblePeer()):
                hint = "compare spec.login.hostKey with the key that it shows at its console"
                found = DeviceError(self._subject, "shows another host key", reason="SwitchHostKey", hint=hint)
            case TimeoutExpiredError() | TimeoutError():
                return self._silent()
            case OSError():
                text = cut(f"not reachable: {error.strerror or error}")
                return TransientError(self._subject, text, reason="SwitchUnreachable")
            case _:
                return TransientError(self._subject, "the session broke", reason="SwitchConnectionLost")
        return found

    def _refused(self, error: Any) -> RingfenceError:  # noqa: ANN401  # ncclient has no types
        text = cut(f"{error.tag}: {error.message}")
        if error.tag in _BUSY:
            hint = "somebody else is changing its configuration"
            return TransientError(self._subject, f"is busy: {text}", reason="SwitchBusy", hint=hint)
        return DeviceError(self._subject, f"refused the change: {text}", reason="SwitchRefused")

    def _silent(self) -> TransientError:
        return TransientError(self._subject, f"no answer within {self._deadline_s:g} s", reason="SwitchSilent")

    def _drop(self) -> None:
        """Close the session without a word: whoever does not answer is not waited for."""
        if self._manager is not None:
            session, self._manager = self._manager._session, None  # noqa: SLF001  # close_session would wait
            with contextlib.suppress(*_foreign()):
                session.close()


def _foreign() -> tuple[type[BaseException], ...]:
    """Return the exceptions of the client and of what it stands on."""
    from lxml.etree import LxmlError
    from ncclient import NCClientError
    from paramiko import SSHException

    return (NCClientError, SSHException, LxmlError, OSError, EOFError)
