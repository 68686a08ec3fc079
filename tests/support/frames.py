"""Real frames through a real switch: what comes out where, in a network namespace of its own.

An Open vSwitch with its user-space datapath; each port's far end is a tap in the namespace, on which the wires that
``ringfence probe`` uses send and listen. After every few frames one is sent through the fence, a pair of ports that the
switch connects, and waited for: what was sent before has then been dealt with. Nothing of it is seen outside, and no
privileges are needed but those of a user namespace.

Rule of what may arrive: a frame from one port may come out of another only if both are access ports of one VLAN and
that is not the parking one. Tags that a machine puts on its frames change nothing about it.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.drivers.wires import WireProcess
from reconciler.plan.probing import ethernet
from tests.support.devices import RealSwitch, wait_until

PARKING = 999
FENCE = ("fence1", "fence2")
FENCE_VLAN = 4000
SERVICES = {"air1": 101, "air2": 102, "blue": 200, "green": 201}
"""Ports of services and of machines that are members already, by VLAN."""

NODES = ("swp1", "swp2", "swp3", "swp4")
_C_TAG, _S_TAG = 0x8100, 0x88A8
_BROADCAST = "ff:ff:ff:ff:ff:ff"
_GROUP = 48
_FENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A frame that came out where it should not have."""

    sender: str
    receiver: str
    shown: str

    def __str__(self) -> str:
        """Return one line for an assertion's message."""
        return f"{self.shown} from {self.sender} came out of {self.receiver}"


class FramedSwitch(RealSwitch):
    """Bridge ``tor`` with parked ports swp1 to swp4, the services' ports and a fence; frames really move."""

    datapath = "netdev"
    kind = "internal"
    options = ()

    def __init__(self) -> None:
        """Start the namespace and the switch in it."""
        self._anchor: subprocess.Popen[bytes] | None = None
        self._wires: WireProcess | None = None
        super().__init__()
        for port in NODES[2:]:
            self.add_port(port)
        for port, vlan in (*SERVICES.items(), *((port, FENCE_VLAN) for port in FENCE)):
            self.add_port(port, vlan=vlan)
        self._wires = WireProcess(enter=self.enter())

    def enter(self) -> tuple[str, ...]:
        """Return the words that run a command in the namespace."""
        if self._anchor is None:
            self._anchor = self.start("unshare", "--user", "--map-root-user", "--net", "sleep", "infinity")
            own = Path(f"/proc/{self._anchor.pid}/ns/net")
            wait_until(lambda: own.readlink() != Path("/proc/self/ns/net").readlink(), what="no network namespace")
        pid = str(self._anchor.pid)
        return ("nsenter", "--target", pid, "--user", "--net", "--preserve-credentials")

    def leaks(self, vlans: Mapping[str, int], *, frames: Iterable[Frame] | None = None) -> list[Leak]:
        """Send frames of every sort from every port and return those that came out where they should not have.

        ``vlans`` says where each node's port leads; other ports are where they always are. Fails if frames that should
        arrive do not.
        """
        places = {**dict.fromkeys(NODES, PARKING), **SERVICES, **vlans}
        sent = list(frames if frames is not None else every_frame(places))
        heard = self.heard(sent, listen=places)
        for one in sent:
            peers = {p for p in places if p != one.sender and places[p] == places[one.sender] != PARKING}
            if one.is_plain:
                missing = peers - {port for port, marks in heard.items() if one.mark in marks}
                assert not missing, f"{one.shown} from {one.sender} did not come out of {sorted(missing)}"
        of = {one.mark: one for one in sent}
        return [
            Leak(sender=of[mark].sender, receiver=port, shown=of[mark].shown)
            for port, marks in heard.items()
            for mark in marks
            if mark in of and port != of[mark].sender and not _may_arrive(places[of[mark].sender], places[port])
        ]

    def heard(self, frames: Iterable[Frame], *, listen: Collection[str]) -> Mapping[str, list[str]]:
        """Send ``frames`` and return the marks that came out of each port."""
        wires, sent = self._wires, list(frames)
        assert wires is not None
        ports = sorted({*listen, *FENCE})
        up = "".join(f"link set {port} up\n" for port in ports)
        subprocess.run([*self.enter(), "ip", "-force", "-batch", "-"], input=up, text=True, check=False, timeout=10,
                       capture_output=True)  # fmt: skip
        wires.open(ports)
        heard: dict[str, set[str]] = {port: set() for port in listen}
        for start in range(0, len(sent), _GROUP):
            wires.send((one.sender, one.data) for one in sent[start : start + _GROUP])
            for number in range(2):
                for port, marks in self._pass_fence(wires, f"{2 * start + number:032x}").items():
                    heard[port] |= marks
        return {port: sorted(marks) for port, marks in heard.items()}

    def _pass_fence(self, wires: WireProcess, number: str) -> Mapping[str, frozenset[str]]:
        """Send a frame through the fence, wait for it, and return what came out of the other ports meanwhile."""
        mark = f"fe{number[2:]}"
        first, second = FENCE
        wires.send([(first, ethernet("02:00:00:00:fe:01", _BROADCAST, tags=(), mark=mark))])
        heard = wires.listen(_FENCE_S, until=[(second, mark)])
        assert mark in heard.get(second, ()), "the switch does not even forward between the two ports of the fence"
        return {port: marks for port, marks in heard.items() if port not in FENCE}

    def __exit__(self, *args: object) -> None:
        """End everything."""
        super().__exit__(*args)  # type: ignore[arg-type]  # passed on
        if self._wires is not None:
            self._wires.close()


def _may_arrive(sender: int, receiver: int) -> bool:
    return sender == receiver != PARKING


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame that a machine sends; ``is_plain`` if every port of its VLAN must get it."""

    sender: str
    mark: str
    shown: str
    data: bytes
    is_plain: bool = False


def mac_of(port: str) -> str:
    """Return the address of the machine at ``port``."""
    number = (*NODES, *SERVICES).index(port) + 1
    return f"02:00:00:00:00:{number:02x}"


def every_frame(ports: Collection[str], *, senders: Collection[str] = (*NODES, *SERVICES)) -> list[Frame]:
    """Return frames of every sort from ``senders``: untagged, tagged once or twice, to all and to one."""
    vlans = sorted({0, 1, PARKING, 4095, *SERVICES.values()})
    single = [[(protocol, vlan)] for protocol in (_C_TAG, _S_TAG) for vlan in vlans]
    double = [
        [(outer, one), (_C_TAG, two)] for outer in (_C_TAG, _S_TAG) for one, two in itertools.product(vlans, repeat=2)
    ]
    with_priority = [[(_C_TAG, 0xE000 | vlan)] for vlan in vlans]
    found: list[Frame] = []
    numbers = itertools.count(1)
    for sender in senders:
        for tags in ([], *single, *with_priority, *double):
            to_one = [mac_of(port) for port in ports if port != sender] if len(tags) < 2 else []
            for destination in (_BROADCAST, "01:00:5e:00:00:fb", *to_one):
                mark = f"{next(numbers):032x}"
                shown = " ".join(["untagged" if not tags else "tagged", *(f"{p:#06x}/{v:#x}" for p, v in tags)])
                data = ethernet(mac_of(sender), destination, tags=tuple(tags), mark=mark)
                is_plain = not tags and destination == _BROADCAST
                found.append(Frame(sender=sender, mark=mark, shown=f"{shown} to {destination}", data=data,
                                   is_plain=is_plain))  # fmt: skip
    return found
