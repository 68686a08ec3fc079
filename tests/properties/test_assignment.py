"""Who serves whom: the same for the same facts, sticky, by priority, spread evenly, and at rest once it is reached."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.kinds import Enclave
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.assign import Assignments, assign_nodes
from reconciler.plan.standing import is_barred
from tests.support.claims import Claims, claims, moved
from tests.support.sites import EnclaveShape

SERVES = "serves already"


def _assign(found: Claims) -> Assignments:
    return assign_nodes(found.desired, found.heads)


def _barred(found: Claims) -> set[str]:
    return {name for name, node in found.desired.nodes.items() if is_barred(node, found.heads[name])}


def _fits(found: Claims, node: str, enclave: Enclave) -> bool:
    return enclave.spec.nodes.select.items() <= found.desired.nodes[node].metadata.labels.items()


def _served(head: Head | None) -> str | None:
    return head.enclave if head is not None and head.phase in {Phase.AIRLOCK, Phase.ENCLAVE} else None


def _counted(found: Claims) -> dict[str, Enclave]:
    """Return the enclaves that ask for a number, of which the inventory has some node that fits."""
    desired = found.desired
    return {
        name: enclave
        for name, enclave in desired.enclaves.items()
        if enclave.spec.nodes.count is not None
        and not enclave.spec.suspend
        and any(_fits(found, node, enclave) for node in desired.nodes)
    }


def _by_enclave(made: Assignments) -> Mapping[str, list[str]]:
    return {name: [choice.node for choice in decision.choices] for name, decision in made.decisions.items()}


@given(found=claims(), rng=st.randoms(use_true_random=False))
def test_the_order_in_which_facts_come_decides_nothing(found: Claims, rng: random.Random) -> None:
    desired = found.desired
    nodes, enclaves, heads = list(desired.nodes.items()), list(desired.enclaves.items()), list(found.heads.items())
    for facts in (nodes, enclaves, heads):
        rng.shuffle(facts)
    shuffled = replace(desired, nodes=dict(nodes), enclaves=dict(enclaves))
    assert repr(assign_nodes(shuffled, dict(heads))) == repr(_assign(found))


@given(found=claims())
def test_each_node_has_one_enclave_and_a_barred_one_has_none(found: Claims) -> None:
    made = _assign(found)
    given_nodes = [node for nodes in _by_enclave(made).values() for node in nodes]
    assert sorted(given_nodes) == sorted(made.enclave_of)
    assert len(given_nodes) == len(set(given_nodes))
    assert not _barred(found) & set(given_nodes)
    assert all(choice.why for decision in made.decisions.values() for choice in decision.choices)


@given(found=claims())
def test_nobody_gets_more_than_it_asks_for_or_what_does_not_fit(found: Claims) -> None:
    made = _assign(found)
    for name, enclave in _counted(found).items():
        nodes = _by_enclave(made)[name]
        assert len(nodes) <= (enclave.spec.nodes.count or 0)
        assert all(_fits(found, node, enclave) for node in nodes)
    for name, enclave in found.desired.enclaves.items():
        if enclave.spec.nodes.names:
            assert set(_by_enclave(made)[name]) == set(enclave.spec.nodes.names) - _barred(found)


@given(found=claims())
def test_who_serves_and_fits_stays_unless_it_is_one_too_many(found: Claims) -> None:
    made = _assign(found)
    named = {node for e in found.desired.enclaves.values() for node in e.spec.nodes.names or ()}
    excused = named | {preemption.node for preemption in made.preemptions} | _barred(found)
    for name, enclave in _counted(found).items():
        serving = [node for node, head in found.heads.items() if _served(head) == name]
        leaving = [
            n for n in serving if n not in excused and _fits(found, n, enclave) and made.enclave_of.get(n) != name
        ]
        if leaving:
            assert made.decisions[name].given == enclave.spec.nodes.count
            assert {choice.why for choice in made.decisions[name].choices} <= {SERVES}


@given(found=claims())
def test_a_lower_enclave_gets_nothing_new_that_a_higher_one_lacks(found: Claims) -> None:
    made = _assign(found)
    counted = _counted(found)
    for name, enclave in counted.items():
        if made.decisions[name].given == enclave.spec.nodes.count:
            continue
        for node in set(found.desired.nodes) - _barred(found):
            if not _fits(found, node, enclave) or made.enclave_of.get(node) == name:
                continue
            other = made.enclave_of.get(node)
            assert other is not None, f"{node} is left over, and {name} lacks one"
            is_new = _served(found.heads[node]) != other
            theirs = found.desired.enclaves[other].spec
            if is_new and theirs.nodes.names is None:
                assert (-theirs.priority, other) < (-enclave.spec.priority, name)


@given(found=claims())
def test_nodes_are_taken_only_from_lower_enclaves_that_allow_it(found: Claims) -> None:
    made = _assign(found)
    enclaves = found.desired.enclaves
    for each in made.preemptions:
        source, target = enclaves[each.source].spec, enclaves[each.target].spec
        assert _served(found.heads[each.node]) == each.source
        assert made.enclave_of[each.node] == each.target
        assert source.preemptible
        assert not source.suspend
        assert source.priority == each.source_priority < each.target_priority == target.priority
        assert target.nodes.count is not None
    assert len({each.node for each in made.preemptions}) == len(made.preemptions)


@given(found=claims())
def test_what_may_be_taken_is_taken_before_a_higher_enclave_goes_without(found: Claims) -> None:
    made = _assign(found)
    for name, enclave in _counted(found).items():
        rejected = [n for n in _barred(found) if (head := found.heads[n]) is not None and head.enclave == name]
        if made.decisions[name].given >= (enclave.spec.nodes.count or 0) - len(rejected):
            continue
        for other, theirs in _counted(found).items():
            if theirs.spec.preemptible and theirs.spec.priority < enclave.spec.priority:
                kept = [n for n in _by_enclave(made)[other] if _served(found.heads[n]) == other]
                assert not [node for node in kept if _fits(found, node, enclave)], f"{other} keeps what {name} lacks"


@given(found=claims())
def test_places_lost_to_rejections_are_not_filled_by_preemption(found: Claims) -> None:
    made = _assign(found)
    for name, count in Counter(each.target for each in made.preemptions).items():
        rejected = [n for n in _barred(found) if (head := found.heads[n]) is not None and head.enclave == name]
        wanted = found.desired.enclaves[name].spec.nodes.count or 0
        assert made.decisions[name].given <= wanted - len(rejected), f"{count} were taken for {name}"


@given(found=claims(), count=st.integers(0, 7))
def test_a_spread_is_as_even_as_who_serves_allows(found: Claims, count: int) -> None:
    alone = replace(found, enclaves=(EnclaveShape(name="blue", count=count, spread="rack"),))
    made = _assign(alone)
    racks = {name: node.metadata.labels.get("rack") for name, node in alone.desired.nodes.items()}
    numbers = Counter(racks[node] for node in made.enclave_of)
    unused = {n for n, h in alone.heads.items() if n not in made.enclave_of and (h is None or h.phase is Phase.FREE)}
    for choice in made.decisions["blue"].choices:
        if choice.why.startswith("spread: "):
            assert all(numbers[racks[choice.node]] - 1 <= numbers[racks[node]] for node in unused)
    serving = {n for n, head in alone.heads.items() if _served(head) == "blue"}
    assert len(serving & set(made.enclave_of)) == min(len(serving), count)


@given(found=claims())
def test_an_empty_selection_empties_nothing(found: Claims) -> None:
    made = _assign(found)
    named = {node for e in found.desired.enclaves.values() for node in e.spec.nodes.names or ()}
    taken = {each.node for each in made.preemptions}
    for name, enclave in found.desired.enclaves.items():
        nodes = enclave.spec.nodes
        has_match = nodes.count is not None and any(_fits(found, node, enclave) for node in found.desired.nodes)
        if nodes.names or nodes.count == 0 or has_match or enclave.spec.suspend:
            continue
        serving = {n for n, h in found.heads.items() if _served(h) == name} - named - taken - _barred(found)
        stays = serving & set(_by_enclave(made)[name])
        assert len(stays) == (len(serving) if nodes.count is None else min(len(serving), nodes.count))
        assert bool(made.decisions[name].notice) == bool(_by_enclave(made)[name])


@given(found=claims())
def test_a_suspended_enclave_keeps_who_serves_it_and_is_given_nobody(found: Claims) -> None:
    made = _assign(found)
    named = {node for e in found.desired.enclaves.values() for node in e.spec.nodes.names or ()}
    for name, enclave in found.desired.enclaves.items():
        if enclave.spec.suspend and not enclave.spec.nodes.names:
            serving = {n for n, head in found.heads.items() if _served(head) == name} - named - _barred(found)
            assert set(_by_enclave(made)[name]) == serving


@given(found=claims(), data=st.data())
def test_passes_come_to_rest_and_no_node_goes_to_and_fro(found: Claims, data: st.DataObject) -> None:
    desired, barred, heads = found.desired, _barred(found), dict(found.heads)
    for _ in range(
        data.draw(st.integers(0, 4))
    ):  # Some nodes are slower than others, or their devices fail for a while.
        made = assign_nodes(desired, heads)
        for node in data.draw(st.sets(st.sampled_from(sorted(heads)))):
            heads[node] = moved(node, heads[node], made, is_barred=node in barred)
    left: Counter[str] = Counter()
    for _ in range(8):
        made = assign_nodes(desired, heads)
        before, heads = heads, {n: moved(n, h, made, is_barred=n in barred) for n, h in heads.items()}
        left.update(n for n, head in before.items() if _served(head) and not _served(heads[n]))
        if heads == before:
            break
    else:
        raise AssertionError(f"no rest: {left}")
    assert all(times == 1 for times in left.values()), f"some left more than once: {left}"
    last = assign_nodes(desired, heads)
    assert not last.preemptions
    assert last.enclave_of == {n: enclave for n, h in heads.items() if (enclave := _served(h)) and n not in barred}
