"""This machine's wires: what is put on one end of a cable comes out of the other, and nothing else is told.

Run on a pair of virtual cables in a namespace of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.drivers.wires import WireProcess
from reconciler.errors.taxonomy import DeviceError, InputError, TransientError
from reconciler.plan.probing import BROADCAST, C_TAG, MULTICAST, Tags, ethernet
from tests.support.devices import wait_until

ONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:99"
MARKS = [f"{number:032x}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def enter() -> Iterator[tuple[str, ...]]:
    started = subprocess.Popen(["unshare", "--user", "--map-root-user", "--net", "sleep", "infinity"])
    try:
        own = Path(f"/proc/{started.pid}/ns/net")
        wait_until(lambda: own.readlink() != Path("/proc/self/ns/net").readlink(), what="no network namespace")
        words = ("nsenter", "--target", str(started.pid), "--user", "--net", "--preserve-credentials")
        text = "link add name near type veth peer name far\nlink set near up\nlink set far up\n"
        made = subprocess.run([*words, "ip", "-batch", "-"], input=text, text=True, check=False, timeout=10)
        if made.returncode:
            pytest.skip("no virtual cables in a network namespace here")
        yield words
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def wires(enter: tuple[str, ...]) -> Iterator[WireProcess]:
    worked = WireProcess(enter=enter)
    try:
        yield worked
    finally:
        worked.close()


def _frame(mark: str, *, to: str = BROADCAST, tags: Tags = ()) -> bytes:
    return ethernet(ONE, to, tags=tags, mark=mark)


def test_frames_of_every_sort_come_out_of_the_other_end_and_are_told_once(wires: WireProcess) -> None:
    known = wires.open(["near", "far"])
    assert sorted(known) == ["far", "near"]
    assert all(len(address) == len(ONE) for address in known.values())
    kinds = [
        _frame(MARKS[0]),
        _frame(MARKS[1], to=MULTICAST),
        _frame(MARKS[2], to=OTHER),
        _frame(MARKS[3], tags=((C_TAG, 200),)),
        _frame(MARKS[4], tags=((0x88A8, 999), (C_TAG, 200))),
    ]
    wires.send(("near", data) for data in kinds)
    heard = wires.listen(10, until=[("far", mark) for mark in MARKS])
    assert heard == {"far": frozenset(MARKS)}
    assert wires.listen(0.05) == {}


def test_many_frames_arrive_all(wires: WireProcess) -> None:
    wires.open(["near", "far"])
    marks = [f"{number:032x}" for number in range(3000)]
    wires.send(("near", _frame(mark)) for mark in marks)
    assert wires.listen(10, until=[("far", mark) for mark in marks]) == {"far": frozenset(marks)}


def test_listening_goes_on_for_as_long_as_it_is_told_if_nothing_comes(wires: WireProcess) -> None:
    wires.open(["near"])
    assert wires.listen(0.05, until=[("near", MARKS[0])]) == {}


def test_an_interface_that_is_not_there_has_no_address_and_takes_no_frames(wires: WireProcess) -> None:
    assert wires.open(["near", "nowhere"])["nowhere"] == ""
    wires.send([("nowhere", _frame(MARKS[0])), ("elsewhere", _frame(MARKS[0]))])
    assert wires.listen(0.05) == {}


def test_an_interface_that_is_down_is_not_taken_for_a_silent_one(enter: tuple[str, ...], wires: WireProcess) -> None:
    def link(name: str, state: str) -> None:
        subprocess.run([*enter, "ip", "link", "set", name, state], check=True, timeout=10)

    link("far", "down")
    try:
        assert wires.open(["near"])["near"] == "", "it has no link"
        link("far", "up")
        assert wires.open(["near"])["near"]
        link("far", "down")
        link("far", "up")
        with pytest.raises(DeviceError) as caught:
            wires.listen(0.05)
        assert (caught.value.subject, caught.value.reason) == ("interface near", "WireDown")
    finally:
        link("far", "up")


def test_what_was_opened_before_is_not_listened_on_any_more(wires: WireProcess) -> None:
    wires.open(["far"])
    wires.open(["near"])
    wires.send([("near", _frame(MARKS[0]))])
    assert wires.listen(0.05) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="a user without leave takes somebody who may become one")
def test_whoever_has_no_leave_is_told_how_to_get_it() -> None:
    wires = WireProcess(enter=["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
    try:
        with pytest.raises(InputError) as caught:
            wires.open(["lo"])
        assert caught.value.reason == "WireRefused"
        assert "CAP_NET_RAW" in caught.value.hint
    finally:
        wires.close()


def test_a_worker_that_ends_is_told_with_its_words() -> None:
    wires = WireProcess(enter=["sh", "-c", "echo no such namespace >&2; exit 1"])
    with pytest.raises(DeviceError, match="no such namespace") as caught:
        wires.open(["lo"])
    assert caught.value.reason == "WireLost"
    wires.close()


def test_words_that_lead_nowhere_are_told() -> None:
    with pytest.raises(TransientError) as caught:
        WireProcess(enter=["/nowhere/at/all"]).open(["lo"])
    assert caught.value.subject == "program /nowhere/at/all"


def test_nothing_is_left_when_it_is_closed(wires: WireProcess) -> None:
    wires.open(["near"])
    process = wires._process
    assert process is not None
    wires.close()
    assert process.poll() == 0
    assert sys.executable in process.args  # type: ignore[operator]  # a list
