"""Somebody else at the switch and at the BMC: drift is answered as declared, on record, and not fought without end.

The tests are one story and run in their order.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from reconciler.lab import enter, layout, lifecycle, requirements, topology
from tests.support.lab_story import Story

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(requirements.missing_packages()), reason="the lab's Debian packages are not installed"),
]

PARKED = 999
FOREIGN = 4000


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("drift")
    state = layout.state_dir(folder / "lab")
    assert lifecycle.up(state, nodes=0, light_nodes=2)
    told = Story(state=state, repository=folder / "state")
    told.init()
    yield told
    lifecycle.down(state)


def _move(story: Story, port: str, vlan: int) -> None:
    """Move a port at the switch, by hand."""
    command = ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", "set", "port", port, f"tag={vlan}"]
    assert enter.call(story.state, command).returncode == 0


def _switch_on(story: Story, node: str) -> None:
    assert enter.call(story.state, ["/run/ringfence/chassis", node, "set", "power", "1"]).returncode == 0
    assert story.power(node) == "on"


def _reconcile(story: Story) -> subprocess.CompletedProcess[str]:
    return story.ringfence("reconcile", "--repo", str(story.repository), is_inside=True)


def _journal(story: Story) -> list[str]:
    done = story.ringfence(
        "audit", "--repo", str(story.repository), "--between", "2020-01-01", "2100-01-01", "-o", "json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads(done.stdout)["answer"]["journal"]
    return [event["event"] for entry in entries for event in entry["events"]]


def test_01_a_free_node_is_put_to_rest_and_that_is_on_record(story: Story) -> None:
    assert _reconcile(story).returncode == 0
    _move(story, "swp1", FOREIGN)
    assert "park switch tor port swp1" in _reconcile(story).stdout
    assert story.vlans() == [PARKED, PARKED]
    assert story.events("l1") == ["parked"]
    _move(story, "swp1", FOREIGN)
    assert _reconcile(story).returncode == 0
    assert _journal(story)[-2:] == ["drift", "drift-healed"]


def test_02_whoever_moves_it_again_and_again_is_given_in_to(story: Story) -> None:
    for _ in range(2):
        _move(story, "swp1", FOREIGN)
        assert _reconcile(story).returncode == 0
        assert story.vlans() == [PARKED, PARKED]
    _move(story, "swp1", FOREIGN)
    done = _reconcile(story)
    assert "record its rejection: Fought: put right 3 times since" in done.stdout
    assert story.vlans() == [PARKED, PARKED]
    assert story.events("l1")[-1] == "rejected"
    _move(story, "swp1", FOREIGN)
    done = _reconcile(story)
    assert "nothing is written to it before" in done.stdout + done.stderr
    assert story.vlans() == [FOREIGN, PARKED]


def test_03_a_machine_that_somebody_switched_on_is_left_alone_where_that_is_declared(story: Story) -> None:
    _move(story, "swp2", FOREIGN)
    assert "park switch tor port swp2" in _reconcile(story).stdout
    assert story.events("l2") == ["parked"]
    path = story.repository / "site/nodes/l2.yaml"
    path.write_text(path.read_text().rstrip("\n") + "\n  drift: report\n")
    story.commit("l2: a technician is at it")
    _switch_on(story, "l2")
    done = _reconcile(story)
    assert "problem: node/l2: drift is reported only: should be off, parked" in done.stdout + done.stderr
    assert story.power("l2") == "on"
    path.write_text(path.read_text().replace("drift: report", "drift: quarantine"))
    story.commit("l2: and what was that")
    assert "record its rejection: Drift: should be off, parked" in _reconcile(story).stdout
    assert (story.power("l2"), story.events("l2")[-1]) == ("off", "rejected")


def test_04_an_audit_finds_all_of_it_in_order(story: Story) -> None:
    told = _journal(story)
    assert told.count("drift-healed") == 5
    done = story.ringfence("audit", "--repo", str(story.repository), "--between", "2020-01-01", "2100-01-01")
    assert done.returncode == 0, done.stdout
    assert "drift was put right" in done.stdout
