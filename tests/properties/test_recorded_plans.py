"""Plans from a record, and pinned plans: the record hides nothing that a plan rests on, and a pin only holds back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value
from reconciler.execute.passes import Draft
from reconciler.model.observed import ObservedState
from reconciler.plan.fingerprint import fingerprint
from reconciler.plan.pin import changes_of, parse_pin, pinned_document
from reconciler.plan.planner import plan
from reconciler.plan.recorded import observed_from, parse_recorded, record_of
from tests.support.runner import Runner
from tests.support.world import World
from tests.support.world_line import Fault
from tests.support.worlds import History, Misfortune, faults, histories, misfortunes

_WAITS = st.lists(st.sampled_from((0, 5, 10, 40)), max_size=8)


def _remembered(draft: Draft) -> ObservedState:
    """Return what ``draft`` observed, through the bytes that are recorded."""
    content = canonical_value(record_of(draft.observed, desired=draft.desired))
    heads = {name: seen.head for name, seen in draft.observed.nodes.items() if seen.head} | dict(draft.observed.former)
    return observed_from(parse_recorded(content), desired=draft.desired, heads=heads)


@given(history=histories(), waits=_WAITS)
def test_a_plan_from_the_record_has_the_changes_of_the_live_one(history: History, waits: list[int]) -> None:
    """As long as every machine is honest and in time: what a session alone says is not on record."""
    world = World(history.commits[0])
    runner = Runner(world)
    for desired in history.commits:
        world.trust(desired)
        for wait in waits:
            runner.run()
            world.tick(wait)
        draft = runner.draft()
        seen = _remembered(draft)
        made = plan(draft.desired, observed=seen, verdicts={}, now=draft.observed.observed_at)
        assert changes_of(made) == changes_of(draft.plan)
        assert made.observation == draft.plan.observation
        assert made.drift == draft.plan.drift
        assert made.problems == draft.plan.problems


@given(
    history=histories(max_commits=1),
    waits=_WAITS,
    fault=st.none() | faults(),
    befallen=st.lists(misfortunes(), max_size=2),
)
def test_a_record_comes_back_as_the_same_facts(
    history: History, waits: list[int], fault: Fault | None, befallen: list[Misfortune]
) -> None:
    world = World(history.commits[0])
    world.line.faults += [fault] if fault else []
    runner = Runner(world)
    for wait in waits:
        runner.run()
        world.tick(wait)
    names = sorted(world.machines)
    for misfortune in befallen:
        world.befall(misfortune.what, node=names[misfortune.node % len(names)])
    world.line.faults.clear()
    draft = runner.draft()
    assert fingerprint(_remembered(draft)) == draft.plan.observation


@given(
    history=histories(max_commits=2),
    waits=_WAITS,
    befallen=st.lists(misfortunes(), max_size=2),
    passes=st.integers(1, 8),
)
def test_nothing_is_changed_under_a_pin_but_what_is_pinned(
    history: History, waits: list[int], befallen: list[Misfortune], passes: int
) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    for wait in waits:
        runner.run()
        world.tick(wait)
    first = runner.draft()
    pin = parse_pin(json.loads(json.dumps(pinned_document(first.plan, tree=first.desired.tree))))
    world.trust(history.commits[-1])
    names = sorted(world.machines)
    has_begun = False
    for number in range(passes):
        draft = runner.draft()
        try:
            (pin.check_next if has_begun else pin.check_first)(draft.plan, tree=draft.desired.tree)
        except TrustError:
            return
        has_begun = True
        assert draft.desired.tree == first.desired.tree
        assert changes_of(draft.plan).items() <= pin.changes.items()
        runner.run()
        world.tick(20)
        if number < len(befallen):
            world.befall(befallen[number].what, node=names[befallen[number].node % len(names)])
