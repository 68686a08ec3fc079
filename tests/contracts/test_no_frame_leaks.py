"""No frame crosses where none should, through a real switch, at every step of a port's life and after every crash.

Each story is told step by step through the real adapter; after each step, which is where a crash may leave things,
frames of every sort are sent from every port. The suite's own sharpness is shown on ports that are detached badly.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from reconciler.drivers.openvswitch import OpenVswitch
from reconciler.errors.taxonomy import TransientError
from reconciler.ports.isolation import AccessPort
from tests.support.devices import hung, missing_programs, wait_until
from tests.support.frames import NODES, PARKING, FramedSwitch, every_frame
from tests.support.world_switch import send

AIRLOCK_1, AIRLOCK_2, BLUE, GREEN = 101, 102, 200, 201
Step = Mapping[str, int]

STORIES: dict[str, list[Step]] = {
    "a node joins and leaves": [{"swp1": AIRLOCK_1}, {"swp1": BLUE}, {"swp1": PARKING}],
    "a node is rejected in its airlock": [{"swp1": AIRLOCK_1}, {"swp1": PARKING}],
    "a member is rejected": [{"swp1": AIRLOCK_1}, {"swp1": BLUE}, {"swp1": PARKING}, {"swp1": AIRLOCK_1}],
    "two nodes are in their airlocks at a time": [
        {"swp1": AIRLOCK_1, "swp2": AIRLOCK_2},
        {"swp1": BLUE},
        {"swp2": GREEN},
        {"swp1": PARKING, "swp2": PARKING},
    ],
    "two nodes change places": [
        {"swp1": BLUE, "swp2": GREEN},
        {"swp1": PARKING},
        {"swp2": PARKING},
        {"swp1": AIRLOCK_1, "swp2": AIRLOCK_2},
        {"swp1": GREEN, "swp2": BLUE},
    ],
    "a node has two ports": [{"swp1": AIRLOCK_1, "swp3": PARKING}, {"swp1": BLUE}, {"swp1": PARKING, "swp3": PARKING}],
    "members of one enclave reach each other": [{"swp1": BLUE, "swp2": BLUE}, {"swp2": PARKING}],
}


def _missing() -> str:
    if missing_programs():
        return f"not installed: {', '.join(missing_programs())}"
    made = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "ip", "tuntap", "add", "dev", "t0", "mode", "tap"],
        check=False,
        capture_output=True,
        timeout=10,
    )
    return "" if made.returncode == 0 else "no taps in a network namespace here"


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing() or "-")


@pytest.fixture(scope="module")
def started() -> Iterator[FramedSwitch]:
    with FramedSwitch() as real:
        yield real


@pytest.fixture
def real(started: FramedSwitch) -> Iterator[FramedSwitch]:
    yield started
    words: list[str] = []
    for port in NODES:
        words += ["--", "set", "port", port, "vlan_mode=access", f"tag={PARKING}", "trunks=[]", "protected=true"]
    started.configure(*words[1:])


@pytest.fixture
def switch(real: FramedSwitch) -> Iterator[OpenVswitch]:
    adapter = OpenVswitch("tor", address=real.address, bridge="tor", parking=PARKING, deadline_s=5.0)
    with contextlib.closing(adapter):
        yield adapter


def _apply(switch: OpenVswitch, step: Step) -> None:
    told = switch.apply({port: AccessPort(vlan=vlan, node="n1") for port, vlan in step.items()})
    assert all(told[port].is_access(vlan) for port, vlan in step.items())


@pytest.mark.parametrize("story", STORIES, ids=lambda name: name.replace(" ", "-"))
def test_no_frame_crosses_at_any_step(real: FramedSwitch, switch: OpenVswitch, story: str) -> None:
    places: dict[str, int] = {}
    assert real.leaks(places) == []
    for step in STORIES[story]:
        _apply(switch, step)
        places |= step
        assert real.leaks(places) == [], f"after {step}"


def _clear(real: FramedSwitch) -> None:
    real.configure("clear", "port", "swp1", "tag", "--", "clear", "port", "swp1", "vlan_mode")


def _native(real: FramedSwitch) -> None:
    real.configure("set", "port", "swp1", "vlan_mode=native-untagged", f"tag={PARKING}", "trunks=[]")


def _native_protected(real: FramedSwitch) -> None:
    real.configure("set", "port", "swp1", "vlan_mode=native-untagged", f"tag={PARKING}", "trunks=[]", "protected=true")


def _unprotected(real: FramedSwitch) -> None:
    for port in NODES[:2]:
        real.configure("set", "port", port, "protected=false")


@pytest.mark.parametrize("detach", [_clear, _native, _native_protected, _unprotected])
def test_bad_way_to_detach_a_port_is_caught_by_its_frames_and_by_what_it_reads_as(
    real: FramedSwitch, switch: OpenVswitch, detach: Callable[[FramedSwitch], None]
) -> None:
    _apply(switch, {"swp3": AIRLOCK_1, "swp4": BLUE})
    detach(real)
    found = real.leaks({"swp3": AIRLOCK_1, "swp4": BLUE})
    assert any(leak.sender == "swp1" for leak in found), "what the parked machine sends comes out elsewhere"
    assert not switch.read_ports(["swp1"])["swp1"].is_access(PARKING), "and it does not count as parked"
    _apply(switch, {"swp1": PARKING, "swp2": PARKING})
    assert real.leaks({"swp3": AIRLOCK_1, "swp4": BLUE}) == []


def test_port_that_moves_under_traffic_is_never_seen_anywhere_else(real: FramedSwitch, switch: OpenVswitch) -> None:
    frames = every_frame([*NODES], senders=["swp1"])
    heard: list[Mapping[str, list[str]]] = []
    is_over = threading.Event()

    def chatter() -> None:
        while not is_over.is_set():
            heard.append(real.heard(frames, listen=["swp1", "swp2", "air1", "air2", "blue", "green"]))

    talking = threading.Thread(target=chatter)
    talking.start()
    try:
        for vlan in (AIRLOCK_1, BLUE, PARKING) * 20:
            assert send(switch, "swp1", vlan=vlan).is_access(vlan)
    finally:
        is_over.set()
        talking.join()
    reached = {port for answer in heard for port, marks in answer.items() if set(marks) & {one.mark for one in frames}}
    assert heard
    assert reached <= {"air1", "blue"}, "an airlock and an enclave were on its way, and nothing else"


def test_write_that_the_forwarding_plane_has_not_applied_widens_nothing(
    real: FramedSwitch, switch: OpenVswitch
) -> None:
    _apply(switch, {"swp1": AIRLOCK_1})
    short = OpenVswitch("tor", address=real.address, bridge="tor", parking=PARKING, deadline_s=0.3)
    with contextlib.closing(short), hung(real.daemon), pytest.raises(TransientError):
        short.apply({"swp1": AccessPort(vlan=BLUE), "swp2": AccessPort(vlan=AIRLOCK_2)})
    real.configure("--", "get", "bridge", "tor", "name")  # It has caught up: what is in the database holds.
    _apply(switch, {"swp1": BLUE, "swp2": AIRLOCK_2})
    assert real.leaks({"swp1": BLUE, "swp2": AIRLOCK_2}) == []


@pytest.mark.parametrize("step", [{"swp1": AIRLOCK_1, "swp2": AIRLOCK_2}, {"swp1": BLUE, "swp2": GREEN}, {}])
def test_switch_that_dies_and_comes_back_opens_no_port(real: FramedSwitch, switch: OpenVswitch, step: Step) -> None:
    _apply(switch, step)
    real.daemon.kill()
    real.daemon.wait(timeout=10)
    real.start_daemon()
    wait_until(lambda: real.configure("get", "open_vswitch", ".", "cur_cfg"), what="it does not come back")
    _apply(switch, {"swp3": PARKING})
    assert real.leaks(step) == []
