"""The survey port on Open vSwitch: what is there, before any of it is ours. Reads only.

Rules: bridges and ports come from OVSDB, in one view that the server confirmed; learnt
addresses from the control socket of ovs-vswitchd (``fdb/show``, ovs-vswitchd(8)), since
OVSDB does not hold them: that is a socket on the switch itself, perhaps forwarded by SSH.
A socket that does not answer is told as an empty table that was not read.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler.drivers.openvswitch import OpenVswitch, port_state
from reconciler.model.survey import PortSighting, SwitchSighting

_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s+\S+\s*", re.IGNORECASE)
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_CONTROL = "*vswitchd*.ctl"
_NOTES = ("description", "ringfence-node", "name")
_ATTACHED = "attached-mac"
_READ_BYTES = 1 << 16
_LIMIT_BYTES = 64 << 20


class OpenVswitchSurvey(OpenVswitch):
    """One bridge of one Open vSwitch; the adapter of ``ports.survey.SwitchSurvey``."""

    def __init__(
        self, name: str, *, address: str, bridge: str, control: Path | None = None, deadline_s: float = 5.0
    ) -> None:
        """Remember where it is; ``control`` is ovs-vswitchd's control socket, or the folder that it is in."""
        super().__init__(name, address=address, bridge=bridge, deadline_s=deadline_s)
        self._control = control

    def survey(self) -> SwitchSighting:
        """Return its bridges and every port of this one."""

        def read(end_s: float) -> SwitchSighting:
            idl = self._current(end_s)
            bridges = {str(row.name): row for row in idl.tables["Bridge"].rows.values()}
            if self._bridge not in bridges:
                return SwitchSighting(bridges=tuple(sorted(bridges)))
            table = _forwarding_table(self._control, bridge=self._bridge, end_s=end_s) if self._control else None
            ports = {str(row.name): _sighting(row, table=table or {}) for row in bridges[self._bridge].ports}
            return SwitchSighting(
                bridges=tuple(sorted(bridges)),
                ports={name: ports[name] for name in sorted(ports)},
                has_table=table is not None,
            )

        return self._within_deadline(read)

    def _connect(self) -> Any:  # noqa: ANN401  # the base class's protocol
        from reconciler.drivers.openvswitch_idl import connect

        return connect(self._address, is_survey=True)


def _sighting(row: Any, *, table: Mapping[int, tuple[str, ...]]) -> PortSighting:  # noqa: ANN401  # a row of the IDL
    interfaces = list(row.interfaces)
    numbers = [number for interface in interfaces for number in interface.ofport]
    said = [row.external_ids, *(interface.external_ids for interface in interfaces)]
    attached = {str(ids[_ATTACHED]).lower() for ids in said if _ATTACHED in ids}
    return PortSighting(
        name=str(row.name),
        state=port_state(mode=row.vlan_mode, tag=row.tag, trunks=row.trunks),
        macs=tuple(sorted({mac for number in numbers for mac in table.get(number, ())})),
        attached=tuple(sorted(mac for mac in attached if _MAC.fullmatch(mac))),
        note=_note(said),
        is_internal=any(interface.type == "internal" for interface in interfaces),
    )


def _note(said: Iterable[Mapping[str, str]]) -> str:
    texts = (str(ids[name]) for ids in said for name in _NOTES if name in ids)
    return next(iter(texts), "")


def _forwarding_table(control: Path, *, bridge: str, end_s: float) -> Mapping[int, tuple[str, ...]] | None:
    """Return the addresses learnt on each OpenFlow port, None if the socket does not tell.

    The client that Open vSwitch's own library has for this socket waits without end; so it is spoken to here, one
    JSON-RPC request and one reply (RFC 7047, 4.1).
    """
    path = next(iter(sorted(control.glob(_CONTROL))), None) if control.is_dir() else control
    if path is None:
        return None
    request = json.dumps({"id": 0, "method": "fdb/show", "params": [bridge]}).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(max(end_s - time.monotonic(), 0.001))
            peer.connect(str(path))
            peer.sendall(request)
            reply = _reply(peer, end_s=end_s)
    except (OSError, ValueError):
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("result"), str):
        return None
    found: dict[int, set[str]] = {}
    for line in reply["result"].splitlines():
        row = _ROW.fullmatch(line)
        if row:
            found.setdefault(int(row[1]), set()).add(row[3].lower())
    return {number: tuple(sorted(macs)) for number, macs in found.items()}


def _reply(peer: socket.socket, *, end_s: float) -> object:
    """Return the one JSON value that the peer answers; OSError or ValueError if it does not."""
    data = b""
    while True:
        peer.settimeout(max(end_s - time.monotonic(), 0.001))
        chunk = peer.recv(_READ_BYTES)
        data += chunk
        try:
            return json.loads(data)
        except ValueError:
            if not chunk or len(data) > _LIMIT_BYTES:
                raise
