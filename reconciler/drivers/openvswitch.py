"""The isolation port on Open vSwitch: OVSDB over TCP, through ovsdbapp's IDL.

Rules: every call has one deadline for everything it does; a port is only ours if it is
on the switch's bridge; a write is one transaction for all its ports that sets mode and
tag, clears the trunks and names the node, and it returns what the server says afterwards,
once ovs-vswitchd has applied it. On the parking VLAN a port is also *protected*: Open
vSwitch passes no frame between two such ports. Whatever goes wrong, the connection is
dropped, so that no later call reads a stale cache.
Not checked: that the forwarding plane does what its configuration says.

ovsdbapp ignores bad tags and missing ports, and its API class keeps one connection for
all switches; so its IDL is used below that class, and without its thread.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError, cut
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.model.trunks import Carried, carried_by
from reconciler.ports.isolation import AccessPort

_ADDRESS = re.compile(r"^tcp:(?:\[([0-9A-Fa-f:]+)\]|([0-9.]+)):([0-9]{1,5})$")
_REUSE_S = 2.0
_SLICE_S = 0.5
_LAST_VLAN = 4094
_NODE = "ringfence-node"
T = TypeVar("T")


class _Idl(Protocol):
    """The part of ovs.db.idl.Idl that is used here."""

    tables: Mapping[str, Any]

    @property
    def is_connected(self) -> bool: ...
    def run(self) -> bool: ...
    def wait(self, poller: object) -> None: ...
    def close(self) -> None: ...
    def has_ever_connected(self) -> bool: ...


class _PortRow(Protocol):
    """A row of the Port table; optional columns read as lists and are written as values."""

    name: str
    vlan_mode: Any
    tag: Any
    trunks: Any
    protected: bool

    def setkey(self, column_name: str, key: str, value: str) -> None: ...
    def delkey(self, column_name: str, key: str) -> None: ...


class _RootRow(Protocol):
    """The only row of the Open_vSwitch table."""

    next_cfg: int
    cur_cfg: int

    def increment(self, column_name: str) -> None: ...


def port_state(*, mode: Iterable[str], tag: Iterable[int], trunks: Iterable[int]) -> PortState:
    """Return what a row of OVSDB's Port table means (ovs-vswitchd.conf.db(5), "VLAN Configuration").

    Without a mode, a tag alone means access and anything else a trunk. Trunks beside an access tag are ignored by
    Open vSwitch, yet they are somebody's intention to widen, so the port does not count as plain.
    """
    tags, plain = tuple(tag), not tuple(trunks) and tuple(mode) in {(), ("access",)}
    if plain and len(tags) == 1 and 1 <= tags[0] <= _LAST_VLAN:
        return PortState(mode=PortMode.ACCESS, vlan=tags[0])
    return PortState(mode=PortMode.OTHER, carried=_carried(tuple(mode), tags, tuple(trunks)))


def _carried(mode: tuple[str, ...], tags: tuple[int, ...], trunks: tuple[int, ...]) -> Carried | None:
    """Return what a trunk carries, None where that cannot be told; without a list it carries everything."""
    allowed = frozenset(trunks) - {0} if trunks else frozenset(range(1, _LAST_VLAN + 1))
    match mode, tags:
        case ((), ()) | (("trunk",), _):
            return Carried(vlans=allowed)
        case (("native-untagged",), (native,)):
            return carried_by(allowed | {native}, native=native)
        case _:
            return None


class OpenVswitch:
    """One bridge of one Open vSwitch; the adapter of ``ports.isolation.Switch``."""

    def __init__(
        self, name: str, *, address: str, bridge: str, parking: int | None = None, deadline_s: float = 5.0
    ) -> None:
        """Remember where switch ``name`` is (``tcp:HOST:PORT``); nothing is connected before the first call.

        ``parking`` is the VLAN on which ports are kept from each other.
        """
        match = _ADDRESS.match(address)
        if match is None:
            raise DeviceError(f"switch {name}", "its address is not tcp:HOST:PORT", reason="SwitchAddress")
        self._subject = f"switch {name}"
        self._address = address
        self._peer = (match[1] or match[2], int(match[3]))
        self._bridge = bridge
        self._parking = parking
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._idl: _Idl | None = None
        self._used_s = 0.0

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port, all from one view that the server confirmed during this call."""

        def read(end_s: float) -> Mapping[str, PortState]:
            return self._read(self._current(end_s), ports)

        return self._within_deadline(read)

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make the ports what is wanted of them, all at once, and return what was read back."""
        for port, place in wanted.items():
            if not 1 <= place.vlan <= _LAST_VLAN:
                raise InvariantError(
                    f"{self._subject} port {port}", f"{place.vlan} is no VLAN", reason="VlanOutOfRange"
                )

        def write(end_s: float) -> Mapping[str, PortState]:
            idl = self._current(end_s)
            rows = self._rows(idl)
            found = [(rows[port], place) for port, place in wanted.items() if port in rows]

            def change(root: _RootRow) -> None:
                for row, place in found:
                    self._place(row, place)
                root.increment("next_cfg")

            if found:
                self._commit(idl, end_s, change=change)
                self._wait_applied(idl, end_s)
                self._commit(idl, end_s)
            return self._read(idl, wanted)

        return self._within_deadline(write)

    def _place(self, row: _PortRow, place: AccessPort) -> None:
        """Write into a transaction what a port is to be."""
        row.vlan_mode, row.tag, row.trunks, row.protected = "access", place.vlan, [], place.vlan == self._parking
        if place.node:
            row.setkey("external_ids", _NODE, place.node)
        else:
            row.delkey("external_ids", _NODE)

    def _read(self, idl: _Idl, ports: Iterable[str]) -> Mapping[str, PortState]:
        """Return what the copy holds of ``ports``."""
        rows = self._rows(idl)
        return {port: self._state(rows[port]) if port in rows else UNKNOWN_PORT for port in ports}

    def _state(self, row: _PortRow) -> PortState:
        state = port_state(mode=row.vlan_mode, tag=row.tag, trunks=row.trunks)
        is_open = state.vlan is not None and state.vlan == self._parking and not row.protected
        return PortState(mode=PortMode.OTHER) if is_open else state

    def close(self) -> None:
        """Drop the connection; a later call makes a new one."""
        with self._lock:
            self._drop()

    def _within_deadline(self, work: Callable[[float], T]) -> T:
        """Run ``work`` with the moment by which it must end; drop the connection whatever goes wrong."""
        end_s = time.monotonic() + self._deadline_s
        if not self._lock.acquire(timeout=self._deadline_s):
            raise self._silent()
        try:
            result = work(end_s)
            self._used_s = time.monotonic()
        except BaseException:
            self._drop()
            raise
        finally:
            self._lock.release()
        return result

    def _current(self, end_s: float) -> _Idl:
        """Return an IDL that holds what the server holds now.

        A connection used a moment ago is used again, after a round trip through it; a fresh one starts with a fresh
        copy. The server drops connections that nobody serves, so older ones are not tried.
        """
        if self._idl is not None and time.monotonic() - self._used_s < _REUSE_S:
            try:
                self._commit(self._idl, end_s)
            except _ConnectionLostError:
                pass
            else:
                return self._idl
        self._drop()
        self._probe(end_s)
        idl = self._connect()
        self._idl = idl
        self._spin(idl, end_s, done=idl.has_ever_connected)
        return idl

    def _connect(self) -> _Idl:
        """Return a copy of the tables that are used here, which connects when it is run."""
        from reconciler.drivers.openvswitch_idl import connect

        idl: _Idl = connect(self._address)
        return idl

    def _probe(self, end_s: float) -> None:
        """Refuse at once where nobody listens; the IDL would try again until the deadline."""
        try:
            socket.create_connection(self._peer, timeout=max(end_s - time.monotonic(), 0.001)).close()
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise TransientError(
                self._subject,
                cut(f"not reachable: {error.strerror or error}"),
                reason="SwitchUnreachable",
                hint="is ovsdb-server running, and does it listen on this address?",
            ) from error

    def _commit(self, idl: _Idl, end_s: float, *, change: Callable[[_RootRow], None] | None = None) -> None:
        """Commit ``change``, or only make a round trip; afterwards the IDL holds at least what the server held."""
        from ovs.db.idl import Transaction

        root = next(iter(idl.tables["Open_vSwitch"].rows.values()), None)
        if root is None:
            raise DeviceError(self._subject, "its database has no Open_vSwitch row", reason="SwitchNotInitialised")
        transaction = Transaction(idl)
        if change is None:
            transaction.add_op({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["cur_cfg"]})
        else:
            change(root)
        status = transaction.commit()
        if status == Transaction.INCOMPLETE:
            self._spin(idl, end_s, done=lambda: transaction.commit() != Transaction.INCOMPLETE)
            status = transaction.commit()
        if status == Transaction.TRY_AGAIN:
            raise _ConnectionLostError(self._subject, "the connection broke", reason="SwitchConnectionLost")
        if status not in {Transaction.SUCCESS, Transaction.UNCHANGED}:
            raise DeviceError(
                self._subject, cut(f"refused the change: {transaction.get_error()}"), reason="SwitchRefused"
            )

    def _wait_applied(self, idl: _Idl, end_s: float) -> None:
        """Wait until ovs-vswitchd says that it has applied the configuration as it is now."""
        root = next(iter(idl.tables["Open_vSwitch"].rows.values()))
        wanted = root.next_cfg
        try:
            self._spin(idl, end_s, done=lambda: bool(root.cur_cfg >= wanted))
        except TransientError as error:
            raise TransientError(
                self._subject,
                "the change is in its database, but was not applied within the deadline",
                reason="SwitchNotApplied",
                hint="is ovs-vswitchd running?",
            ) from error

    def _spin(self, idl: _Idl, end_s: float, *, done: Callable[[], bool]) -> None:
        """Serve the connection until ``done``, at the latest until ``end_s``."""
        from ovs.poller import Poller

        while True:
            idl.run()
            if done():
                return
            if idl.has_ever_connected() and not idl.is_connected:
                raise _ConnectionLostError(self._subject, "the connection broke", reason="SwitchConnectionLost")
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise self._silent()
            poller = Poller()
            poller.timer_wait(max(1, int(min(left_s, _SLICE_S) * 1000)))
            idl.wait(poller)
            poller.block()

    def _rows(self, idl: _Idl) -> Mapping[str, _PortRow]:
        """Return the bridge's ports by name."""
        for bridge in idl.tables["Bridge"].rows.values():
            if bridge.name == self._bridge:
                return {row.name: row for row in bridge.ports}
        raise DeviceError(self._subject, f"has no bridge {self._bridge}", reason="SwitchBridgeMissing")

    def _silent(self) -> TransientError:
        return TransientError(self._subject, f"no answer within {self._deadline_s:g} s", reason="SwitchSilent")

    def _drop(self) -> None:
        if self._idl is not None:
            self._idl.close()
            self._idl = None


class _ConnectionLostError(TransientError):
    """The server went away in the middle of a call."""
