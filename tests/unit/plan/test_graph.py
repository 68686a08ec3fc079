"""The plan as a graph: a stable order that keeps every edge, and refusals of what is no plan."""

from __future__ import annotations

import pytest

from reconciler.errors.taxonomy import InvariantError
from reconciler.plan.actions import ACTIONS, Action, PowerOff, PowerOn, Withdraw
from reconciler.plan.graph import in_order, to_graph, to_mermaid


def _off(node: str, *, after: tuple[str, ...] = (), follows: tuple[str, ...] = ()) -> Action:
    return PowerOff(subject=node, why="test", after=after, follows=follows)


def test_what_waits_comes_later_and_all_else_keeps_its_place() -> None:
    first = _off("n1", after=("power-off/n3",))
    actions = in_order([first, _off("n2", follows=("power-off/n1",)), _off("n3"), _off("n4")])
    assert [action.subject for action in actions] == ["n3", "n4", "n1", "n2"]


def test_an_empty_plan_is_in_order() -> None:
    assert in_order([]) == ()


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([_off("n1"), _off("n1")], "stands twice"),
        ([_off("n1", after=("power-off/n9",))], "waits for power-off/n9, which is not in the plan"),
        ([_off("n1", follows=("power-off/n9",))], "waits for power-off/n9, which is not in the plan"),
        ([_off("n1", after=("power-off/n2",)), _off("n2", follows=("power-off/n1",))], "in a circle"),
        ([_off("n1", after=("power-off/n1",))], "in a circle"),
    ],
    ids=["twice", "stray-after", "stray-follows", "circle", "waits-for-itself"],
)
def test_what_is_no_plan_is_a_bug(actions: list[Action], message: str) -> None:
    with pytest.raises(InvariantError, match=message) as caught:
        in_order(actions)
    assert caught.value.reason == "PlanBroken"


def test_hard_edges_are_told_from_soft_ones() -> None:
    graph = to_graph([_off("n1"), _off("n2", after=("power-off/n1",)), _off("n3", follows=("power-off/n1",))])
    assert graph.edges["power-off/n1", "power-off/n2"]["hard"]
    assert not graph.edges["power-off/n1", "power-off/n3"]["hard"]


def test_the_picture_leaves_out_what_other_edges_imply() -> None:
    chain = [
        _off("n1"),
        Withdraw(subject="n1", why="test", after=("power-off/n1",)),
        PowerOn(subject="n1", why="test", after=("withdraw/n1", "power-off/n1")),
    ]
    assert to_mermaid(chain).splitlines() == [
        "flowchart LR",
        '    a0["power-off n1"]',
        '    a1["withdraw n1"]',
        '    a2["power-on n1"]',
        "    a0 --> a1",
        "    a1 --> a2",
    ]


def test_every_verb_is_its_own() -> None:
    assert all(ACTIONS[verb].verb == verb for verb in ACTIONS)
    assert len(ACTIONS) == 15
