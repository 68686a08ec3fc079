"""Level-triggered: from any commit to any other the world settles, and then nothing is touched any more."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.support.runner import Runner, assert_nobody_is_rejected, assert_settled, members_of
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.support.worlds import History, busy_sites, histories


@given(history=histories())
def test_every_commit_is_reached_and_then_nothing_is_planned_or_touched(history: History) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    for desired in history.commits:
        world.trust(desired)
        runner.settle()
        assert_settled(world)
        again = runner.run()
        assert again.plan is not None
        assert again.plan.is_empty()
        assert again.touched == 0


@given(history=histories(), seconds=st.lists(st.sampled_from((0, 1, 5, 40, 700)), max_size=12))
def test_a_commit_may_overtake_another_at_any_time(history: History, seconds: list[int]) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    for index, wait in enumerate(seconds):
        world.trust(history.commits[index % len(history.commits)])
        runner.run()
        world.tick(wait)
    world.trust(history.commits[-1])
    runner.settle()
    assert_settled(world)
    assert_nobody_is_rejected(world)


@given(site_=busy_sites(), waits=st.lists(st.sampled_from((0, 10, 40)), max_size=4))
def test_the_same_observation_gives_the_same_plan_byte_for_byte(site_: History, waits: list[int]) -> None:
    world = World(site_.commits[0])
    runner = Runner(world)
    for wait in waits:
        runner.run()
        world.tick(wait)
    before = len(world.line.effects)
    first, second = (json.dumps(runner.draft().plan.to_json()) for _ in range(2))
    assert first == second
    assert len(world.line.effects) == before, "planning touched something"


@given(nodes=st.integers(1, 4), counts=st.lists(st.integers(0, 4), min_size=1, max_size=4), is_late=st.booleans())
def test_who_serves_stays_when_the_count_changes(nodes: int, counts: list[int], *, is_late: bool) -> None:
    serving: list[str] = []
    world = World(site(nodes=nodes))
    runner = Runner(world)
    for revision, count in enumerate(counts, start=1):
        blue = EnclaveShape(name="green" if is_late else "blue", count=count)
        world.trust(site(nodes=nodes, enclaves=[blue], revision=revision))
        runner.settle()
        before, serving = serving, members_of(world, blue.name)
        assert len(serving) == min(count, nodes)
        kept = set(before) & set(serving)
        assert len(kept) == min(len(before), len(serving)), f"{before} became {serving}"
    assert_settled(world)


@given(site_=busy_sites())
def test_two_worlds_of_the_same_commit_choose_the_same_nodes(site_: History) -> None:
    chosen = []
    for _ in range(2):
        world = World(site_.commits[0])
        Runner(world).settle()
        chosen.append(members_of(world, "blue"))
    assert chosen[0] == chosen[1]
