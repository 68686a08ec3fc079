"""Heartbeat rounds: proofs of members recorded together open nothing, mix nothing up, and hold nobody up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.outcome import Done, Failed
from reconciler.model.observed import AnswerStatus
from tests.support.branches import audited, branch_with
from tests.support.monitor_records import read_entry
from tests.support.runner import Runner, assert_nobody_is_rejected, assert_settled
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.world import MISFORTUNES, World
from tests.support.world_agent import Malice
from tests.support.world_line import FOREVER, Fault, FaultKind
from tests.support.world_switch import access
from tests.support.worlds import faults

_SHAPES = [EnclaveShape(name="blue", count=2), EnclaveShape(name="green", count=2, keys=("common", "other"))]
_SITE = site(nodes=5, enclaves=_SHAPES)


def _settled() -> tuple[World, Runner]:
    world = World(_SITE)
    runner = Runner(world)
    runner.settle()
    runner.run()
    return world, runner


def _due() -> tuple[World, Runner]:
    """Return a world whose four members have all proven themselves again, and wait."""
    world, runner = _settled()
    world.tick(40)
    return world, runner


def _rounds(world: World) -> list[list[str]]:
    found = (entry for entries in world.ledger.rounds for entry in entries if entry.path.startswith("rounds/"))
    return [[said.node for said in read_entry(entry)] for entry in found]


def _assert_audited(world: World) -> None:
    branch = branch_with([entry for entries in world.ledger.rounds for entry in entries])
    assert audited(branch, world.trusted).flaws == []


def test_all_members_are_in_one_round() -> None:
    world, runner = _due()
    before = len(_rounds(world))
    runner.run()
    assert [sorted(nodes) for nodes in _rounds(world)[before:]] == [["n1", "n2", "n3", "n4"]]
    _assert_audited(world)


def test_a_kill_at_any_side_effect_keeps_every_chain_whole() -> None:
    world, runner = _due()
    runner.run()
    points = world.line.points
    assert points > 8
    for crash_at in range(1, points + 1):
        world, runner = _due()
        runner.run(crash_at=crash_at)
        for _ in range(3):
            world.tick(15)
            runner.run(crash_at=crash_at)
        runner.settle()
        assert_settled(world)
        assert_nobody_is_rejected(world)
        _assert_audited(world)


@given(kind=st.sampled_from((FaultKind.TRANSIENT, FaultKind.HANG, FaultKind.HALF)), passes=st.integers(1, 3))
def test_a_round_that_failed_widens_nothing_and_nobody_is_answered(kind: FaultKind, passes: int) -> None:
    world, runner = _due()
    fault = Fault(device="ledger", operation="append", kind=kind, times=FOREVER)
    world.line.faults.append(fault)
    before = len(world.line.effects)
    outcomes = runner.run().outcomes or {}
    failed = [id_ for id_, outcome in outcomes.items() if isinstance(outcome, Failed)]
    assert sorted(failed) == [f"record-evidence/n{n}" for n in range(1, 5)]
    operations = [effect.operation for effect in world.line.effects[before:]]
    assert operations.count("append") == 1
    assert not {"answer", "wrap", "set_access", "turn_on", "assign"} & set(operations)
    world.line.faults.clear()
    for _ in range(passes):
        runner.run()
    runner.settle()
    assert_settled(world)
    assert_nobody_is_rejected(world)
    _assert_audited(world)


@given(
    lie=st.sampled_from((Lie.CHANGED_EVENT, Lie.CLAIMED_PCR, Lie.OTHER_AK, Lie.WRONG_NONCE)),
    liar=st.sampled_from(("n1", "n2", "n3", "n4")),
    kind=st.sampled_from((None, FaultKind.TRANSIENT, FaultKind.HALF)),
)
def test_a_liar_is_in_no_round_and_is_parked_in_the_same_pass_whatever_becomes_of_it(
    lie: Lie, liar: str, kind: FaultKind | None
) -> None:
    world, runner = _settled()
    world.machines[liar].lie = lie
    world.tick(40)
    if kind is not None:
        world.line.faults.append(Fault(device="ledger", operation="append", kind=kind, times=FOREVER))
    before = len(_rounds(world))
    outcomes = runner.run().outcomes or {}
    assert all(liar not in nodes for nodes in _rounds(world)[before:])
    assert world.states_of(liar) == [access(world.parking_of(liar))]
    assert not world.machines[liar].is_on
    assert isinstance(outcomes[f"power-off/{liar}"], Done)
    world.line.faults.clear()
    runner.settle(quiet_rounds=8)
    _assert_audited(world)


@given(
    broken=st.lists(faults(), max_size=3),
    malices=st.lists(st.sampled_from((Malice.NONE, Malice.NONE, Malice.MUTE, Malice.TAMPERED)), min_size=5, max_size=5),
    story=st.lists(
        st.tuples(
            st.one_of(st.none(), st.sampled_from(MISFORTUNES)),
            st.integers(1, 5),
            st.sampled_from((0, 5, 30, 40, 100)),
            st.integers(1, 60),
        ),
        min_size=2,
        max_size=10,
    ),
)
def test_whatever_happens_a_round_holds_members_as_they_are_on_record(
    broken: list[Fault], malices: list[Malice], story: list[tuple[str | None, int, int, int]]
) -> None:
    world = World(_SITE)
    runner = Runner(world)
    for machine, malice in zip(world.machines.values(), malices, strict=True):
        machine.malice = malice
    runner.settle(quiet_rounds=8)
    world.line.faults = broken
    for misfortune, node, wait, crash_at in story:
        if misfortune is not None:
            world.befall(misfortune, node=f"n{node}")
        world.tick(wait)
        runner.run(crash_at=crash_at if crash_at < 25 else None)
    world.line.faults.clear()
    runner.settle(quiet_rounds=8)
    assert_settled(world)
    _assert_audited(world)


def test_no_answer_of_acceptance_is_given_before_the_round_is_on_record() -> None:
    world, runner = _due()
    since = len(world.line.effects)
    runner.run()
    operations = [effect.operation for effect in world.line.effects[since:] if effect.operation in ("append", "answer")]
    assert operations == ["append", "answer", "answer", "answer", "answer"]
    assert {session.answered.status for session in world.counter.sessions.values() if session.answered} == {
        AnswerStatus.ACCEPTED
    }
