"""Reconciling with a pinned plan: refused before anything is done if it is not that plan, finished if it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.daemon.loop import converge
from reconciler.daemon.pinned import PinnedPasses, load_pin
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.plan.pin import Pin, parse_pin, pinned_document
from tests.support.runner import Runner, assert_settled
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.unit.daemon.test_loop import BLUE, Theatre


def _pin(world: World) -> Pin:
    draft = Runner(world).draft()
    document = pinned_document(draft.plan, tree=draft.desired.tree)
    return parse_pin(json.loads(json.dumps(document)))


def _converge(world: World, pin: Pin) -> Theatre:
    theatre = Theatre(world=world)
    result = converge(replace(theatre.stage, permit=PinnedPasses(pin).permit), timeout_s=60)
    assert result.draft.plan.is_empty()
    return theatre


def _refused(world: World, pin: Pin) -> str:
    touched = len(world.line.effects)
    with pytest.raises(TrustError) as caught:
        _converge(world, pin)
    assert len(world.line.effects) == touched, "something was done"
    return caught.value.reason


def test_a_join_of_many_passes_is_finished_under_its_pin() -> None:
    world = World(BLUE)
    theatre = _converge(world, _pin(world))
    assert theatre.passes > 1
    assert_settled(world)


def test_another_commit_is_refused_and_nothing_is_touched() -> None:
    world = World(BLUE)
    pin = _pin(world)
    world.trust(site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)], revision=1))
    assert _refused(world, pin) == "PlanCommitMoved"


def test_a_merge_commit_of_the_same_tree_is_the_pinned_state() -> None:
    world = World(BLUE)
    pin = _pin(world)
    world.trust(replace(BLUE, commit="9" * 40))
    _converge(world, pin)
    assert_settled(world)


@pytest.mark.parametrize("misfortune", ["power-button", "trunk", "foreign-vlan"])
def test_a_site_that_moved_is_refused_and_nothing_is_touched(misfortune: str) -> None:
    world = World(BLUE)
    pin = _pin(world)
    world.befall(misfortune, node="n2")
    assert _refused(world, pin) == "PlanObservationMoved"


def test_a_finished_plan_is_not_done_twice() -> None:
    world = World(BLUE)
    pin = _pin(world)
    _converge(world, pin)
    assert _refused(world, pin) == "PlanObservationMoved"


def test_what_becomes_due_on_the_way_ends_the_work_before_it_is_done() -> None:
    world = World(BLUE)
    pin = _pin(world)
    theatre = Theatre(world=world)
    theatre.on_wait = lambda: world.befall("power-button", node="n2")
    with pytest.raises(TrustError) as caught:
        converge(replace(theatre.stage, permit=PinnedPasses(pin).permit), timeout_s=60)
    assert caught.value.reason == "PlanDiffers"
    assert "n2" in str(caught.value)


def test_a_file_is_read_and_anything_else_is_malformed(tmp_path: Path) -> None:
    world = World(BLUE)
    draft = Runner(world).draft()
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(pinned_document(draft.plan, tree=draft.desired.tree)))
    assert load_pin(path) == _pin(world)
    for content in (b"", b"[" * 100_000, b"{}", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            load_pin(path)
        assert caught.value.reason == "PlanMalformed"
    with pytest.raises(InputError) as caught:
        load_pin(tmp_path / "nothing")
    assert caught.value.reason == "PlanMalformed"


def test_a_pin_is_told_of_once_and_only_if_it_is_carried_out() -> None:
    world, told = World(BLUE), list[Pin]()
    pin = _pin(world)
    theatre = Theatre(world=world)
    converge(replace(theatre.stage, permit=PinnedPasses(pin, tell=told.append).permit), timeout_s=60)
    assert told == [pin]
    passes = PinnedPasses(pin, tell=told.append)
    with pytest.raises(TrustError):
        passes.permit(Runner(world).draft())
    assert told == [pin]
