"""The adapter of ``ports.isolation.Switch``: a switch that is spoken to as a person would, line by line.

In this order: 1. every port is read; 2. lines are said for those that are not as wanted, between a begin and a finish
that make one transaction of them where the platform has such; 3. it is saved, or a reboot would bring the old state
back; 4. every port is read again, and that is what is returned. If a line is refused, what was not finished is given
up. What may not have been saved is saved with the next change, and once in every process. A port on the parking VLAN is
also shut; one that is there and not shut reads as OTHER, and so does one that is shut elsewhere: it leads nowhere.
Not checked: that the switch does what its running configuration says.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Collection, Iterator, Mapping

from reconciler.drivers.cli_switch.platforms import PLATFORMS
from reconciler.drivers.cli_switch.profile import Profile, Seen, lines_for, parse
from reconciler.drivers.cli_switch.session import Place, Session, log_in
from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, InvariantError, RingfenceError, TransientError
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.model.trunks import PORT_PATTERN
from reconciler.ports.isolation import AccessPort

_ADDRESS = re.compile(r"^ssh:(?:\[([0-9A-Fa-f:]+)\]|([0-9A-Za-z.-]+)):([0-9]{1,5})$")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LAST_VLAN = 4094


class CliSwitch:
    """One switch; calls take turns, and each is a login."""

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        *,
        platform: str,
        address: str,
        host_key: str,
        credentials: Credentials,
        parking: int | None = None,
        deadline_s: float = 60.0,
    ) -> None:
        """Remember where switch ``name`` is (``ssh:HOST:PORT``); nothing is sent yet.

        ``parking`` is the VLAN on which ports are shut.
        """
        match = _ADDRESS.match(address)
        if match is None:
            raise DeviceError(f"switch {name}", "its address is not ssh:HOST:PORT", reason="SwitchAddress")
        self._subject = f"switch {name}"
        self._place = Place(host=match[1] or match[2], port=int(match[3]), host_key=host_key)
        self._profile: Profile = PLATFORMS[platform]
        self._credentials = credentials
        self._parking = parking
        self._deadline_s = deadline_s
        self._turn = threading.Lock()
        self._is_saved = False  # Not known: an earlier process may have ended before it saved.

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Return the state of each port, read in one login."""
        if not ports:
            return {}
        with self._session() as session:
            return self._states(self._read(session), ports)

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Make the ports what is wanted of them and return what was read back; see the module's docstring."""
        for port, place in wanted.items():
            if not 1 <= place.vlan <= _LAST_VLAN or (place.node and not _WORD.fullmatch(place.node)):
                message = f"VLAN {place.vlan} or node {place.node} is none"
                raise InvariantError(f"{self._subject} port {port}", message, reason="VlanOutOfRange")
        if not wanted:
            return {}
        with self._session() as session:
            seen = self._read(session)  # 1
            lines = [
                line
                for port, place in wanted.items()
                if port in seen and re.fullmatch(PORT_PATTERN, port) and not self._is_there(seen[port], place)
                for line in self._lines(port, place, seen[port])
            ]
            if lines or not self._is_saved:
                self._write(session, lines)  # 2, 3
                seen = self._read(session)  # 4
            return self._states(seen, wanted)

    def close(self) -> None:
        """Do nothing: no connection outlives a call."""

    def _is_there(self, seen: Seen, place: AccessPort) -> bool:
        return self._state(seen).is_access(place.vlan) and seen.label == place.node

    def _lines(self, port: str, place: AccessPort, seen: Seen) -> list[str]:
        is_parked = place.vlan == self._parking
        return lines_for(self._profile.writing, port, place=place, seen=seen, is_parked=is_parked)

    def _state(self, seen: Seen) -> PortState:
        is_off_as_it_should = self._parking is None or seen.is_shut == (seen.state.vlan == self._parking)
        return seen.state if is_off_as_it_should else PortState(mode=PortMode.OTHER)

    def _states(self, seen: Mapping[str, Seen], ports: Collection[str]) -> Mapping[str, PortState]:
        return {port: self._state(seen[port]) if port in seen else UNKNOWN_PORT for port in ports}

    def _read(self, session: Session) -> Mapping[str, Seen]:
        return parse(self._profile, [session.tell([reading.command]) for reading in self._profile.readings])

    def _write(self, session: Session, lines: list[str]) -> None:
        says = self._profile.writing
        self._is_saved = False
        if lines:
            self._change(session, lines)
        answer = session.tell(says.save)
        if says.saved and not says.saved.search(answer):
            hint = "a reboot would bring the old ports back: save it by hand"
            raise DeviceError(self._subject, "did not save the change", reason="SwitchNotSaved", hint=hint)
        self._is_saved = True

    def _change(self, session: Session, lines: list[str]) -> None:
        says = self._profile.writing
        session.tell(says.begin)
        try:
            session.tell(lines)
            answer = session.tell(says.finish)
        except DeviceError:
            with contextlib.suppress(RingfenceError):  # What was refused is what is told.
                session.tell([*says.cancel, *says.save])  # Where there are no transactions, some lines count already.
            raise
        if says.done and not says.done.search(answer):
            raise DeviceError(self._subject, "did not finish the change", reason="SwitchRefused")

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        with Cutoff(self._deadline_s) as cutoff:
            if not self._turn.acquire(timeout=self._deadline_s):
                raise TransientError(self._subject, "is busy with an earlier call", reason="SwitchBusy")
            try:
                with log_in(
                    self._place,
                    login=self._credentials,
                    profile=self._profile,
                    cutoff=cutoff,
                    subject=self._subject,
                ) as session:
                    yield session
            finally:
                self._turn.release()
