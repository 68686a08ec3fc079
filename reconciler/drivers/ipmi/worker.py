"""The worker program: pyghmi in a process of its own, one request at a time.

``python -m reconciler.drivers.ipmi.worker`` reads requests from standard input and
writes replies to standard output. It ends when its input does, even while pyghmi hangs,
so it never outlives the pool. Each request is a login, the operation and a logout: no
session is shared, kept alive or found stale. Power and boot device are read and written
by their raw commands (IPMI 2.0, section 28), so nothing vendor-specific runs.

Switching on, in this order: 1. a machine that is on is left alone; 2. network boot over
UEFI is set for the next boot only; 3. it is read back; 4. power goes on; 5. the state is
read until it is the one asked for or the time is over.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from reconciler.drivers.ipmi.identify import identify
from reconciler.drivers.ipmi.messages import Reply, Request
from reconciler.errors.taxonomy import DeviceError, RingfenceError, TransientError, cut

_CHASSIS = 0
_GET_STATUS, _CONTROL, _GET_BOOT_OPTIONS = 0x01, 0x02, 0x09
_POWER_IS_ON, _POWER_OFF, _POWER_ON = 0x01, 0x00, 0x01
_BOOT_FLAGS = (5, 0, 0)
_DEVICE_BYTE, _NETWORK = 3, 1
_BUSY_CODES = frozenset({0xC0, 0xC3, 0xC4, 0xCE, 0xCF, 0xD0, 0xD1, 0xD2, 0xFFFF})
_REFUSED_LOGINS = ("incorrect password", "unauthorized", "invalid role", "no matching", "wrong kg", "privilege")
_POLL_S = 0.05
_LONGEST_WAIT_S = 0.02


class _Bmc(Protocol):
    """The part of pyghmi's Command that is used here."""

    ipmi_session: Any

    def raw_command(self, netfn: int, command: int, *, data: Sequence[int] = ...) -> dict[str, Any]: ...
    def set_bootdev(self, bootdev: str, *, persist: bool, uefiboot: bool) -> object: ...


def _load_client() -> None:
    """Import pyghmi, and let it look for answers again every few milliseconds.

    A packet that its reading thread takes in just before its caller starts to wait wakes nobody: the caller would sleep
    until it is time to send again, half a second to a second later. With a bound on each wait it looks again at once.
    """
    importlib.import_module("pyghmi.ipmi.command")
    session: Any = importlib.import_module("pyghmi.ipmi.private.session")
    wait = session._io_wait  # noqa: SLF001 - there is no public place through which all its waits pass

    def wait_a_little(timeout: float, *arguments: object) -> None:
        wait(min(timeout, _LONGEST_WAIT_S), *arguments)

    session._io_wait = wait_a_little  # noqa: SLF001 - its callers all wait in loops, with deadlines of their own


def _login(request: Request) -> _Bmc:
    """Return a client whose session is really logged in; pyghmi's constructor may return without."""
    from pyghmi.exceptions import PyghmiException
    from pyghmi.ipmi.command import Command

    try:
        # Names go in as bytes: pyghmi forgets a session in the making by its encoded name, so one that was given as
        # text is found again, dead, by the next login.
        bmc: _Bmc = Command(
            bmc=request.address,
            userid=request.user.encode(),
            password=request.password.encode(),
            port=request.port,
            keepalive=False,
        )
    except (PyghmiException, OSError) as error:
        text = cut(str(error))
        if any(phrase in text.lower() for phrase in _REFUSED_LOGINS):
            raise DeviceError("bmc", f"refuses the login: {text}", reason="BmcLoginRefused") from error
        detail = "no answer" if text in {"", "None", "timeout"} else text
        raise TransientError("bmc", f"not reachable: {detail}", reason="BmcUnreachable") from error
    if not bmc.ipmi_session.logged:
        raise TransientError("bmc", "gave no session", reason="BmcUnreachable")
    return bmc


def _command(bmc: _Bmc, number: int, data: Sequence[int] = ()) -> bytes:
    """Send one chassis command and return its data."""
    from pyghmi.exceptions import PyghmiException

    try:
        response = bmc.raw_command(netfn=_CHASSIS, command=number, data=data)
    except PyghmiException as error:
        raise TransientError("bmc", cut(f"lost the session: {error}"), reason="BmcUnreachable") from error
    code = response.get("code", 0xFFFF)
    if code == 0 and "error" not in response:
        return bytes(response["data"])
    text = cut(f"chassis command {number}: {response.get('error', 'no answer')} (0x{code:02x})")
    if code in _BUSY_CODES:
        raise TransientError("bmc", text, reason="BmcBusy")
    raise DeviceError("bmc", text, reason="BmcRefused")


def _status(bmc: _Bmc) -> str:
    data = _command(bmc, _GET_STATUS)
    if not data:
        return "UNKNOWN"
    return "ON" if data[0] & _POWER_IS_ON else "OFF"


def _boot_from_network(bmc: _Bmc) -> None:
    """Set network boot over UEFI for one boot, and compare what the BMC then says (its valid bit is not reliable)."""
    from pyghmi.exceptions import PyghmiException

    try:
        bmc.set_bootdev("network", persist=False, uefiboot=True)
    except PyghmiException as error:
        raise DeviceError("bmc", cut(f"does not take a boot device: {error}"), reason="BmcRefused") from error
    flags = _command(bmc, _GET_BOOT_OPTIONS, _BOOT_FLAGS)
    if len(flags) <= _DEVICE_BYTE or (flags[_DEVICE_BYTE] >> 2) & 0x0F != _NETWORK:
        raise DeviceError("bmc", "did not take the network as boot device", reason="BmcBootDevice")


def _await(bmc: _Bmc, wanted: str, *, end_s: float) -> str:
    """Return the first state read that is ``wanted``, or the last one read in time."""
    while (state := _status(bmc)) != wanted and time.monotonic() + _POLL_S < end_s:
        time.sleep(_POLL_S)
    return state


def perform(request: Request) -> Reply:
    """Log in, do what ``request`` asks, log out; the numbers are those of the module's docstring."""
    end_s = time.monotonic() + request.timeout_s
    bmc = _login(request)
    try:
        state = _status(bmc)
        if request.operation == "identify":
            return Reply(outcome="state", text=json.dumps({"power": state, **identify(bmc)}))
        wanted = {"status": state, "on": "ON", "off": "OFF"}[request.operation]
        if state != wanted:  # 1
            if wanted == "ON":
                _boot_from_network(bmc)  # 2, 3
            _command(bmc, _CONTROL, (_POWER_ON if wanted == "ON" else _POWER_OFF,))  # 4
            state = _await(bmc, wanted, end_s=end_s)  # 5
    finally:
        bmc.ipmi_session.logout()
    return Reply(outcome="state", text=state)


def answer(line: bytes) -> Reply:
    """Return the reply to one request line; failures become replies."""
    try:
        return perform(Request.decode(line))
    except DeviceError as error:
        return Reply(outcome="refused", text=error.message)
    except RingfenceError as error:
        return Reply(outcome="unreachable", text=error.message)
    except (ValueError, TypeError, KeyError):
        return Reply(outcome="refused", text="the worker was asked something it does not understand")


def _read_requests(lines: queue.SimpleQueue[bytes]) -> None:
    """Hand over request lines; when there are no more, the pool is gone and so is this process."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def main() -> None:
    """Serve requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pool's to handle
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # pyghmi prints now and then; standard output is for replies only
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(lines,), daemon=True).start()
    _load_client()  # now, not within the first request's deadline

    while True:
        replies.write(answer(lines.get()).encode())


if __name__ == "__main__":
    main()
