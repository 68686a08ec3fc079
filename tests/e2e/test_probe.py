"""Isolation is probed with real frames on every change of a port, and a probe catches what is made to leak.

The tests are one story and run in their order.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reconciler.lab import enter, layout, lifecycle, probe, requirements, tamper, topology
from tests.support.lab_story import COMMAND, PROJECT, Story

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(requirements.missing_packages()), reason="the lab's Debian packages are not installed"),
]

ENCLAVE, PARKED = 200, 999
NODES = ("l1", "l2", "l3")
MOVES = ("move into its airlock", "admit to enclave", "park switch")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("probe")
    state = layout.state_dir(folder / "lab")
    assert lifecycle.up(state, nodes=0, light_nodes=len(NODES))
    told = Story(state=state, repository=folder / "state")
    told.init()
    yield told
    lifecycle.down(state)


def _probe(story: Story) -> dict[str, Any]:
    done = story.ringfence("probe", "--repo", str(story.repository), "-o", "json", is_inside=True)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"tight": 0, "unknown": 1, "leaks": 3}[found["verdict"]], done.stderr
    return found


def _vlans(story: Story) -> Mapping[str, int | None]:
    return {one.name: one.vlan for one in lifecycle.status(story.state).nodes}


def _assert_tight(story: Story) -> None:
    """Probe from the test ports, and between all nodes' cables that must not reach each other."""
    found = _probe(story)
    assert found["verdict"] == "tight", found
    places = _vlans(story)
    for sender, receiver in itertools.permutations(NODES, 2):
        if places[sender] != places[receiver] or places[sender] == PARKED:
            assert not probe.leaks(story.state, sender, receiver, timeout_s=0.15), (sender, receiver, places)


def _reconcile_probed(story: Story) -> list[str]:
    """Reconcile; stop the world at every change of a port, and probe. Return the changes."""
    run = [*COMMAND, "reconcile", "--repo", str(story.repository)]
    command = [*COMMAND, "lab", "exec", "--state", str(story.state.root), "--", *run]
    changes = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT) as loop:
        try:
            assert loop.stdout is not None
            for line in loop.stdout:
                if any(move in line for move in MOVES):
                    loop.send_signal(signal.SIGSTOP)
                    changes.append(line)
                    _assert_tight(story)
                    loop.send_signal(signal.SIGCONT)
            loop.wait(timeout=60)
        finally:
            loop.kill()
    return [next(move for move in MOVES if move in line) for line in changes]


def test_01_a_lab_at_rest_is_tight_and_says_what_it_listened_in(story: Story) -> None:
    found = _probe(story)["zones"]["lab"]
    assert found["verdict"] == "tight"
    assert found["testPorts"] == ["tor/tp1", "tor/tp2"]
    assert found["listenedIn"] == ["the airlock of l1", "the airlock of l2", "the airlock of l3", "network blue-net"]
    assert found["notListenedIn"] == []
    assert len(found["frames"]) == 4
    assert all(sent > 100 for sent in found["frames"].values())


def test_02_no_frame_crosses_at_any_change_while_nodes_join_and_one_is_rejected(story: Story) -> None:
    story.ask_for_blue()
    tamper.tamper_event(story.state, "l3", event=22)
    story.edit("count: 2", "count: 3")
    story.commit("blue: three, one of them not as it should be")
    changes = _reconcile_probed(story)
    assert changes.count("move into its airlock") == 3
    assert changes.count("admit to enclave") == 2
    assert changes.count("park switch") == 1
    assert dict(_vlans(story)) == {"l1": ENCLAVE, "l2": ENCLAVE, "l3": PARKED}


def test_03_nor_while_they_leave(story: Story) -> None:
    (story.repository / "tenants/blue/enclaves/blue.yaml").unlink()
    story.commit("blue: gone")
    assert _reconcile_probed(story) == ["park switch"] * 2
    assert set(_vlans(story).values()) == {PARKED}


def _by_hand(story: Story, *words: str) -> None:
    command = ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", *words]
    assert enter.call(story.state, command).returncode == 0


@pytest.mark.parametrize("how", ["trunk", "mirror"])
def test_04_a_switch_that_leaks_is_caught_and_the_leak_is_named(story: Story, how: str) -> None:
    """Somebody makes the port to an airlock's services a trunk, or mirrors all traffic to it."""
    port = "tor-al1"
    if how == "trunk":
        _by_hand(story, "clear", "port", port, "tag", "--", "clear", "port", port, "vlan_mode")
    else:
        made = ("--id=@m", "create", "mirror", "name=m", "select-all=true", "output-port=@p")
        _by_hand(
            story, "--id=@p", "get", "port", port, "--", *made, "--", "set", "bridge", topology.SWITCH, "mirrors=@m"
        )
    try:
        found = _probe(story)
        assert found["verdict"] == "leaks"
        leaks = found["zones"]["lab"]["leaks"]
        assert {leak["heard"] for leak in leaks} == {"the airlock of l1"}
        assert any((leak["placement"], leak["shown"]) == ("all parked", "untagged, to everybody") for leak in leaks)
        told = story.ringfence("probe", "--repo", str(story.repository), is_inside=True)
        assert "leaked" in told.stdout
        assert "heard in the airlock of l1" in told.stdout
    finally:
        _by_hand(story, "clear", "bridge", topology.SWITCH, "mirrors")
        _by_hand(story, "set", "port", port, "vlan_mode=access", "tag=101")
    found = _probe(story)
    assert found["verdict"] == "tight", found


@pytest.mark.parametrize(("interface", "doubt"), [("test2", "test port tor/tp2"), ("al2", "the airlock of l2")])
def test_05_a_wire_that_is_cut_proves_nothing(story: Story, interface: str, doubt: str) -> None:
    def link(state: str) -> None:
        command = ["ip", "link", "set", interface, state]
        assert enter.call(story.state, command, namespace=topology.SERVICE_NAMESPACE).returncode == 0

    link("down")
    try:
        done = story.ringfence("probe", "--repo", str(story.repository), "--patience", "0.5", is_inside=True)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "unknown: this probe proves nothing" in done.stdout
        assert f"doubt: {doubt} cannot be heard at interface {interface}" in done.stdout
    finally:
        link("up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_06_a_probe_that_is_stopped_parks_its_test_ports_first(story: Story, number: int) -> None:
    words = [*COMMAND, "probe", "--repo", str(story.repository)]
    command = [*COMMAND, "lab", "exec", "--state", str(story.state.root), "--", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT, start_new_session=True
    ) as started:
        try:
            assert started.stdout is not None
            assert "test ports" in started.stdout.readline()
            for _ in range(3):
                os.killpg(started.pid, number)  # As a terminal does, and somebody who is impatient.
                time.sleep(0.02)
            _, said = started.communicate(timeout=30)
        finally:
            started.kill()
    assert (started.returncode, said.strip()) == (1, "stopped: the test ports are parked, and nothing is proven")
    assert [_tag(story, port) for port in topology.TEST_PORTS] == [str(PARKED)] * 2


def _tag(story: Story, port: str) -> str:
    command = ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", "get", "port", port, "tag"]
    return enter.call(story.state, command).stdout.strip()


def test_07_the_loop_leaves_a_probe_alone_and_test_ports_are_parked_in_the_end(story: Story) -> None:
    port = next(iter(topology.TEST_PORTS))
    _by_hand(story, "set", "port", port, f"tag={topology.PROBE_VLAN}")
    assert "park switch" not in story.ringfence("reconcile", "--repo", str(story.repository), is_inside=True).stdout
    assert _probe(story)["verdict"] == "tight"
    assert _tag(story, port) == str(PARKED)
