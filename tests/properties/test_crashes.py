"""A crash is boring: die between any two effects, come back, converge, and no gate was ever broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import DesiredState
from tests.support.runner import Runner, assert_nobody_is_rejected, assert_settled
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.worlds import History, histories

_NODES = (NodeShape(interfaces=2), NodeShape())
_JOIN = [EnclaveShape(name="blue", count=1, keys=("common", "disk"))]
_BOTH = [EnclaveShape(name="blue", count=2, keys=("common", "disk"))]
_MOVED = [EnclaveShape(name="green", names=("n1",), keys=("common",))]


def _live_through(world: World, stories: list[DesiredState], *, crash_at: int | None) -> int:
    """Go through every commit; die at point number ``crash_at`` of the whole story. Return the points passed."""
    runner, passed = Runner(world), 0
    for desired in stories:
        world.trust(desired)
        for _ in range(6):
            left = None if crash_at is None or crash_at <= passed else crash_at - passed
            runner.run(crash_at=left)
            passed += world.line.points
            world.tick(20)
    return passed


def _story(malice: Malice = Malice.NONE) -> tuple[World, list[DesiredState]]:
    world = World(site(nodes=_NODES))
    world.machines["n2"].malice = malice
    commits = [_JOIN, _BOTH, _MOVED, []]
    return world, [site(nodes=_NODES, enclaves=e, revision=number) for number, e in enumerate(commits, start=1)]


@pytest.mark.parametrize("malice", [Malice.NONE, Malice.TAMPERED, Malice.MUTE])
def test_death_at_every_single_point_of_a_long_story_is_boring(malice: Malice) -> None:
    points = _live_through(*_story(malice), crash_at=None)
    assert points > 60
    for crash_at in range(1, points + 1):
        world, commits = _story(malice)
        _live_through(world, commits, crash_at=crash_at)
        Runner(world).settle()
        assert_settled(world)
        assert malice is not Malice.NONE or world.monitor.track("n2").phase == "FREE"


@given(history=histories(max_nodes=3), deaths=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_dying_again_and_again_only_delays(history: History, deaths: list[int]) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    for index, crash_at in enumerate(deaths):
        world.trust(history.commits[index % len(history.commits)])
        runner.run(crash_at=crash_at)
        world.tick(15)
    world.trust(history.commits[-1])
    runner.settle()
    assert_settled(world)
    assert_nobody_is_rejected(world)


@given(history=histories(max_nodes=3), seed=st.data())
def test_what_a_member_does_while_the_reconciler_is_away_does_not_matter(history: History, seed: st.DataObject) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    runner.settle()
    for desired in history.commits:
        world.trust(desired)
        runner.run(crash_at=seed.draw(st.integers(1, 60), label="crash at"))
        world.tick(seed.draw(st.sampled_from((0, 60, 3600)), label="away for"))
    runner.settle()
    assert_settled(world)
    assert_nobody_is_rejected(world)
