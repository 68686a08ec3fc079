"""An active probe of one zone: test ports are moved as nodes' ports are, frames are sent, and ears are pricked.

1. Between every two placements the test ports meet on the probe VLAN, and each must hear the others. Only then was the
   silence in between silence, and whatever was on its way has come in.
2. Nothing is sent in a placement before it has had twice the time that the meeting before it took to come about: a port
   that does not forward yet would shut everybody up. A tenth of a second is the least, for a switch that goes on from
   a cache for some milliseconds after it said that a port was moved.
3. A frame that one test port hears of another may have been under way while both were moved. So it is tried again after
   a longer while: what crosses then is a leak, and what does not was late.
4. Whatever happens, the test ports are parked at the end, and read back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.errors.taxonomy import DeviceError
from reconciler.execute import hands
from reconciler.model.probing import PortRef
from reconciler.plan.actions import Port
from reconciler.plan.probing import (
    Ear,
    Frame,
    Placement,
    check_placement,
    control_frame,
    frames,
    may_arrive,
    name_of,
    placements,
)
from reconciler.ports.wire import Wires

_RESEND_S = 0.1
_SETTLE_S = 0.1
_LONG_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a probe is made with: two test ports or more with this machine's ``interfaces``, the zone's VLANs, ears.

    ``parking`` and ``meeting`` are where test ports may be, ``vlans`` those that frames are tagged with. ``ears`` are
    the places other than test ports that are listened in.
    """

    interfaces: Mapping[PortRef, str]
    parking: int
    meeting: int
    vlans: Sequence[int]
    ears: Sequence[Ear]

    @property
    def ports(self) -> list[PortRef]:
        """Return the test ports."""
        return list(self.interfaces)

    def at(self, placement: Placement) -> list[Ear]:
        """Return all ears, those at test ports as ``placement`` has them."""
        tests = [
            Ear(name=f"test port {name_of(port)}", interface=interface, vlan=placement.vlans[port], port=port)
            for port, interface in self.interfaces.items()
        ]
        return [*tests, *self.ears]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A frame that was heard where it must not be."""

    placement: str
    shown: str
    sender: str
    vlan: int
    heard: str


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a probe found: ``sent`` frames by placement, ``leaks``, and what kept it from telling (``doubts``).

    ``late`` are frames that crossed right after a move and not a second later.
    """

    sent: dict[str, int] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)
    late: list[Leak] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Return ``leaks``, ``unknown`` or ``tight``; what is not known is not tight."""
        if self.leaks:
            return "leaks"
        return "unknown" if self.doubts or not self.sent else "tight"


def probe(
    site: hands.Switched, wires: Wires, bench: Bench, *, patience_s: float, watch: Callable[[str], None]
) -> Findings:
    """Probe with ``bench`` and return what was found; a control that nobody hears for ``patience_s`` ends it.

    ``watch`` is told of each placement. Raises what a switch raises; the test ports are parked before.
    """
    run = _Run(site, wires, bench, patience_s=patience_s)
    try:
        run.all(watch)
    finally:
        run.park()
    return run.found


class _Run:
    """One probe under way."""

    def __init__(self, site: hands.Switched, wires: Wires, bench: Bench, *, patience_s: float) -> None:
        self.found = Findings()
        self._site = site
        self._wires = wires
        self._bench = bench
        self._patience_s = patience_s
        self._marks = _marks()
        self._placements = placements(bench.ports, parking=bench.parking, meeting=bench.meeting)
        self._addresses: dict[int, list[str]] = {}
        self._sent: dict[str, Frame] = {}
        self._suspects: list[Leak] = []

    def all(self, watch: Callable[[str], None]) -> None:
        """Go through every placement, with a control before and after each."""
        if not self._open():
            return
        try:
            self._go_round(watch)
        except DeviceError as error:
            if error.reason != "WireDown":
                raise
            self.found.doubts.append(f"{error.subject} {error.message}, so its silence proves nothing")

    def _go_round(self, watch: Callable[[str], None]) -> None:
        meeting = self._placements[0]
        delay_s = self._control(meeting)
        for placement in self._placements:
            if delay_s is None:
                return
            watch(placement.title)
            delay_s = self._try(placement, pause_s=max(_SETTLE_S, 2 * delay_s))
            if self._suspects:
                delay_s = self._try_again(placement, delay_s)

    def _try(self, placement: Placement, *, pause_s: float) -> float | None:
        """Send everything from ``placement``, and return how long the control after it took; None if it failed."""
        self._place(placement)
        self._send(placement, pause_s=pause_s)
        return self._control(self._placements[0], after=placement)

    def _try_again(self, placement: Placement, delay_s: float | None) -> float | None:
        """Find out whether what test ports heard of each other was late or leaks; what cannot be tried again leaks."""
        first, self._suspects = self._suspects, []
        if delay_s is None:
            self.found.leaks += first
            return None
        after_s = self._try(placement, pause_s=max(_LONG_S, 10 * delay_s))
        if self._suspects or after_s is None:
            self.found.leaks += list(dict.fromkeys([*first, *self._suspects]))
        else:
            self.found.late += first
        self._suspects = []
        return after_s

    def park(self) -> None:
        """Park every test port."""
        hands.park(self._site, _ports(dict.fromkeys(self._bench.ports, self._bench.parking)))

    def _open(self) -> bool:
        ears = self._bench.at(self._placements[0])
        known = self._wires.open({ear.interface for ear in ears})
        deaf = [ear for ear in ears if not known[ear.interface]]
        self.found.doubts += [f"{ear.name} cannot be heard at interface {ear.interface}" for ear in deaf]
        for ear in self._bench.ears:
            if known[ear.interface]:
                self._addresses.setdefault(ear.vlan, []).append(known[ear.interface])
        return not any(ear.port for ear in deaf)

    def _place(self, placement: Placement) -> None:
        check_placement(placement, parking=self._bench.parking, meeting=self._bench.meeting)
        hands.move(self._site, _ports(placement.vlans))

    def _send(self, placement: Placement, *, pause_s: float) -> None:
        self._wires.listen(pause_s)
        made = list(frames(placement, vlans=self._bench.vlans, addresses=self._addresses, marks=self._marks))
        self._sent = {frame.mark: frame for frame in made}
        self._wires.send((self._bench.interfaces[frame.sender], frame.data) for frame in made)
        self._judge(placement, self._sent, self._wires.listen(pause_s))
        self.found.sent[placement.title] = len(made)

    def _control(self, meeting: Placement, *, after: Placement | None = None) -> float | None:
        """Let the test ports meet and hear each other; return after how many seconds they did, None if not at all.

        What comes in meanwhile is judged as of ``after``, where it was sent.
        """
        began = time.monotonic()
        self._place(meeting)
        marks = {port: next(self._marks) for port in self._bench.ports}
        plain = [
            (self._bench.interfaces[port], control_frame(number, mark=mark))
            for number, (port, mark) in enumerate(marks.items())
        ]
        missing = {(i, mark) for port, i in self._bench.interfaces.items() for p, mark in marks.items() if p != port}
        while missing and time.monotonic() - began < self._patience_s:
            self._wires.send(plain)
            heard = self._wires.listen(_RESEND_S, until=missing)
            if after is not None:
                self._judge(after, self._sent, heard)
            self._judge_controls(marks, heard)
            missing -= {(interface, mark) for interface, found in heard.items() for mark in found}
        if not missing:
            return time.monotonic() - began
        self.found.doubts.append(self._unheard(marks, missing))
        return None

    def _unheard(self, marks: Mapping[PortRef, str], missing: set[tuple[str, str]]) -> str:
        port_at = {interface: port for port, interface in self._bench.interfaces.items()}
        sender_of = {mark: port for port, mark in marks.items()}
        pairs = sorted((name_of(sender_of[mark]), name_of(port_at[interface])) for interface, mark in missing)
        told = ", ".join(f"{sender} at {receiver}" for sender, receiver in pairs)
        return f"not even on VLAN {self._bench.meeting} could be heard {told}; so silence proves nothing"

    def _judge(self, placement: Placement, sent: Mapping[str, Frame], heard: Mapping[str, frozenset[str]]) -> None:
        for ear in self._bench.at(placement):
            for mark in sorted(heard.get(ear.interface, ())):
                frame = sent.get(mark)
                if frame is None or frame.sender == ear.port:
                    continue
                if not may_arrive(frame, ear, placement=placement, meeting=self._bench.meeting):
                    self._leak(placement.title, frame.shown, frame.sender, frame.vlan, ear)

    def _judge_controls(self, marks: Mapping[PortRef, str], heard: Mapping[str, frozenset[str]]) -> None:
        """Take note of controls that came in where no test port is."""
        for ear in self._bench.ears:
            for port, mark in marks.items():
                if mark in heard.get(ear.interface, ()):
                    self._leak("the controls", "untagged, to everybody", port, self._bench.meeting, ear)

    def _leak(self, placement: str, shown: str, sender: PortRef, vlan: int, ear: Ear) -> None:
        leak = Leak(placement=placement, shown=shown, sender=name_of(sender), vlan=vlan, heard=ear.name)
        known = self._suspects if ear.port is not None else self.found.leaks
        if leak not in known:
            known.append(leak)


def _ports(vlans: Mapping[PortRef, int]) -> list[Port]:
    return [Port(interface=name_of(p), switch=p.switch, port=p.port, vlan=vlan) for p, vlan in vlans.items()]


def _marks() -> Iterator[str]:
    """Yield marks that nobody else can have made."""
    run, number = secrets.token_hex(12), 0
    while True:
        number += 1
        yield f"{run}{number:08x}"
