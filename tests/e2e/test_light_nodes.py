"""Light nodes are nodes like any other: real TPMs, real quotes, judged by what they were served and relived.

The tests are one story and run in their order; a step that fails fails those after it.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from reconciler.lab import enter, layout, lifecycle, light, probe, process, requirements, tamper
from reconciler.lab.layout import StateDir
from tests.support.lab_story import COMMAND, PROJECT, Story

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(requirements.missing_packages()), reason="the lab's Debian packages are not installed"),
]

ENCLAVE = 200
PARKED = 999
SERVICE = "10.20.0.10"
FIRST_APPLICATION = 22
COMMAND_LINE = 28
"""Events of the recorded firmware's log: the image in PCR 4, the content of its command line in PCR 11."""


def eventually(holds: Callable[[], bool], *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def processes_of(state: StateDir) -> list[int]:
    """Return the living processes in any pid namespace below the lab's, and the lab's own."""
    init = enter.require_running(state).pid
    found = [init]
    for pid in found:
        found += process.children(pid)
    return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("light")
    state = layout.state_dir(folder / "lab")
    assert lifecycle.up(state, nodes=0, light_nodes=7)
    yield Story(state=state, repository=folder / "state")
    lifecycle.down(state)


def test_01_a_lab_of_light_nodes_only_is_an_inventory_like_any_other(story: Story) -> None:
    assert [(node.name, node.power, node.vlan) for node in lifecycle.status(story.state).nodes] == [
        (f"l{number}", "off", PARKED) for number in range(1, 8)
    ]
    story.init()
    assert story.ringfence("validate", "--repo", str(story.repository)).returncode == 0


def test_02_an_enclave_of_two_light_nodes_comes_up_on_real_quotes(story: Story) -> None:
    story.ask_for_blue()
    story.edit("reattest: 30s", "reattest: 10s")
    story.commit("blue: two light nodes")

    done = story.ringfence("reconcile", "--repo", str(story.repository), is_inside=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert story.vlans() == [ENCLAVE] * 2 + [PARKED] * 5
    assert [story.power(node) for node in ("l1", "l2", "l3")] == ["on", "on", "off"]
    assert story.events("l1")[:6] == ["assigned", "enrolled", "appraised", "released", "admitted", "confirmed"]
    assert probe.probe(story.state, "l1", SERVICE, 80)
    assert not probe.probe(story.state, "l3", SERVICE, 80)


def test_03_a_node_without_power_answers_nothing(story: Story) -> None:
    leased = enter.call(story.state, ["ip", "-o", "-4", "addr", "show", "dev", "eth0"], namespace="node-l1").stdout
    address = leased.split()[3].partition("/")[0]
    assert address.startswith("10.20.0.")
    assert probe.probe(story.state, "l2", address)
    before = processes_of(story.state)
    enter.call(story.state, ["/run/ringfence/chassis", "l1", "set", "power", "0"])
    assert story.power("l1") == "off"
    assert len(before) - len(processes_of(story.state)) >= 3, "its shell, its agent and its TPM"
    assert not probe.probe(story.state, "l2", address)


def test_04_a_member_that_lost_power_joins_again_and_members_prove_themselves_again(story: Story) -> None:
    run = [*COMMAND, "run", "--repo", str(story.repository)]
    command = [*COMMAND, "lab", "exec", "--state", str(story.state.root), "--", *run]
    log = story.state.logs / "run.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, cwd=PROJECT) as loop:
        try:
            assert eventually(lambda: story.events("l1").count("confirmed") == 2, within_s=40), log.read_text()
            assert eventually(lambda: story.events("l2")[-2:] == ["appraised"] * 2, within_s=40), log.read_text()
            loop.send_signal(signal.SIGTERM)
            assert loop.wait(timeout=30) == 0
        finally:
            loop.kill()
    assert story.vlans()[:2] == [ENCLAVE] * 2


def test_05_changed_digests_changed_images_and_other_logs_are_rejected(story: Story) -> None:
    tamper.tamper_event(story.state, "l3", event=COMMAND_LINE)
    tamper.tamper_event(story.state, "l4", event=COMMAND_LINE, place=light.Place.SENT)
    tamper.tamper_event(story.state, "l5", event=COMMAND_LINE, place=light.Place.EXTENDED)
    tamper.tamper_image(story.state, "l6")
    tamper.relive_log(story.state, "l7", file=light.BASE_LOG)
    story.edit("count: 2", "count: 7")
    story.commit("blue: all of them")
    done = story.ringfence("reconcile", "--repo", str(story.repository), is_inside=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert story.vlans() == [ENCLAVE] * 2 + [PARKED] * 5
    for number in range(3, 8):
        assert "released" not in story.events(f"l{number}")
        assert story.events(f"l{number}")[-1] == "rejected"


def test_06_explain_names_the_pcr_and_the_event_that_was_changed(story: Story) -> None:
    for node in ("l3", "l4"):
        (reason,) = [one for one in story.reasons(node) if one["code"] == "MeasurementMismatch"]
        assert (reason["pcr"], reason["event"]) == (11, COMMAND_LINE)
        assert int(reason["expected"], 16) ^ int(reason["found"], 16) == 1 << 248
        text = story.ringfence("explain", f"node/{node}", "--repo", str(story.repository)).stdout
        for part in ("PCR 11", f"event {COMMAND_LINE}", reason["expected"], reason["found"]):
            assert part in text
    assert {reason["code"] for reason in story.reasons("l3")} == {"MeasurementMismatch"}, "its log is true to its TPM"
    assert [reason["pcr"] for reason in story.reasons("l5")] == [11], "its log says what should have been"


def test_07_a_light_node_measures_what_it_was_served_and_relives_a_log_as_it_is(story: Story) -> None:
    image = (story.repository / "images/worker.yaml").read_text()
    for node in ("l6", "l7"):
        found = {reason["event"]: reason for reason in story.reasons(node) if reason["pcr"] == 4}
        assert found[FIRST_APPLICATION]["expected"] in image
        assert found[FIRST_APPLICATION]["found"] not in image


def test_08_a_killed_lab_takes_its_light_nodes_with_it(story: Story) -> None:
    everyone = [process.identify(pid) for pid in processes_of(story.state)]
    assert len(everyone) > 20
    assert process.send(enter.require_running(story.state), signal.SIGKILL)
    for one in everyone:
        assert one is None or process.wait_gone(one, timeout_s=10)
    assert lifecycle.down(story.state)
    assert not story.state.root.exists()
