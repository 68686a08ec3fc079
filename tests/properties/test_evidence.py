"""Evidence outlives us: whatever happened, an audit computes every verdict again and finds every alteration."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit import Archive, Findings, audit
from reconciler.model.desired import DesiredState
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from tests.support.runner import EVIDENCE_KEY, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.world_line import Fault
from tests.support.worlds import EVIDENCE_LIES, MALICES, History, faults, histories


def _entries(world: World) -> list[Entry]:
    return [entry for entries in world.ledger.rounds for entry in entries]


def _branch(world: World) -> list[tuple[str, bytes]]:
    return [(entry.path, entry.envelope) for entry in _entries(world) if not entry.attached]


def _rounds(world: World) -> list[tuple[str, bytes, bytes]]:
    return [(entry.path, entry.envelope, records) for entry in _entries(world) for records in entry.attached.values()]


def _blobs(world: World) -> dict[str, bytes]:
    return {name: data for entry in _entries(world) for name, data in entry.blobs.items()}


def _heads(world: World) -> dict[str, Head]:
    return {head.node: head for entry in _entries(world) for head in entry.heads}


def _audit(
    world: World,
    *,
    statements: list[tuple[str, bytes]] | None = None,
    blobs: Mapping[str, bytes] | None = None,
    heads: Mapping[str, Head] | None = None,
) -> Findings:
    def desired(commit: str) -> DesiredState:
        if commit not in world.trusted:
            raise TrustError(f"commit {commit}", "is not of the trusted history", reason="CommitUntrusted")
        return world.trusted[commit]

    archive = Archive(
        desired=desired,
        keys=lambda _commit: {"evidence": EVIDENCE_KEY.public_key()},
        blob=(_blobs(world) if blobs is None else blobs).get,
    )
    return audit(
        _branch(world) if statements is None else statements,
        archive=archive,
        heads=_heads(world) if heads is None else heads,
        rounds=_rounds(world),
    )


@given(
    history=histories(max_nodes=3),
    malices=st.lists(st.sampled_from((Malice.NONE, *MALICES)), min_size=3, max_size=3),
    lies=st.lists(st.sampled_from((None, None, *EVIDENCE_LIES)), min_size=3, max_size=3),
    broken=st.lists(faults(), max_size=2),
    steps=st.lists(st.tuples(st.integers(1, 80), st.sampled_from((5, 20, 40))), min_size=2, max_size=10),
)
def test_an_audit_of_any_story_finds_no_flaw(
    history: History,
    malices: list[Malice],
    lies: list[Lie | None],
    broken: list[Fault],
    steps: list[tuple[int, int]],
) -> None:
    world = World(history.commits[0])
    for machine, malice, lie in zip(world.machines.values(), malices, lies, strict=False):
        machine.malice, machine.lie = malice, lie
    world.line.faults = broken
    runner = Runner(world)
    for index, (crash_at, wait) in enumerate(steps):
        world.trust(history.commits[index * len(history.commits) // len(steps)])
        runner.run(crash_at=crash_at if crash_at < 40 else None)
        world.tick(wait)
    found = _audit(world)
    assert found.flaws == []
    lines = sum(len(records.splitlines()) for _, _, records in _rounds(world))
    assert len(found.records) == len(_branch(world)) + lines


@pytest.fixture(scope="module")
def story() -> World:
    """Return a world in which one node served and left, and another was rejected."""
    blue = [EnclaveShape(name="blue", count=2, keys=("common",))]
    world = World(site(nodes=2, enclaves=blue))
    world.machines["n2"].malice = Malice.TAMPERED
    runner = Runner(world)
    runner.settle()
    world.trust(site(nodes=2, revision=1))
    runner.settle()
    return world


@given(data=st.data())
def test_a_flipped_bit_anywhere_in_a_record_is_found(story: World, data: st.DataObject) -> None:
    branch = _branch(story)
    index = data.draw(st.integers(0, len(branch) - 1))
    path, envelope = branch[index]
    place = data.draw(st.integers(0, len(envelope) - 1))
    altered = bytearray(envelope)
    altered[place] ^= 1 << data.draw(st.integers(0, 7))
    branch[index] = (path, bytes(altered))
    assert _audit(story, statements=branch).flaws


@given(data=st.data())
def test_a_flipped_bit_anywhere_in_raw_evidence_is_found(story: World, data: st.DataObject) -> None:
    blobs = _blobs(story)
    name = data.draw(st.sampled_from(sorted(blobs)))
    altered = bytearray(blobs[name])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert _audit(story, blobs=blobs | {name: bytes(altered)}).flaws


@given(data=st.data())
def test_a_dropped_record_is_found(story: World, data: st.DataObject) -> None:
    branch = _branch(story)
    del branch[data.draw(st.integers(0, len(branch) - 1))]
    assert _audit(story, statements=branch).flaws


@given(data=st.data())
def test_two_records_that_change_places_are_found(story: World, data: st.DataObject) -> None:
    branch = _branch(story)
    one = data.draw(st.integers(0, len(branch) - 1))
    other = data.draw(st.integers(0, len(branch) - 1).filter(lambda index: index != one))
    branch[one], branch[other] = (branch[one][0], branch[other][1]), (branch[other][0], branch[one][1])
    assert _audit(story, statements=branch).flaws


def test_a_branch_that_was_rewound_under_its_heads_is_found(story: World) -> None:
    assert _audit(story, statements=_branch(story)[:-1]).flaws


def test_a_verdict_under_a_commit_outside_the_trusted_history_is_found(story: World) -> None:
    first = next(iter(story.trusted))
    kept = story.trusted.pop(first)
    try:
        assert {flaw.code for flaw in _audit(story).flaws} >= {"CommitUntrusted"}
    finally:
        story.trusted[first] = kept
