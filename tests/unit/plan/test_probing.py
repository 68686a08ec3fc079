"""What a probe sends and where it may be heard."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from reconciler.errors.taxonomy import InvariantError
from reconciler.model.probing import PortRef, ZoneProbe
from reconciler.plan.probing import (
    BROADCAST,
    MARK,
    Ear,
    Placement,
    check_placement,
    control_frame,
    frames,
    may_arrive,
    name_of,
    placements,
    source,
    vlans_of,
)
from tests.support.sites import site

ONE, TWO, THREE = (PortRef(switch="tor", port=f"tp{number}") for number in (1, 2, 3))
PARKING, MEETING = 999, 990
LISTENER = "0a:00:00:00:00:01"


def _placed(*ports: PortRef) -> list[Placement]:
    return placements(ports, parking=PARKING, meeting=MEETING)


def _sent(placement: Placement, *, vlans: tuple[int, ...] = (0, 200, PARKING)) -> list[tuple[str, bytes]]:
    marks = (f"{number:032x}" for number in itertools.count())
    made = list(frames(placement, vlans=vlans, addresses={200: [LISTENER]}, marks=marks))
    assert [frame.mark for frame in made] == [f"{number:032x}" for number in range(len(made))]
    return [(frame.shown, frame.data) for frame in made]


def test_a_probe_goes_through_all_together_all_parked_and_each_alone() -> None:
    found = _placed(ONE, TWO, THREE)
    assert [list(placement.vlans.values()) for placement in found] == [
        [MEETING] * 3,
        [PARKING] * 3,
        [MEETING, PARKING, PARKING],
        [PARKING, MEETING, PARKING],
        [PARKING, PARKING, MEETING],
    ]
    assert found[3].title == "tor/tp2 on the probe VLAN, the others parked"
    for placement in found:
        check_placement(placement, parking=PARKING, meeting=MEETING)


def test_a_test_port_is_put_nowhere_else() -> None:
    with pytest.raises(InvariantError) as caught:
        check_placement(Placement(title="x", vlans={ONE: 200}), parking=PARKING, meeting=MEETING)
    assert caught.value.reason == "ProbeOutOfBounds"
    assert caught.value.subject == f"port {name_of(ONE)}"


def test_vlans_are_those_that_documents_of_the_zone_name_and_the_edges() -> None:
    desired = site(nodes=2)
    assert vlans_of(desired, zone="east") == (0, 1, 101, 102, 200, 201, 202, 999, 4095)
    zone = desired.zones["east"]
    spec = zone.spec.model_copy(update={"probe": ZoneProbe(vlan=MEETING, ports=(ONE, TWO))})
    with_probe = replace(desired, zones={"east": zone.model_copy(update={"spec": spec})})
    assert MEETING in vlans_of(with_probe, zone="east")


def test_frames_are_untagged_and_tagged_once_and_twice_to_everybody_a_group_and_single_ones() -> None:
    sent = _sent(_placed(ONE, TWO)[1])
    shown = [words for words, _ in sent]
    for words in (
        "untagged, to everybody",
        "untagged, to a group",
        f"untagged, to {source(1)}",
        f"untagged, to {LISTENER}",
        "tagged 802.1Q VLAN 200, to everybody",
        "tagged 802.1ad VLAN 999, to a group",
        "tagged 802.1Q VLAN 200 with priority, to everybody",
        f"tagged 802.1Q VLAN 200, to {LISTENER}",
        "tagged 802.1Q VLAN 999, then 802.1Q VLAN 200, to everybody",
        "tagged 802.1ad VLAN 0, then 802.1Q VLAN 200, to a group",
    ):
        assert words in shown, words
    assert f"tagged 802.1Q VLAN 999, to {LISTENER}" not in shown
    single = [index for index, words in enumerate(shown) if ", to 0" in words]
    assert single == list(range(single[0], len(shown))), "addresses are learned before single ones are sent to"


def test_frames_are_ethernet_with_the_tags_that_they_are_said_to_have() -> None:
    sent = dict(_sent(_placed(ONE, TWO)[1]))
    plain = sent["untagged, to everybody"]
    assert len(plain) == 64
    assert plain[:6] == bytes.fromhex(BROADCAST.replace(":", ""))
    assert plain[12:14] == b"\x88\xb5"
    assert plain[14:].startswith(MARK)
    assert sent["tagged 802.1Q VLAN 200, to everybody"][12:18] == b"\x81\x00\x00\xc8\x88\xb5"
    assert sent["tagged 802.1Q VLAN 200 with priority, to a group"][12:16] == b"\x81\x00\xe0\xc8"
    double = sent["tagged 802.1ad VLAN 999, then 802.1Q VLAN 200, to everybody"]
    assert double[12:22] == b"\x88\xa8\x03\xe7\x81\x00\x00\xc8\x88\xb5"
    control = control_frame(1, mark="f" * 32)
    assert control[6:12] == bytes.fromhex(source(1).replace(":", ""))
    assert (MARK + b"f" * 32) in control


@pytest.mark.parametrize(
    ("placement", "port", "may"),
    [(0, TWO, True), (1, TWO, False), (2, TWO, False), (3, TWO, False), (0, None, False)],
)
def test_what_is_sent_may_be_heard_where_test_ports_meet_and_nowhere_else(
    placement: int, port: PortRef | None, *, may: bool
) -> None:
    placed = _placed(ONE, TWO)[placement]
    marks = iter(["0" * 32] * 10_000)
    first = next(frames(placed, vlans=(0,), addresses={}, marks=marks))
    assert first.sender == ONE
    ear = Ear(name="somewhere", interface="eth1", vlan=200, port=port)
    assert may_arrive(first, ear, placement=placed, meeting=MEETING) == may
