"""Where a rejected boot went another way: which boot it is compared with, and that nothing unreadable stops it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.cli.divergence import compare, text
from reconciler.evidence.statement import Record
from tests.support.entries import records_of
from tests.support.runner import EVIDENCE_KEY, LONG, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.support.world_agent import Malice

KEYS = {"evidence": EVIDENCE_KEY.public_key()}
OVMF = {"n1": "ovmf", "n2": "ovmf"}


class Story:
    """What is on record of a world, ready to be explained."""

    def __init__(self, runner: Runner) -> None:
        entries = [entry for entries in runner.world.ledger.rounds for entry in entries]
        records = [record for entry in entries for record in records_of(entry, keys=KEYS)]
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
        return [record for record in judged if record.appraisal and record.verdict == verdict]

    def lose(self, node: str, verdict: str) -> None:
        """Lose the event logs of the boots of ``node`` that were judged so."""
        for record in self.appraised(node, verdict):
            assert record.appraisal is not None
            self.blobs.pop(record.appraisal.evidence.event_log.removeprefix("sha256:"), None)


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
    first = found["first"]
    assert found["compared"]["node"] == "n1"
    assert 1 not in found["pcrs"]
    assert {0, 4, 9, 11} <= set(found["pcrs"])
    assert first["expected"]["digest"] != first["found"]["digest"]
    lines = text(found)
    assert f"node n1, record {found['compared']['sequence']} of" in lines[1]
    assert any(first["expected"]["digest"] in line for line in lines)
    assert any(first["found"]["digest"] in line for line in lines)
    assert first["text"].startswith("PCR 4: expected event ")
    assert [other[:7] for other in found["others"]] == ["PCR 11:"]
    assert first["replays"]
    assert found["note"] is None


def lying(lie: Lie) -> Story:
    """Return a story in which the member ``n1`` tells ``lie``."""
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = lie
    runner.settle(quiet_rounds=LONG)
    return Story(runner)


def test_its_own_good_boot_is_compared_before_that_of_another_node_and_in_pcr_1_too() -> None:
    story = lying(Lie.CHANGED_EVENT)
    found = story.told("n1")
    assert (found["compared"]["node"], found["compared"]["sequence"]) == ("n1", 3)
    assert 1 in found["pcrs"]
    assert found["first"]["pcr"] == 4
    assert not found["first"]["replays"]
    assert (
        found["note"] == "the log of the rejected boot does not lead to the value of PCR 4: its events may be made up"
    )
    assert text(found)[-1].strip() == found["note"]


def test_a_dropped_event_is_shown_with_nothing_in_its_place() -> None:
    found = lying(Lie.DROPPED_EVENT).told("n1")
    assert (found["first"]["kind"], found["first"]["found"]) == ("missing", None)
    assert "    found:    nothing" in text(found)


def test_a_stranger_that_booted_the_same_is_told_to_have_measured_the_same() -> None:
    found = lying(Lie.STRANGER).told("n1")
    assert (found["first"], found["others"]) == (None, [])
    assert text(found)[-1] == "  the two boots measured the same"


def test_a_log_of_a_stranger_may_be_made_up(story: Story) -> None:
    (record,) = story.appraised("n2", "rejected")
    assert record.appraisal is not None
    assert record.appraisal.verdict is not None
    vector = record.appraisal.verdict["ear.trustworthiness-vector"] | {"instance-identity": 96}
    verdict = record.appraisal.verdict | {"ear.trustworthiness-vector": vector}
    appraisal = record.appraisal.model_copy(update={"verdict": verdict})
    story.records[story.records.index(record)] = record.model_copy(update={"appraisal": appraisal})
    assert "speaks against who sent this log" in text(story.told("n2"))[-1]


@pytest.mark.parametrize("profiles", [{"n1": "r650", "n2": "ovmf"}, {"n1": "ovmf"}, {"n2": "ovmf"}, {}])
def test_firmware_of_another_or_an_unknown_profile_is_not_compared(story: Story, profiles: dict[str, str]) -> None:
    found = story.told("n2", profiles)
    assert found["compared"]["node"] == "n1"
    assert found["pcrs"] == [4, 9, 11, 12]
    assert "on other firmware" in text(found)[2]


def test_a_node_that_was_accepted_or_never_judged_is_not_compared(story: Story) -> None:
    assert story.explained("n1") is None
    assert story.explained("n3") is None


def test_without_a_good_boot_on_record_it_says_so(story: Story) -> None:
    story.records = [record for record in story.records if record.node == "n2"]
    found = story.told("n2")
    assert (found["compared"], found["first"]) == (None, None)
    assert text(found) == ["against a good boot", "  no good boot of the same image is on record to compare with"]


def test_a_boot_of_another_or_an_unknown_image_is_none_to_compare_with(story: Story) -> None:
    for image in ("sha256:" + "0" * 64, None):
        changed = [r.model_copy(update={"image": image}) if r.node == "n1" and r.image else r for r in story.records]
        found = compare(changed, node="n2", blob=story.blobs.get, profiles=OVMF)
        assert found is not None
        assert "no good boot of the same image" in found["note"]


def test_a_rejected_boot_that_cannot_be_read_is_told(story: Story) -> None:
    story.lose("n2", "rejected")
    (line,) = text(story.told("n2"))[1:]
    assert line.startswith("  the rejected boot cannot be read: evidence blob: sha256:")


def test_good_boots_that_cannot_be_read_are_told(story: Story) -> None:
    story.lose("n1", "accepted")
    (line,) = text(story.told("n2"))[1:]
    assert line.startswith("  a good boot cannot be read: evidence blob: sha256:")


@pytest.mark.parametrize("lie", [Lie.EMPTY_LOG, Lie.GARBAGE])
def test_a_log_that_cannot_be_parsed_is_told(lie: Lie) -> None:
    (line,) = text(lying(lie).told("n1"))[1:]
    assert line.startswith("  the rejected boot cannot be read: event log: ")
