"""Evidence outlives us: whatever happened, an audit computes every verdict again and finds every alteration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.evidence.audit import Findings
from reconciler.ports.ledger import Entry
from tests.support.branches import MemoryBranch, audited, branch_with
from tests.support.runner import Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.world_line import Fault
from tests.support.worlds import EVIDENCE_LIES, MALICES, History, faults, histories


def _entries(world: World) -> list[Entry]:
    return [entry for entries in world.ledger.rounds for entry in entries]


def _branch(world: World) -> MemoryBranch:
    return branch_with(_entries(world))


def _audit(world: World, branch: MemoryBranch | None = None) -> Findings:
    return audited(_branch(world) if branch is None else branch, world.trusted)


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
    assert found.heads == {head.node: head for entry in _entries(world) for head in entry.heads}
    assert found.records == sum(len(entry.heads) for entry in _entries(world))


@pytest.fixture(scope="module")
def story() -> World:
    """Return a world in which one node served, proved itself again and left, and another was rejected."""
    blue = [EnclaveShape(name="blue", count=2, keys=("common",))]
    world = World(site(nodes=2, enclaves=blue))
    world.machines["n2"].malice = Malice.TAMPERED
    runner = Runner(world)
    runner.settle()
    for _ in range(3):
        world.tick(30)
        runner.run()
    world.trust(site(nodes=2, revision=1))
    runner.settle()
    return world


@pytest.fixture(scope="module")
def honest(story: World) -> dict[str, bytes]:
    """Return the files of its branch, on which nothing is wrong."""
    branch = _branch(story)
    assert _audit(story, branch).flaws == []
    return branch.contents


@given(data=st.data())
def test_any_single_byte_that_is_changed_anywhere_is_found(
    story: World, honest: dict[str, bytes], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(honest)))
    altered = bytearray(honest[path])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    assert _audit(story, MemoryBranch(contents=honest | {path: bytes(altered)})).flaws


def _flipped(world: World, honest: dict[str, bytes], data: st.DataObject, *, under: tuple[str, ...]) -> Findings:
    path = data.draw(st.sampled_from([path for path in sorted(honest) if path.startswith(under)]))
    altered = bytearray(honest[path])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    return _audit(world, MemoryBranch(contents=honest | {path: bytes(altered)}))


@given(data=st.data())
def test_a_flipped_bit_anywhere_in_a_record_is_found(
    story: World, honest: dict[str, bytes], data: st.DataObject
) -> None:
    assert _flipped(story, honest, data, under=("statements/", "rounds/")).flaws


@given(data=st.data())
def test_a_flipped_bit_anywhere_in_raw_evidence_is_found(
    story: World, honest: dict[str, bytes], data: st.DataObject
) -> None:
    assert _flipped(story, honest, data, under=("blobs/",)).flaws


@given(data=st.data())
def test_a_dropped_record_is_found(story: World, honest: dict[str, bytes], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(honest)))
    left = {name: content for name, content in honest.items() if name != path}
    is_told = bool(_audit(story, MemoryBranch(contents=left)).flaws)
    # A head that stays is one more witness of the lines before it; the log itself tells that it was there.
    assert is_told or path.startswith("checkpoints/1")


@given(data=st.data())
def test_any_two_files_that_change_places_are_found(
    story: World, honest: dict[str, bytes], data: st.DataObject
) -> None:
    one, other = data.draw(st.lists(st.sampled_from(sorted(honest)), min_size=2, max_size=2, unique=True))
    swapped = honest | {one: honest[other], other: honest[one]}
    assert honest[one] == honest[other] or _audit(story, MemoryBranch(contents=swapped)).flaws


@given(data=st.data())
def test_statements_that_are_dropped_or_reordered_by_who_has_the_key_are_found(
    story: World, data: st.DataObject
) -> None:
    entries = _entries(story)
    index = data.draw(st.integers(0, len(entries) - 1))
    moved = entries.pop(index)
    if data.draw(st.booleans()):
        other = data.draw(st.integers(0, len(entries)).filter(lambda place: place != index))
        nodes = {head.node for head in moved.heads}
        between = entries[min(index, other) : max(index, other)]
        entries.insert(other, moved)
        if not any(head.node in nodes for entry in between for head in entry.heads):
            return  # Records of different nodes may well have been written in another order.
    kept = branch_with(entries)
    heads = {path: data for path, data in _branch(story).contents.items() if path.startswith("nodes/")}
    assert _audit(story, MemoryBranch(contents=kept.contents | heads)).flaws


def test_a_verdict_under_a_commit_outside_the_trusted_history_is_found(story: World) -> None:
    trusted = dict(story.trusted)
    del trusted[next(iter(trusted))]
    assert {flaw.code for flaw in audited(_branch(story), trusted).flaws} >= {"CommitStray"}
