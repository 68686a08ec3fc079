"""The journal: whatever happens, what moved trust is on record, once, in order, and an idle loop adds nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.journal import (
    DriftHealed,
    DriftSeen,
    Followed,
    KeyRotated,
    RefusalOver,
    Refused,
    SignerChanged,
)
from reconciler.model.desired import DesiredState
from tests.support.journal_audit import check_journal
from tests.support.journalled import JournalledRunner, audited, head_of, history_of
from tests.support.runner import assert_settled
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.world import World
from tests.support.world_line import FOREVER, Fault, FaultKind
from tests.support.world_switch import access
from tests.support.worlds import History, Misfortune, faults, histories, misfortunes

_NODES = (NodeShape(), NodeShape())


def _refusal(number: int) -> TrustError:
    return TrustError(f"commit {number:012x}", "is not signed", reason="UnsignedCommit")


def _assert_told(world: World, runner: JournalledRunner) -> None:
    """Require that the journal holds, and that it says what is so."""
    found, head = audited(world), head_of(world)
    assert found.flaws == []
    assert found.head == head
    assert head.commit == world.desired.commit
    assert head.signer == runner.key_id
    known = set(world.desired.keys) | {key for h in world.ledger.heads().values() for key in h.keys}
    assert {k: v for k, v in head.keys.items() if k in known} == {
        k: v for k, v in world.custodian.current.items() if k in known
    }
    assert {refusal.subject for refusal in head.refusals} == {refusal.subject for refusal in runner.refusals}
    assert head.drift == ()
    rotated = [event for entry in found.entries for event in entry.events if isinstance(event, KeyRotated)]
    assert all(times == 1 for times in Counter((event.name, event.after) for event in rotated).values())


@given(
    history=histories(max_nodes=3),
    broken=st.lists(faults(), max_size=3),
    story=st.lists(
        st.tuples(
            st.one_of(st.none(), misfortunes()),
            st.integers(0, 12),
            st.sampled_from((0, 5, 20, 60)),
            st.integers(1, 80),
            st.sets(st.integers(1, 3), max_size=2),
            st.sampled_from(("evidence", "evidence", "evidence-2")),
        ),
        min_size=2,
        max_size=10,
    ),
)
def test_whatever_happens_the_journal_holds_and_says_what_is_so(
    history: History,
    broken: list[Fault],
    story: list[tuple[Misfortune | None, int, int, int, set[int], str]],
) -> None:
    world = World(history.commits[0])
    runner = JournalledRunner(world)
    world.line.faults = broken
    names = sorted(world.machines)
    for index, (misfortune, point, wait, crash_at, refused, key_id) in enumerate(story):
        world.trust(history.commits[index * len(history.commits) // len(story)])
        runner.refusals, runner.key_id = tuple(_refusal(number) for number in sorted(refused)), key_id
        meanwhile = {}
        if misfortune is not None:
            meanwhile[point] = partial(world.befall, misfortune.what, node=names[misfortune.node % len(names)])
        runner.run(crash_at=crash_at if crash_at < 30 else None, meanwhile=meanwhile)
        world.tick(wait)
    world.line.faults.clear()
    world.trust(history.commits[-1])
    runner.settle(quiet_rounds=8)
    assert_settled(world)
    _assert_told(world, runner)


@given(history=histories(max_nodes=3), is_lasting=st.booleans())
def test_an_idle_loop_adds_nothing(history: History, *, is_lasting: bool) -> None:
    world = World(history.commits[-1])
    runner = JournalledRunner(world, is_lasting=is_lasting)
    runner.refusals = (_refusal(1), _refusal(2))
    runner.settle()
    written = len(world.ledger.journal)
    assert written <= 4 + len(world.custodian.current)
    for _ in range(10):
        world.tick(30)
        runner.run()
    assert len(world.ledger.journal) == written
    _assert_told(world, runner)


def _story() -> list[DesiredState]:
    blue, green = EnclaveShape(name="blue", count=1), EnclaveShape(name="green", names=("n1",))
    commits = [[blue], [green], []]
    return [site(nodes=_NODES, enclaves=e, revision=number) for number, e in enumerate(commits, start=1)]


def _live_through(world: World, *, crash_at: int | None) -> int:
    runner, passed = JournalledRunner(world), 0
    for desired in _story():
        world.trust(desired)
        for _ in range(5):
            runner.run(crash_at=None if crash_at is None or crash_at <= passed else crash_at - passed)
            passed += world.line.points
            world.tick(20)
    return passed


def test_death_at_any_point_loses_no_commit_and_no_rotation() -> None:
    points = _live_through(World(site(nodes=_NODES)), crash_at=None)
    assert points > 40
    for crash_at in range(1, points + 1):
        world = World(site(nodes=_NODES))
        _live_through(world, crash_at=crash_at)
        runner = JournalledRunner(world)
        runner.settle()
        _assert_told(world, runner)
        assert world.monitor.followed == [desired.commit for desired in _story()]


@given(kind=st.sampled_from((FaultKind.TRANSIENT, FaultKind.HANG, FaultKind.HALF)))
def test_nothing_is_done_under_a_commit_that_could_not_be_put_on_record(kind: FaultKind) -> None:
    world = World(site(nodes=_NODES))
    runner = JournalledRunner(world)
    world.trust(_story()[0])
    world.line.faults.append(Fault(device="ledger", operation="append", kind=kind, times=1))
    before = len(world.line.effects)
    assert runner.run().error is not None
    assert [effect.device for effect in world.line.effects[before:]] == ["ledger"]
    runner.settle()
    _assert_told(world, runner)


def test_refusals_and_drift_begin_and_end_once_each() -> None:
    world = World(site(nodes=_NODES, enclaves=[EnclaveShape(name="blue", names=("n1",))]))
    runner = JournalledRunner(world)
    runner.settle()
    runner.refusals = (_refusal(7),)
    world.spoil_port("n1", state=access(4000))
    for _ in range(3):
        runner.run()
    runner.refusals = ()
    runner.settle()
    events = [event for entry in audited(world).entries for event in entry.events]
    told = [type(event) for event in events if not isinstance(event, Followed | KeyRotated)]
    assert Counter(told) == Counter({Refused: 1, RefusalOver: 1, DriftSeen: 1, DriftHealed: 1})
    _assert_told(world, runner)


def test_what_is_not_known_neither_begins_nor_ends_drift() -> None:
    world = World(site(nodes=_NODES, enclaves=[EnclaveShape(name="blue", names=("n1",))]))
    runner = JournalledRunner(world)
    runner.settle()
    written = len(world.ledger.journal)
    fault = Fault(device="switch/*", operation="read_ports", kind=FaultKind.UNKNOWN, times=FOREVER)
    world.line.faults.append(fault)
    for _ in range(3):
        runner.run()
    assert len(world.ledger.journal) == written


@pytest.mark.parametrize("is_lasting", [False, True])
def test_another_signer_is_told_of_before_it_signs_anything_else(*, is_lasting: bool) -> None:
    world = World(site(nodes=_NODES, enclaves=[EnclaveShape(name="blue", count=1)]))
    JournalledRunner(world).settle()
    runner = JournalledRunner(world, is_lasting=is_lasting, key_id="evidence-2")
    before = len(world.ledger.rounds)
    runner.run()
    first = world.ledger.rounds[before][0]
    assert first.path.startswith("journal/")
    events = audited(world).entries[-1].events
    assert events[0] == SignerChanged(before="evidence", after="evidence-2")
    runner.settle()
    _assert_told(world, runner)


def test_keys_that_were_put_back_are_drift_and_no_rotation() -> None:
    world = World(site(nodes=_NODES, enclaves=[EnclaveShape(name="blue", count=1)]))
    runner = JournalledRunner(world)
    runner.settle()
    world.custodian.rotate("common", past=1)
    runner.run()
    assert head_of(world).keys["common"] == 2
    world.custodian.current["common"] = 1
    runner.run()
    assert head_of(world).keys["common"] == 2
    assert [(d.subject, d.declared, d.found) for d in head_of(world).drift] == [
        ("key/common", "version 2", "version 1")
    ]
    assert audited(world).flaws == []


@lru_cache(maxsize=1)
def _told() -> World:
    """Return a world whose journal has an entry of every kind."""
    world = World(_story()[0])
    runner = JournalledRunner(world)
    runner.settle()
    runner.refusals = (_refusal(1),)
    stuck = [
        Fault(device=d, kind=FaultKind.REFUSED, operation=o) for d, o in (("power/*", "turn_o*"), ("switch/*", "apply"))
    ]
    world.line.faults = [replace(fault, times=FOREVER) for fault in stuck]
    world.spoil_port("n1", state=access(4000))
    runner.run()
    world.line.faults.clear()
    world.spoil_port("n1", state=access(200))  # Whoever moved it thought better of it.
    runner.run()
    world.spoil_port("n1", state=access(4000))
    runner.run()
    runner.refusals = ()
    for desired in _story()[1:]:
        world.trust(desired)
        runner.settle()
    runner = JournalledRunner(world, key_id="evidence-2")
    runner.settle()
    return world


@given(data=st.data())
def test_any_changed_bit_of_the_journal_is_found(data: st.DataObject) -> None:
    world = _told()
    envelopes, head = list(world.ledger.journal), world.ledger.journal_head() or b""
    index = data.draw(st.integers(0, len(envelopes)), label="entry")
    path, content = envelopes[index] if index < len(envelopes) else ("", head)
    altered = bytearray(content)
    altered[data.draw(st.integers(0, len(content) - 1), label="byte")] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    if index < len(envelopes):
        envelopes[index] = (path, bytes(altered))
    else:
        head = bytes(altered)
    assert check_journal(envelopes, history=history_of(world), head=head).flaws


@given(data=st.data())
def test_an_entry_that_was_dropped_doubled_or_swapped_is_found(data: st.DataObject) -> None:
    world = _told()
    envelopes = list(world.ledger.journal)
    one = data.draw(st.integers(0, len(envelopes) - 1), label="one")
    other = data.draw(st.integers(0, len(envelopes) - 1).filter(lambda place: place != one), label="other")
    match data.draw(st.sampled_from(("drop", "double", "swap")), label="what"):
        case "drop":
            del envelopes[one]
        case "double":
            envelopes.append(envelopes[one])
        case _:
            (first, ours), (second, theirs) = envelopes[one], envelopes[other]
            envelopes[one], envelopes[other] = (first, theirs), (second, ours)
    assert check_journal(envelopes, history=history_of(world), head=world.ledger.journal_head()).flaws


def test_the_journal_that_is_altered_here_has_no_flaw_itself() -> None:
    found = audited(_told())
    assert found.flaws == []
    kinds = {event.event for entry in found.entries for event in entry.events}
    assert kinds == {
        "followed",
        "refused",
        "refusal-over",
        "drift",
        "drift-over",
        "drift-healed",
        "key-rotated",
        "signer-changed",
    }
