"""A history says of nobody that it was where it was not: held against the monitor's own reading of the records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconciler.evidence.history import questions
from reconciler.evidence.history.chronicle import Scope, arrival
from reconciler.evidence.history.times import up_to
from reconciler.evidence.history.values import Standing
from reconciler.evidence.statement import Record
from tests.support.chronicles import history_of, records_in
from tests.support.monitor_records import Track, read_entry
from tests.support.runner import Runner
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.world_line import Fault
from tests.support.worlds import (
    EVIDENCE_LIES,
    History,
    Misfortune,
    busy_sites,
    enclave_sets,
    faults,
    histories,
    misfortunes,
)

_TICK = timedelta(microseconds=1)
_NO_CRASH = 40
_MALICES = (Malice.NONE, Malice.NONE, Malice.TAMPERED, Malice.FORGED_LOG, Malice.SILENT)
"""Those whose node, once in doubt, stays so whatever is asked for next."""


@dataclass(frozen=True, kw_only=True)
class _Story:
    """What is asked for, how many passes are made in peace, and what happens after that."""

    history: History
    calm: int
    malices: list[Malice]
    lies: list[Lie | None]
    broken: list[Fault]
    happens: list[tuple[int, int, Misfortune | None]]


def _truth(world: World, records: list[Record], *, moment: datetime) -> dict[str, Track]:
    """Return what the records up to ``moment`` add up to, by the monitor's reading of them."""
    said = [one for entries in world.ledger.rounds for entry in entries for one in read_entry(entry)]
    tracks: dict[str, Track] = {}
    for one, record in zip(said, records, strict=True):
        if record.recorded_at <= moment:
            track = tracks.setdefault(one.node, Track())
            assert track.follow(one) is None
            track.knows |= one.keys if one.event == "released" else {}
    return tracks


def _play(world: World, story: _Story) -> None:
    """Let the nodes join in peace for as long as ``story`` says, then let everything happen."""
    for machine, malice, lie in zip(world.machines.values(), story.malices, story.lies, strict=False):
        machine.malice, machine.lie = malice, lie
    runner = Runner(world)
    for _ in range(story.calm):
        runner.run()
        world.tick(20)
    world.line.faults = list(story.broken)
    commits = story.history.commits
    for index, (crash_at, wait, misfortune) in enumerate(story.happens):
        world.trust(commits[(index + 1) * (len(commits) - 1) // len(story.happens)])
        if misfortune is not None:
            names = sorted(world.machines)
            world.befall(misfortune.what, node=names[misfortune.node % len(names)])
        runner.run(crash_at=crash_at if crash_at < _NO_CRASH else None)
        world.tick(wait)


@st.composite
def _stories(draw: st.DrawFn) -> _Story:
    busy = draw(st.booleans())
    step = st.tuples(st.integers(1, 2 * _NO_CRASH), st.sampled_from((5, 20, 40)), st.none() | misfortunes())
    first = draw(busy_sites(max_nodes=3)) if busy else draw(histories(max_nodes=3))
    later = draw(st.lists(enclave_sets(nodes=len(first.nodes)), max_size=2))
    return _Story(
        history=History(nodes=first.nodes, enclaves=(*first.enclaves, *later), switches=first.switches),
        calm=draw(st.sampled_from((8, 8, 12, 0))),
        malices=draw(st.lists(st.sampled_from(_MALICES), min_size=3, max_size=3)),
        lies=draw(st.lists(st.sampled_from((None, None, None, *EVIDENCE_LIES)), min_size=3, max_size=3)),
        broken=draw(st.lists(faults(), max_size=2)),
        happens=draw(st.lists(step, min_size=2, max_size=10)),
    )


@given(story=_stories())
def test_nobody_is_said_to_have_been_a_member_who_was_none(story: _Story) -> None:
    world = World(story.history.commits[0])
    _play(world, story)
    records = records_in(world)
    moments = {record.recorded_at + shift for record in records for shift in (-_TICK, timedelta(0), _TICK)}
    for moment in sorted(moments):
        truth = _truth(world, records, moment=moment)
        scope = Scope(window=up_to(moment))
        found = questions.situations(history_of(*records, scope=scope), moment, scope=scope)
        assert {one.stay.node for one in found} == set(truth)
        for one in found:
            track = truth[one.stay.node]
            if one.stay.standing is Standing.MEMBER:
                assert (track.phase, track.enclave) == ("ENCLAVE", one.stay.enclave)
                assert one.proof is not None
                assert one.proof.nonce in track.accepted
                assert arrival(one.proof) <= moment
            elif track.phase == "ENCLAVE":
                assert one.stay.standing is Standing.PARKED
            known = {(key.name, key.version) for key in one.keys}
            assert set(track.knows.items()) <= known, "a key that it knows is left out"


@given(story=_stories())
def test_a_nodes_stays_follow_each_other_without_a_gap(story: _Story) -> None:
    world = World(story.history.commits[0])
    _play(world, story)
    for own in history_of(*records_in(world)).stays.values():
        assert [stay.number for stay in own] == list(range(1, len(own) + 1))
        assert own[-1].until is None
        for before, after in pairwise(own):
            assert before.since <= (before.until or before.since) == after.since
            assert before.last_sequence + 1 == after.sequence
            assert before.ended_by is after.began_by
