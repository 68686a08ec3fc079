"""Explaining an enclave from a repository: whom it was given and why, who was passed over, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.cli.explain_enclave import document, text
from reconciler.plan.actions import Action
from tests.support.published import published
from tests.support.runner import Runner, members_of
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.stages import Stage, at_stage
from tests.support.world import World

GREEN = EnclaveShape(name="green", count=2, priority=10, preemptible=True)


def _explain(runner: Runner, folder: Path, enclave: str, *, with_evidence: bool = True) -> dict[str, Any]:
    found = document(*published(runner, folder, with_evidence=with_evidence), enclave)
    assert json.loads(json.dumps(found)) == found
    return found


def test_a_spread_is_explained_before_anything_is_recorded(tmp_path: Path) -> None:
    nodes = [NodeShape(rack="r1"), NodeShape(rack="r1"), NodeShape(rack="r2"), NodeShape(size="big")]
    blue = EnclaveShape(name="blue", count=2, spread="rack", size="small", priority=100)
    runner = Runner(World(site(nodes=nodes, enclaves=[blue, EnclaveShape(name="red", names=())])))
    found = _explain(runner, tmp_path, "blue", with_evidence=False)
    assert text(found).splitlines() == [
        "enclave blue has 2 of 2 nodes",
        "it asks for 2 nodes with size=small, spread over rack; priority 100",
        f"decided from commit {found['commit'][:12]}, evidence none",
        "",
        "chosen",
        "  n1  FREE      spread: rack r1 has fewest",
        "  n3  FREE      spread: rack r2 has fewest",
        "",
        "passed over",
        "     1  free, and not needed",
        "     1  labels differ",
    ]


def test_an_enclave_that_gives_a_node_up_is_explained_from_the_record(tmp_path: Path) -> None:
    world = World(site(nodes=2, enclaves=[GREEN]))
    runner = Runner(world)
    runner.settle()
    world.trust(site(nodes=2, enclaves=[GREEN, EnclaveShape(name="blue", count=1, priority=100)], revision=1))
    found = _explain(runner, tmp_path, "green")
    assert found["chosen"] == [{"node": "n2", "why": "serves already", "phase": "ENCLAVE"}]
    lines = text(found).splitlines()
    assert lines[:2] == [
        "enclave green has 1 of 2 nodes",
        "it asks for 2 nodes; priority 10, preemptible",
    ]
    assert lines[3:5] == [
        "problem: no other free node matches",
        "n1 is taken from green (priority 10) for blue (priority 100)",
    ]
    assert found["preemptions"][0]["to"] == "blue"


def test_what_explain_says_is_what_the_planner_does(tmp_path: Path) -> None:
    world = World(site(nodes=3, enclaves=[EnclaveShape(name="blue", count=1)]))
    runner = Runner(world)
    runner.settle()
    world.trust(site(nodes=3, enclaves=[EnclaveShape(name="blue", count=2)], revision=1))
    found = _explain(runner, tmp_path, "blue")
    joining: list[Action] = [a for a in runner.draft().plan.actions if a.verb == "assign-image"]
    assert [each["node"] for each in found["chosen"] if each["phase"] == "FREE"] == [a.subject for a in joining]
    runner.settle()
    assert [each["node"] for each in found["chosen"]] == members_of(world, "blue")


def test_an_empty_selection_and_names_are_explained(tmp_path: Path) -> None:
    runner = at_stage(Stage.MEMBER)
    for blue, asks in (
        (EnclaveShape(name="blue", names=()), "no node by name"),
        (EnclaveShape(name="blue", names=("n1", "n2")), "the nodes n1, n2"),
        (EnclaveShape(name="blue", count=1), "1 node"),
    ):
        runner.world.desired = site(nodes=2, enclaves=[blue])
        folder = tmp_path / asks.replace(" ", "-").replace(",", "")
        folder.mkdir()
        found = _explain(runner, folder, "blue")
        assert found["asksFor"] == asks
        assert ("problem: " in text(found)) == (blue.names == ())
        assert found["chosen"][0]["node"] == "n1"


def test_a_node_whose_records_are_no_chain_is_told(tmp_path: Path) -> None:
    runner = at_stage(Stage.MEMBER)
    first, *_, last = runner.world.ledger.rounds
    runner.world.ledger.rounds = [first, last]
    found = _explain(runner, tmp_path, "blue")
    assert found["unreadable"] == ["n1"]
    assert text(found).splitlines()[-1].endswith("(run ringfence audit): n1")
