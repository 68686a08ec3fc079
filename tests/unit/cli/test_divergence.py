"""Where a rejected boot went another way: which boot it is compared with, and that nothing unreadable stops it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.cli.divergence import compare, text
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.statement import Record, parse_statement
from reconciler.model.record import Event
from tests.support.runner import EVIDENCE_KEY, LONG, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.support.world_node import Malice

KEYS = {"evidence": EVIDENCE_KEY.public_key()}
OVMF = {"n1": "ovmf", "n2": "ovmf"}


class Story:
    """What is on record of a world, ready to be explained."""

    def __init__(self, runner: Runner) -> None:
        entries = [entry for entries in runner.world.ledger.rounds for entry in entries]
        records = [parse_statement(open_envelope(entry.envelope, keys=KEYS)).predicate for entry in entries]
        self.records: list[Record] = sorted(records, key=lambda record: (record.node, record.sequence))
        self.blobs: dict[str, bytes] = {name: data for entry in entries for name, data in entry.blobs.items()}

    def explained(self, node: str, profiles: Mapping[str, str] = OVMF) -> dict[str, Any] | None:
        found = compare(self.records, node=node, blob=self.blobs.get, profiles=profiles)
        assert json.loads(json.dumps(found)) == found
        return found

    def told(self, node: str, profiles: Mapping[str, str] = OVMF) -> dict[str, Any]:
        found = self.explained(node, profiles)
        assert found is not None
        return found

    def appraised(self, node: str, verdict: str) -> list[Record]:
        judged = [record for record in self.records if record.node == node and record.appraisal]
        return [record for record in judged if record.appraisal and record.appraisal.verdict["verdict"] == verdict]

    def lose(self, node: str, verdict: str) -> None:
        """Lose the event logs of the boots of ``node`` that were judged so."""
        for record in self.appraised(node, verdict):
            assert record.appraisal is not None
            self.blobs.pop(record.appraisal.event_log.removeprefix("sha256:"), None)


def tampered_second_node() -> Story:
    """Return a story in which ``n1`` is a member, and ``n2`` booted something else."""
    runner = Runner(World(site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)])))
    runner.world.machines["n2"].malice = Malice.TAMPERED
    runner.settle(quiet_rounds=LONG)
    return Story(runner)


@pytest.fixture(scope="module")
def _story() -> Story:
    return tampered_second_node()


@pytest.fixture
def story(_story: Story) -> Story:
    copy = Story.__new__(Story)
    copy.records, copy.blobs = list(_story.records), dict(_story.blobs)
    return copy


def test_a_changed_image_is_shown_beside_the_event_of_another_nodes_good_boot(story: Story) -> None:
    found = story.told("n2")
    print(found, story.records)
    first = found["first"]
    assert found["compared"]["node"] == "n1"
    assert 1 not in found["pcrs"]
    assert {0, 4, 9, 11} <= set(found["pcrs"])
    assert first["expected"]["digest"] != first["found"]["digest"]
    lines = text(found)
    assert f"node n1, record {found['compared']['sequence']} of" in lines[1]
    assert any(first["expected"]["digest"] in line for line in lines)
    assert any(first["found"]["digest"] in line for line in lines)
