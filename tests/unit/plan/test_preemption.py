"""Who has to give a node up, in which order, and for what no node is taken."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.assign import Assignments, assign_nodes
from tests.support.claims import head_of, rejected_from, serving
from tests.support.sites import EnclaveShape, NodeShape, site

BLUE = EnclaveShape(name="blue", count=1, priority=100)
GREEN = EnclaveShape(name="green", count=1, priority=10, preemptible=True)
RED = EnclaveShape(name="red", count=1, priority=5, preemptible=True)


def _assign(*enclaves: EnclaveShape, heads: Mapping[str, Head | None], nodes: int = 2) -> Assignments:
    return assign_nodes(site(nodes=nodes, enclaves=enclaves), heads)


def _taken(made: Assignments) -> list[str]:
    return [f"{each.node} {each.source} {each.target}" for each in made.preemptions]


def test_the_lowest_priority_gives_first() -> None:
    made = _assign(BLUE, GREEN, RED, heads={"n1": serving("n1", "green"), "n2": serving("n2", "red")})
    assert _taken(made) == ["n2 red blue"]
    assert made.enclave_of == {"n1": "green", "n2": "blue"}
    assert [(c.node, c.why) for c in made.decisions["blue"].choices] == [("n2", "taken from red")]
    assert made.preemptions[0].to_json() == {
        "node": "n2",
        "from": "red",
        "fromPriority": 5,
        "to": "blue",
        "toPriority": 100,
    }
    assert str(made.preemptions[0]) == "n2 is taken from red (priority 5) for blue (priority 100)"


def test_whoever_only_joins_gives_before_a_member() -> None:
    green = EnclaveShape(name="green", count=2, priority=10, preemptible=True)
    made = _assign(BLUE, green, heads={"n1": serving("n1", "green"), "n2": serving("n2", "green", Phase.AIRLOCK)})
    assert _taken(made) == ["n2 green blue"]


def test_a_free_node_is_taken_before_anybody_has_to_give_one_up() -> None:
    made = _assign(BLUE, GREEN, heads={"n1": serving("n1", "green")})
    assert _taken(made) == []
    assert made.enclave_of == {"n1": "green", "n2": "blue"}


def test_nothing_is_taken_from_equals_or_from_enclaves_that_do_not_allow_it() -> None:
    heads = {"n1": serving("n1", "green")}
    for other in (
        EnclaveShape(name="green", count=1, priority=100, preemptible=True),
        EnclaveShape(name="green", count=1, priority=10),
        EnclaveShape(name="green", count=1, priority=10, preemptible=True, suspend=True),
        EnclaveShape(name="green", names=("n1",), priority=10, preemptible=True),
    ):
        made = _assign(BLUE, other, heads=heads, nodes=1)
        assert (_taken(made), made.enclave_of) == ([], {"n1": "green"}), other


def test_several_enclaves_can_take_from_one_until_it_has_nothing_left() -> None:
    green = EnclaveShape(name="green", count=2, priority=10, preemptible=True)
    red = EnclaveShape(name="red", count=2, priority=20)
    made = _assign(BLUE, green, red, heads={n: serving(n, "green") for n in ("n1", "n2")})
    assert _taken(made) == ["n1 green blue", "n2 green red"]
    assert [(s.enclave, s.given) for s in made.shortfalls] == [("red", 1), ("green", 0)]


def test_an_enclave_that_gave_keeps_the_one_that_was_too_many() -> None:
    heads = {"n1": serving("n1", "green"), "n2": serving("n2", "green", Phase.AIRLOCK)}
    nodes = [NodeShape(size="big"), NodeShape()]
    blue = EnclaveShape(name="blue", count=1, size="big", priority=100)
    made = assign_nodes(site(nodes=nodes, enclaves=[blue, GREEN]), heads)
    assert _taken(made) == ["n1 green blue"]
    assert [(c.node, c.why) for c in made.decisions["green"].choices] == [("n2", "serves already")]


def test_a_place_lost_to_a_rejection_is_not_filled_by_preemption() -> None:
    heads = {"n1": rejected_from("n1", "blue"), "n2": serving("n2", "green")}
    made = _assign(BLUE, GREEN, heads=heads)
    assert _taken(made) == []
    assert [(s.enclave, s.why) for s in made.shortfalls] == [
        ("blue", "no other free node matches; a place lost to a rejection is not filled by preemption")
    ]
    assert _assign(BLUE, GREEN, heads=heads, nodes=3).enclave_of == {"n2": "green", "n3": "blue"}


def test_a_node_is_taken_to_keep_a_spread_even() -> None:
    nodes = [NodeShape(rack="r1"), NodeShape(rack="r1"), NodeShape(rack="r2")]
    blue = EnclaveShape(name="blue", count=2, priority=100, spread="rack")
    green = EnclaveShape(name="green", count=2, preemptible=True)
    heads = {"n1": serving("n1", "blue"), "n2": serving("n2", "green"), "n3": serving("n3", "green")}
    assert _taken(assign_nodes(site(nodes=nodes, enclaves=[blue, green]), heads)) == ["n3 green blue"]


def test_an_enclave_takes_nothing_that_does_not_fit() -> None:
    blue = EnclaveShape(name="blue", count=1, size="big", priority=100)
    made = assign_nodes(
        site(nodes=[NodeShape(size="big"), NodeShape()], enclaves=[blue, GREEN]),
        {"n1": head_of("n1", phase=Phase.ENCLAVE, enclave="blue"), "n2": serving("n2", "green")},
    )
    assert (_taken(made), made.enclave_of) == ([], {"n1": "blue", "n2": "green"})


def test_an_empty_selection_that_gave_a_node_keeps_another_that_served_it_and_says_so() -> None:
    nodes = [NodeShape(size="big"), NodeShape()]
    blue = EnclaveShape(name="blue", count=1, size="big", priority=100)
    green = EnclaveShape(name="green", count=1, size="huge", preemptible=True)
    heads = {"n1": serving("n1", "green"), "n2": serving("n2", "green")}
    made = assign_nodes(site(nodes=nodes, enclaves=[blue, green]), heads)
    assert made.enclave_of == {"n1": "blue", "n2": "green"}
    assert made.decisions["green"].notice.startswith("no node of the inventory matches size=huge, so its member stays")
