"""Explaining a node from a repository: phase, verdict, reasons with their pages, and the way its boot went."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli.explain import document, text
from tests.support.published import published
from tests.support.runner import LONG, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.support.world_agent import Malice

PRINCIPAL = "ringfence@example.org"


def test_a_rejected_node_is_explained_beside_a_good_boot(tmp_path: Path) -> None:
    runner = Runner(World(site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)])))
    runner.world.machines["n2"].malice = Malice.TAMPERED
    runner.settle(quiet_rounds=LONG)
    found = document(*published(runner, tmp_path), "n2")
    assert found["phase"] == "REJECTED"
    assert found["divergence"]["compared"]["node"] == "n1"
    lines = text(found).splitlines()
    assert "  page: docs/reasons/MeasurementMismatch.md" in lines
    at = lines.index("against a good boot")
    assert lines[at - 1] == ""
    assert lines[at + 3].startswith("  first difference: PCR 4: expected event ")
    assert "spec.cleared: 4 in site/nodes/n2.yaml" in lines[-1]


def test_a_lost_log_does_not_stop_the_explanation(tmp_path: Path) -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = Lie.EMPTY_LOG
    runner.settle(quiet_rounds=LONG)
    found = document(*published(runner, tmp_path), "n1")
    assert found["divergence"]["first"] is None
    assert "the rejected boot cannot be read" in text(found)


def test_a_member_is_explained_without_a_comparison(tmp_path: Path) -> None:
    found = document(*published(at_stage(Stage.MEMBER), tmp_path), "n1")
    assert (found["phase"], found["divergence"]) == ("ENCLAVE", None)
    assert "against a good boot" not in text(found)


def test_a_node_without_records_is_free(tmp_path: Path) -> None:
    found = document(*published(at_stage(Stage.FRESH), tmp_path, with_evidence=False), "n1")
    assert (found["phase"], found["verdict"], found["divergence"]) == ("FREE", None, None)
