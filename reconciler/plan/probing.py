"""What an active probe sends, from where, and what may be heard where. Pure: frames are bytes, ports are names.

1. A test port is on the parking VLAN or on the zone's probe VLAN, and nowhere else, ever.
2. What is sent may be heard at another test port while both are on the probe VLAN, and nowhere else. Tags that a sender
   puts on its frames change nothing about it.
3. Silence proves something only between two controls: frames that had to arrive, and did.

Not shown by a probe: what a switch does with frames of other sizes and protocols, and what it does at other ports.
Frames are Ethernet II with IEEE 802.1Q and 802.1ad tags; their type is that for local experiments (IEEE 802).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors.taxonomy import InvariantError
from reconciler.model.desired import DesiredState
from reconciler.model.probing import PortRef

MARK = b"RINGFENCE"
C_TAG, S_TAG = 0x8100, 0x88A8
BROADCAST = "ff:ff:ff:ff:ff:ff"
MULTICAST = "01:00:5e:00:00:fb"
_ETHERTYPE = 0x88B5
_PRIORITY = 0xE000
_SHORTEST = 64
_EDGES = (0, 1, 4095)
"""No VLAN (priority only), the usual native one, and the reserved one."""

Tags = tuple[tuple[int, int], ...]
"""Protocol and control field of each tag, the outer one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Where is listened: ``name`` is for people, ``interface`` this machine's; ``port`` if it is a test port."""

    name: str
    interface: str
    vlan: int
    port: PortRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame that is sent: ``sender`` is the test port, ``vlan`` where that is, ``mark`` (32 hexadecimal digits)."""

    sender: PortRef
    vlan: int
    mark: str
    shown: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where each test port is while frames are sent."""

    title: str
    vlans: Mapping[PortRef, int]


def placements(ports: Sequence[PortRef], *, parking: int, meeting: int) -> list[Placement]:
    """Return every placement of a probe: all together, all parked, and each alone with the others parked."""
    together = Placement(title="all on the probe VLAN", vlans=dict.fromkeys(ports, meeting))
    parked = Placement(title="all parked", vlans=dict.fromkeys(ports, parking))
    alone = [
        Placement(
            title=f"{name_of(one)} on the probe VLAN, the others parked",
            vlans={port: meeting if port == one else parking for port in ports},
        )
        for one in ports
    ]
    return [together, parked, *alone]


def check_placement(placement: Placement, *, parking: int, meeting: int) -> None:
    """Raise InvariantError if a test port would be put on any VLAN but these two."""
    for port, vlan in placement.vlans.items():
        if vlan not in {parking, meeting}:
            message = f"a probe would put it on VLAN {vlan}"
            raise InvariantError(f"port {name_of(port)}", message, reason="ProbeOutOfBounds")


def name_of(port: PortRef) -> str:
    """Return the port as it is shown: ``tor/swp47``."""
    return f"{port.switch}/{port.port}"


def vlans_of(desired: DesiredState, *, zone: str) -> tuple[int, ...]:
    """Return every VLAN that documents of ``zone`` name, sorted, and those at the edges of what a tag can hold."""
    spec = desired.zones[zone].spec
    found = {spec.parking_vlan, *_EDGES} | ({spec.probe.vlan} if spec.probe else set())
    found |= {network.spec.vlan for network in desired.networks.values() if network.spec.zone == zone}
    return tuple(sorted(found | {n.spec.airlock.vlan for n in desired.nodes.values() if n.spec.zone == zone}))


def may_arrive(frame: Frame, ear: Ear, *, placement: Placement, meeting: int) -> bool:
    """Return whether ``frame`` may be heard at ``ear``."""
    return ear.port is not None and frame.vlan == placement.vlans[ear.port] == meeting


def control_frame(number: int, *, mark: str) -> bytes:
    """Return a plain frame from test port ``number`` to everybody."""
    return ethernet(source(number), BROADCAST, tags=(), mark=mark)


def frames(
    placement: Placement,
    *,
    vlans: Sequence[int],
    addresses: Mapping[int, Sequence[str]],
    marks: Iterator[str],
) -> Iterator[Frame]:
    """Yield what every test port of ``placement`` sends: frames to everybody first, so that addresses are learned.

    ``addresses`` are those of listening interfaces by VLAN, ``marks`` a supply of marks.
    """
    senders = list(enumerate(placement.vlans.items()))
    for destinations in ((BROADCAST, MULTICAST), None):
        for number, (port, vlan) in senders:
            others = [source(other) for other, _ in senders if other != number]
            for tags in _tags(vlan, vlans):
                for destination in destinations or _single(tags, others=others, addresses=addresses):
                    mark = next(marks)
                    data = ethernet(source(number), destination, tags=tags, mark=mark)
                    yield Frame(sender=port, vlan=vlan, mark=mark, shown=_shown(tags, destination), data=data)


def source(number: int) -> str:
    """Return the address from which test port number ``number`` sends: one of our own making, locally administered."""
    return f"02:52:46:00:00:{number + 1:02x}"


def _tags(own: int, vlans: Sequence[int]) -> Iterator[Tags]:
    """Yield how frames are tagged: not at all, once, with priority, and twice, behind a tag that the port may strip."""
    yield ()
    for vlan in vlans:
        yield ((C_TAG, vlan),)
        yield ((S_TAG, vlan),)
        yield ((C_TAG, _PRIORITY | vlan),)
    for protocol, outer, vlan in itertools.product((C_TAG, S_TAG), sorted({0, own}), vlans):
        yield ((protocol, outer), (C_TAG, vlan))


def _single(tags: Tags, *, others: Sequence[str], addresses: Mapping[int, Sequence[str]]) -> list[str]:
    """Return the single addresses that a frame with ``tags`` is sent to."""
    if len(tags) > 1 or (tags and tags[0][1] & _PRIORITY):
        return []
    reached = addresses.get(tags[0][1], ()) if tags else [each for known in addresses.values() for each in known]
    return [*others, *reached]


def _shown(tags: Tags, destination: str) -> str:
    told = ["802.1ad" if protocol == S_TAG else "802.1Q" for protocol, _ in tags]
    with_vlans = [
        f"{kind} VLAN {control & 0xFFF}" + (" with priority" if control & _PRIORITY else "")
        for kind, (_, control) in zip(told, tags, strict=True)
    ]
    to = {BROADCAST: "to everybody", MULTICAST: "to a group"}.get(destination, f"to {destination}")
    return f"{'untagged' if not tags else 'tagged ' + ', then '.join(with_vlans)}, {to}"


def ethernet(origin: str, destination: str, *, tags: Tags, mark: str) -> bytes:
    """Return the bytes of a frame with ``tags`` that carries ``mark``, without its check sequence."""
    header = bytes.fromhex(destination.replace(":", "")) + bytes.fromhex(origin.replace(":", ""))
    for protocol, control in tags:
        header += protocol.to_bytes(2, "big") + control.to_bytes(2, "big")
    return (header + _ETHERTYPE.to_bytes(2, "big") + MARK + mark.encode()).ljust(_SHORTEST, b"\0")
