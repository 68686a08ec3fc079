"""Priorities, spreads, empty selections and suspended enclaves; and what is said of each choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.assign import Assignments, assign_nodes
from reconciler.plan.decisions import passed_over
from reconciler.plan.standing import Group, Standings
from tests.support.claims import GONE, REJECTION, head_of, rejected_from, serving
from tests.support.sites import EnclaveShape, NodeShape, site

RACKS = [NodeShape(rack=rack) for rack in ("r1", "r1", "r1", "r2", "r2")] + [NodeShape()]


def _assign(
    enclaves: Sequence[EnclaveShape], *, nodes: int | Sequence[NodeShape] = 3, heads: Mapping[str, Head] | None = None
) -> Assignments:
    return assign_nodes(site(nodes=nodes, enclaves=enclaves), heads or {})


def _reasons(made: Assignments, enclave: str = "blue") -> dict[str, str]:
    return {choice.node: choice.why for choice in made.decisions[enclave].choices}


def test_the_higher_priority_is_served_first_and_the_name_decides_among_equals() -> None:
    shapes = [EnclaveShape(name=name, count=1, priority=p) for name, p in (("blue", 0), ("green", 5), ("red", 5))]
    assert _assign(shapes, nodes=2).enclave_of == {"n1": "green", "n2": "red"}


def test_a_named_node_belongs_to_the_enclave_that_names_it_whatever_the_priorities() -> None:
    shapes = [EnclaveShape(name="blue", count=1, priority=100), EnclaveShape(name="red", names=("n1",))]
    made = _assign(shapes, nodes=2, heads={"n1": serving("n1", "blue")})
    assert made.enclave_of == {"n1": "red", "n2": "blue"}
    assert made.preemptions == ()
    assert _reasons(made, "red") == {"n1": "named"}


def test_a_node_that_is_named_twice_or_unknown_is_told() -> None:
    shapes = [EnclaveShape(name="blue", names=("n1", "n9")), EnclaveShape(name="red", names=("n1",), priority=1)]
    made = _assign(shapes)
    assert made.enclave_of == {"n1": "red"}
    assert [(s.enclave, s.why) for s in made.shortfalls] == [
        ("blue", "node n1 is named by red as well"),
        ("blue", "node n9 is not in the inventory"),
    ]


def test_a_spread_takes_the_next_node_where_fewest_are() -> None:
    made = _assign([EnclaveShape(name="blue", count=4, spread="rack")], nodes=RACKS)
    assert _reasons(made) == {
        "n1": "spread: rack r1 has fewest",
        "n2": "spread: rack r1 has fewest",
        "n4": "spread: rack r2 has fewest",
        "n6": "spread: nodes without rack are fewest",
    }


def test_who_serves_is_not_moved_for_a_spread_but_counts_in_it() -> None:
    heads = {name: serving(name, "blue") for name in ("n1", "n2")}
    made = _assign([EnclaveShape(name="blue", count=4, spread="rack")], nodes=RACKS, heads=heads)
    assert sorted(made.enclave_of) == ["n1", "n2", "n4", "n6"]


def test_of_too_many_the_proven_and_the_evenly_spread_stay() -> None:
    heads = {name: serving(name, "blue") for name in ("n2", "n3", "n4")}
    heads["n1"] = serving("n1", "blue", Phase.AIRLOCK)
    spread = _assign([EnclaveShape(name="blue", count=2, spread="rack")], nodes=RACKS, heads=heads)
    assert sorted(spread.enclave_of) == ["n2", "n4"]
    plain = _assign([EnclaveShape(name="blue", count=3)], nodes=RACKS, heads=heads)
    assert sorted(plain.enclave_of) == ["n2", "n3", "n4"]
    assert set(_reasons(plain).values()) == {"serves already"}


def test_a_node_that_leaves_somebody_or_was_cleared_comes_after_free_ones() -> None:
    heads = {"n1": serving("n1", GONE), "n2": rejected_from("n2", "red")}
    nodes = [NodeShape(), NodeShape(cleared=REJECTION), NodeShape()]
    assert _reasons(_assign([EnclaveShape(name="blue", count=3)], nodes=nodes, heads=heads)) == {
        "n1": "purple does not need it any more",
        "n2": "a commit cleared its rejection",
        "n3": "first free by name",
    }


@pytest.mark.parametrize(
    ("blue", "notice"),
    [
        (
            EnclaveShape(name="blue", names=()),
            "its selection names no node, so its 2 members stay; to empty the enclave, write count: 0 instead of names",
        ),
        (
            EnclaveShape(name="blue", count=5, size="lrage"),
            (
                "no node of the inventory matches size=lrage, so its 2 members stay; correct select, or write"
                " count: 0 to empty the enclave"
            ),
        ),
        (
            EnclaveShape(name="blue", count=1, size="lrage"),
            (
                "no node of the inventory matches size=lrage, so its member stays; correct select, or write count: 0 to"
                " empty the enclave"
            ),
        ),
    ],
)
def test_an_empty_selection_empties_nothing(blue: EnclaveShape, notice: str) -> None:
    made = _assign([blue], heads={name: serving(name, "blue") for name in ("n2", "n3")})
    assert len(made.enclave_of) == (1 if blue.count == 1 else 2)
    assert made.decisions["blue"].notice == notice


def test_an_empty_selection_of_an_enclave_that_nobody_serves_is_an_ordinary_lack() -> None:
    made = _assign([EnclaveShape(name="blue", count=1, size="lrage")])
    assert (made.enclave_of, made.decisions["blue"].notice) == ({}, "")
    assert [s.why for s in made.shortfalls] == ["no node of the inventory matches size=lrage"]


def test_count_zero_says_that_an_enclave_is_to_be_empty() -> None:
    made = _assign([EnclaveShape(name="blue", count=0, size="lrage")], heads={"n1": serving("n1", "blue")})
    assert (made.enclave_of, made.decisions["blue"].notice) == ({}, "")


def test_nobody_stays_in_a_network_of_another_zone() -> None:
    desired = site(nodes=1, enclaves=[EnclaveShape(name="blue", count=1)])
    net = desired.networks["blue-net"]
    elsewhere = net.model_copy(update={"spec": net.spec.model_copy(update={"zone": "west"})})
    split = replace(desired, networks={**desired.networks, "blue-net": elsewhere})
    made = assign_nodes(split, {"n1": serving("n1", "blue")})
    assert made.enclave_of == {}
    assert [s.why for s in made.shortfalls] == ["no node of the inventory matches its zone"]
    standings = Standings.build(split, {})
    assert passed_over(split, standings, enclave_of={}, enclave="blue") == {"in another zone": 1}


def test_a_suspended_enclave_keeps_all_who_serve_it_and_is_given_nobody() -> None:
    heads = {name: serving(name, "blue") for name in ("n1", "n2")}
    fewer = _assign([EnclaveShape(name="blue", count=1, suspend=True)], heads=heads)
    assert fewer.enclave_of == {"n1": "blue", "n2": "blue"}
    more = _assign([EnclaveShape(name="blue", count=3, suspend=True)], heads=heads)
    assert more.enclave_of == {"n1": "blue", "n2": "blue"}
    assert [s.why for s in more.shortfalls] == ["it is suspended, so it is given nobody"]


def test_those_passed_over_are_counted_by_the_first_reason_that_holds() -> None:
    shapes = [
        EnclaveShape(name="blue", count=1, size="small", priority=10),
        EnclaveShape(name="green", count=1, priority=20),
        EnclaveShape(name="red", names=("n3",)),
    ]
    nodes = [NodeShape()] * 7 + [NodeShape(size="big")]
    heads = {"n1": serving("n1", "blue"), "n2": serving("n2", "green"), "n4": rejected_from("n4", "blue")}
    desired = site(nodes=nodes, enclaves=shapes)
    standings, made = Standings.build(desired, heads), assign_nodes(desired, heads)
    assert passed_over(desired, standings, enclave_of=made.enclave_of, enclave="blue") == {
        "free, and not needed": 3,
        "given to an enclave of higher priority": 1,
        "labels differ": 1,
        "named by another enclave": 1,
        "rejected, until a commit clears it": 1,
    }
    assert passed_over(desired, standings, enclave_of=made.enclave_of, enclave="red") == {}


@pytest.mark.parametrize(
    ("priority", "is_preemptible", "why"),
    [
        (10, True, "given to an enclave of the same priority"),
        (5, False, "given to an enclave of lower priority that allows no preemption"),
        (5, True, "given to an enclave of lower priority, and not needed"),
    ],
)
def test_a_node_of_an_equal_or_lower_enclave_is_passed_over(priority: int, why: str, *, is_preemptible: bool) -> None:
    shapes = [
        EnclaveShape(name="blue", count=1, priority=10),
        EnclaveShape(name="green", count=1, priority=priority, preemptible=is_preemptible),
    ]
    desired = site(nodes=2, enclaves=shapes)
    made, standings = assign_nodes(desired, {}), Standings.build(desired, {})
    assert passed_over(desired, standings, enclave_of=made.enclave_of, enclave="blue") == {why: 1}


def test_standings_follow_each_node_and_have_a_version() -> None:
    desired = site(nodes=[NodeShape(rack="r1"), NodeShape()], enclaves=[EnclaveShape(name="b", count=1, spread="rack")])
    standings = Standings.build(desired, {})
    first, none = Group(zone="east", values=("r1",)), Group(zone="east", values=(None,))
    assert standings.free == {first: ["n1"], none: ["n2"]}
    assert standings.matching("east", {}) == {first, none}
    version = standings.version
    standings.put("n1", desired.nodes["n1"], head_of("n1"))
    standings.drop("n9")
    assert standings.version == version, "nothing that matters has changed"
    standings.put("n1", desired.nodes["n1"], serving("n1", "b"))
    assert (standings.free[first], standings.serving["b"]) == ([], {"n1"})
    standings.put("n1", desired.nodes["n1"], rejected_from("n1", "b"))
    assert (standings.serving["b"], standings.rejected["b"]) == (set(), {"n1"})
    standings.drop("n1")
    assert standings.rejected["b"] == set()
    assert standings.matching("east", {}) == {none}
    standings.put("n3", desired.nodes["n2"], None)
    standings.drop("n2")
    assert standings.free[none] == ["n3"]
