"""A probe on simulated wires: tight, leaking, or unknown; the test ports are parked at the end, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.execute.probe import Bench, Findings, probe
from reconciler.model.probing import PortRef
from reconciler.plan.probing import Ear
from tests.support.world_line import FOREVER, Clock, Fault, FaultKind, Line
from tests.support.world_switch import SimulatedSwitch, access
from tests.support.world_wires import SimulatedWires

PARKING, MEETING, AIRLOCK, BLUE = 999, 990, 101, 200
ONE, TWO = PortRef(switch="tor", port="tp1"), PortRef(switch="tor", port="tp2")
EARS = (
    Ear(name="the airlock of n1", interface="al1", vlan=AIRLOCK),
    Ear(name="network blue-net", interface="en200", vlan=BLUE),
)
BENCH = Bench(
    interfaces={ONE: "test1", TWO: "test2"}, parking=PARKING, meeting=MEETING, vlans=(0, AIRLOCK, BLUE), ears=EARS
)


@dataclass
class Place:
    """A switch with two test ports, and the wires at it."""

    line: Line
    tor: SimulatedSwitch
    wires: SimulatedWires

    @property
    def switches(self) -> dict[str, SimulatedSwitch]:
        return {"tor": self.tor}

    def probe(self, *, patience_s: float = 1.0) -> Findings:
        self.titles: list[str] = []
        return probe(self, self.wires, BENCH, patience_s=patience_s, watch=self.titles.append)


@pytest.fixture
def place() -> Place:
    line = Line(clock=Clock())
    line.start_process()
    tor = SimulatedSwitch("tor", ports={"tp1": access(PARKING), "tp2": access(1), "swp1": access(AIRLOCK)}, line=line)
    wires = SimulatedWires(
        switch=tor, cables={"tp1": "test1", "tp2": "test2"}, places={"al1": AIRLOCK, "en200": BLUE}, parking=PARKING
    )
    return Place(line=line, tor=tor, wires=wires)


def _states(place: Place) -> list[Any]:
    return [place.tor.truth[port] for port in ("tp1", "tp2", "swp1")]


def _assert_parked(place: Place) -> None:
    assert _states(place) == [access(PARKING), access(PARKING), access(AIRLOCK)]


def test_a_switch_that_keeps_apart_is_tight(place: Place) -> None:
    found = place.probe()
    assert (found.verdict, found.leaks, found.doubts) == ("tight", [], [])
    assert list(found.sent) == place.titles
    assert len(place.titles) == 4
    assert all(found.sent.values())
    _assert_parked(place)


def test_a_test_port_is_never_anywhere_but_parked_or_on_the_probe_vlan(place: Place) -> None:
    place.probe()
    states = {state for seen in place.wires.seen for state in seen.values()}
    assert states == {access(PARKING), access(MEETING)}
    written = {effect.detail for effect in place.line.effects if effect.device == "switch/tor"}
    assert written == {str(PARKING), str(MEETING)}


@pytest.mark.parametrize(
    ("bridge", "heard", "placements"),
    [
        (("test1", "test2"), "test port tor/tp2", 3),
        (("test1", "al1"), "the airlock of n1", 5),
        (("test2", "en200"), "network blue-net", 5),
    ],
)
def test_a_frame_that_crosses_is_a_leak_with_sender_and_place(
    place: Place, bridge: tuple[str, str], heard: str, placements: int
) -> None:
    place.wires.bridges.add(bridge)
    found = place.probe()
    assert found.verdict == "leaks"
    assert {leak.heard for leak in found.leaks} == {heard}
    assert {leak.sender for leak in found.leaks} == {f"tor/tp{bridge[0][-1]}"}
    assert len({leak.placement for leak in found.leaks}) == placements
    assert any(leak.shown == "tagged 802.1Q VLAN 200, to everybody" for leak in found.leaks)
    _assert_parked(place)


def test_a_control_that_nobody_hears_makes_silence_worthless(place: Place) -> None:
    place.wires.broken.add("test1")
    found = place.probe(patience_s=0.01)
    assert found.verdict == "unknown"
    assert found.sent == {}
    assert found.doubts == [
        "not even on VLAN 990 could be heard tor/tp1 at tor/tp2; so silence proves nothing",
    ]
    _assert_parked(place)


def test_a_control_that_is_lost_in_the_middle_ends_the_probe(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    send, calls = place.wires.send, []

    def failing(frames: Any) -> None:  # noqa: ANN401 - passed on
        calls.append(1)
        if len(calls) > 2:
            place.wires.broken.add("test2")
        send(frames)

    monkeypatch.setattr(place.wires, "send", failing)
    found = place.probe(patience_s=0.01)
    assert found.verdict == "unknown"
    assert list(found.sent) == ["all on the probe VLAN"]
    _assert_parked(place)


@pytest.mark.parametrize(("interface", "goes_on"), [("test2", False), ("al1", True)])
def test_an_ear_that_is_not_there_makes_it_unknown(place: Place, interface: str, *, goes_on: bool) -> None:
    place.wires.deaf.add(interface)
    found = place.probe()
    assert found.verdict == "unknown"
    assert f"cannot be heard at interface {interface}" in found.doubts[0]
    assert bool(found.sent) == goes_on
    _assert_parked(place)


def test_a_leak_outweighs_a_doubt(place: Place) -> None:
    place.wires.deaf.add("al1")
    place.wires.bridges.add(("test1", "en200"))
    assert place.probe().verdict == "leaks"


def test_a_switch_that_fails_half_way_is_told_and_the_test_ports_are_parked(place: Place) -> None:
    place.line.faults.append(Fault(device="switch/tor", operation="apply", kind=FaultKind.REFUSED, skip=2, times=1))
    with pytest.raises(DeviceError):
        place.probe()
    _assert_parked(place)
    place.line.faults.append(
        Fault(device="switch/tor", operation="apply", kind=FaultKind.TRANSIENT, skip=2, times=FOREVER)
    )
    with pytest.raises(TransientError):
        place.probe()


def test_a_switch_that_does_not_move_a_port_is_not_probed(place: Place) -> None:
    place.line.faults.append(Fault(device="switch/tor", operation="apply", kind=FaultKind.OLD, times=1))
    with pytest.raises(DeviceError) as caught:
        place.probe()
    assert caught.value.reason == "PortNotMoved"
    _assert_parked(place)


def test_nothing_sent_is_not_tight() -> None:
    assert Findings().verdict == "unknown"


@pytest.mark.parametrize(("reason", "is_doubt"), [("WireDown", True), ("WireLost", False)])
def test_an_interface_that_goes_down_under_way_makes_silence_worthless(
    place: Place, monkeypatch: pytest.MonkeyPatch, reason: str, *, is_doubt: bool
) -> None:
    listen, calls = place.wires.listen, []

    def failing(seconds: float, **rest: Any) -> Any:  # noqa: ANN401 - passed on
        calls.append(1)
        if len(calls) > 3:
            raise DeviceError("interface al1", "went down", reason=reason)
        return listen(seconds, **rest)

    monkeypatch.setattr(place.wires, "listen", failing)
    if is_doubt:
        found = place.probe()
        assert found.verdict == "unknown"
        assert found.doubts == ["interface al1 went down, so its silence proves nothing"]
    else:
        with pytest.raises(DeviceError):
            place.probe()
    _assert_parked(place)


def test_what_crosses_once_and_not_again_was_late(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    send, calls = place.wires.send, []

    def once(frames: Any) -> None:  # noqa: ANN401 - passed on
        calls.append(1)
        place.wires.bridges = {("test1", "test2")} if len(calls) == 4 else set()
        send(frames)

    monkeypatch.setattr(place.wires, "send", once)
    found = place.probe()
    assert (found.verdict, found.leaks) == ("tight", [])
    assert {(leak.placement, leak.sender, leak.heard) for leak in found.late} == {
        ("all parked", "tor/tp1", "test port tor/tp2")
    }


def test_what_crosses_before_a_control_fails_is_a_leak(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    send, calls = place.wires.send, []

    def failing(frames: Any) -> None:  # noqa: ANN401 - passed on
        calls.append(1)
        place.wires.bridges = {("test1", "test2")} if len(calls) == 4 else set()
        place.wires.broken = {"test1"} if len(calls) > 4 else set()
        send(frames)

    monkeypatch.setattr(place.wires, "send", failing)
    found = place.probe(patience_s=0.01)
    assert found.verdict == "leaks"
    assert {leak.placement for leak in found.leaks} == {"all parked"}
