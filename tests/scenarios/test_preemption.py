"""Reclaim by priority: one commit takes nodes from a lower enclave; each leaves, in full, before it joins elsewhere."""

from __future__ import annotations

from itertools import pairwise

from reconciler.model.desired import DesiredState
from reconciler.plan.actions import Action
from tests.support.runner import Runner, assert_settled, members_of
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.world import World

LEAVE = ["power-off/n1", "park/n1", "withdraw/n1", "return-to-pool/n1"]


def _reclaim(*, blue: int = 1, revision: int = 1, green: int = 2) -> DesiredState:
    return site(
        nodes=2,
        enclaves=[
            EnclaveShape(name="blue", count=blue, priority=100, keys=("overlay",)),
            EnclaveShape(name="green", count=green, priority=10, preemptible=True, keys=("common",)),
        ],
        revision=revision,
    )


def _before(action: Action) -> tuple[str, ...]:
    return (*action.after, *action.follows)


def test_a_node_that_is_taken_leaves_in_full_before_it_joins() -> None:
    world = World(_reclaim(blue=0, revision=0))
    runner = Runner(world)
    runner.settle()
    assert members_of(world, "green") == ["n1", "n2"]
    world.trust(_reclaim())
    made = runner.run().plan
    assert made is not None
    assert [str(each) for each in made.preemptions] == ["n1 is taken from green (priority 10) for blue (priority 100)"]
    assert made.to_json()["preemptions"] == [
        {"node": "n1", "from": "green", "fromPriority": 10, "to": "blue", "toPriority": 100}
    ]
    own = [action for action in made.actions if action.subject == "n1"]
    assert [action.id for action in own] == LEAVE, "the pass in which it leaves starts nothing for the new enclave"
    assert all(before.id in _before(action) for before, action in pairwise(own))
    assert own[0].why == "it leaves enclave green for blue"
    assert "rotate-key/common" in _before(own[-1]), "who stays behind has new keys before it is free"
    following = runner.run().plan
    assert following is not None
    assert not following.preemptions
    assert [action.id for action in following.actions if action.subject == "n1"][:2] == [
        "enter-airlock/n1",
        "assign-image/n1",
    ]
    runner.settle()
    assert (members_of(world, "blue"), members_of(world, "green")) == (["n1"], ["n2"])
    assert_settled(world)


def test_what_was_taken_goes_back_when_it_is_needed_no_more() -> None:
    world = World(_reclaim(blue=2))
    runner = Runner(world)
    runner.settle()
    assert members_of(world, "blue") == ["n1", "n2"]
    world.trust(_reclaim(blue=1, revision=2))
    runner.settle()
    assert (members_of(world, "blue"), members_of(world, "green")) == (["n1"], ["n2"])


def test_a_typing_error_in_a_selection_empties_nothing_and_is_told() -> None:
    shapes = [NodeShape(size="large")] * 2
    world = World(site(nodes=shapes, enclaves=[EnclaveShape(name="blue", count=2, size="large")]))
    runner = Runner(world)
    runner.settle()
    for revision, blue in enumerate(
        (EnclaveShape(name="blue", count=2, size="lrage"), EnclaveShape(name="blue", names=())), start=1
    ):
        world.trust(site(nodes=shapes, enclaves=[blue], revision=revision))
        last = runner.settle()
        assert members_of(world, "blue") == ["n1", "n2"]
        assert last.plan is not None
        assert [problem.subject for problem in last.plan.problems] == ["enclave/blue"]
        assert "2 members stay" in last.plan.problems[0].message
        assert "count: 0" in last.plan.problems[0].message
    world.trust(site(nodes=shapes, enclaves=[EnclaveShape(name="blue", count=0)], revision=3))
    runner.settle()
    assert members_of(world, "blue") == []
    assert_settled(world)
