"""What a plan means for people, and what another commit adds to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.execute.passes import Draft
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, PowerState
from reconciler.plan.planner import plan
from reconciler.plan.turns import NodeTurn, Turn, Turns, describe_vlan, difference, turns_of
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.stages import BLUE, BOOT_S, Stage, at_stage, verdicts_of
from tests.support.world import TRUNK
from tests.support.world_switch import access


def _turns(draft: Draft, *, desired: DesiredState | None = None) -> Turns:
    asked = replace(draft, desired=desired or draft.desired)
    seen = asked.observed
    made = plan(asked.desired, observed=seen, verdicts=verdicts_of(asked), now=seen.observed_at)
    return turns_of(made, desired=asked.desired, observed=seen)


def _only(draft: Draft, *, desired: DesiredState | None = None) -> NodeTurn:
    (found,) = _turns(draft, desired=desired).nodes.values()
    return found


def _asks(*shapes: EnclaveShape) -> DesiredState:
    return site(nodes=2, enclaves=shapes, revision=1)


def test_a_node_joins_from_the_pool() -> None:
    found = _only(at_stage(Stage.FRESH).draft())
    assert (found.node, found.turn, found.before, found.after) == ("n1", Turn.JOINS, None, "blue")
    assert (found.vlan_before, found.vlan_after, found.reboots, found.held) == ("999", 200, True, "")


def test_a_node_on_its_way_joins_still() -> None:
    found = _only(at_stage(Stage.BOOTING).draft())
    assert (found.turn, found.before, found.after, found.reboots) == (Turn.JOINS, "blue", "blue", False)


def test_a_node_on_its_way_that_has_arrived_is_not_mentioned() -> None:
    assert _turns(at_stage(Stage.MEMBER).draft()) == Turns(nodes={}, keys={})


def test_a_node_in_its_airlock_with_nothing_to_change_is_not_mentioned() -> None:
    draft = at_stage(Stage.BOOTING).draft()
    nodes = {**draft.observed.nodes, "n1": replace(draft.observed.nodes["n1"], power=PowerState.UNKNOWN)}
    assert _turns(replace(draft, observed=replace(draft.observed, nodes=nodes))).nodes == {}


def test_a_member_leaves_and_its_key_is_rotated() -> None:
    found = _turns(at_stage(Stage.MEMBER).draft(), desired=site(nodes=2, revision=1))
    turn = found.nodes["n1"]
    assert (turn.turn, turn.before, turn.after) == (Turn.LEAVES, "blue", None)
    assert (turn.vlan_before, turn.vlan_after, turn.reboots) == ("200", 999, False)
    key = found.keys["common"]
    assert (key.past, key.knew, key.gets) == (1, ("n1",), ())


def test_a_key_that_is_old_is_rotated_and_shuts_nobody_out() -> None:
    desired = site(nodes=2, enclaves=[BLUE], rotation="30d")
    draft = at_stage(Stage.MEMBER, desired=desired).draft()
    old = replace(draft.observed, key_made_at={"common": draft.observed.observed_at - timedelta(days=31)})
    made = plan(desired, observed=old, verdicts={}, now=old.observed_at)
    key = turns_of(made, desired=desired, observed=old).keys["common"]
    assert (key.past, key.knew, key.gets) == (1, ("n1",), ("n1",))
    assert key.aged == "it is 31 days old; its rotation is 30 days"


def test_a_member_that_another_enclave_wants_moves() -> None:
    found = _only(at_stage(Stage.MEMBER).draft(), desired=_asks(EnclaveShape(name="green", names=("n1",))))
    assert (found.turn, found.before, found.after, found.reboots) == (Turn.MOVES, "blue", "green", True)
    assert (found.vlan_before, found.vlan_after) == ("200", 201)


def test_a_member_with_another_image_restarts() -> None:
    found = _only(at_stage(Stage.MEMBER).draft(), desired=_asks(replace(BLUE, image="worker-2")))
    assert (found.turn, found.before, found.after, found.reboots) == (Turn.RESTARTS, "blue", "blue", True)


def test_a_member_that_lost_trust_is_expelled() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.world.tick(BOOT_S)
    found = _only(runner.draft())
    assert (found.turn, found.before, found.after, found.vlan_after) == (Turn.EXPELLED, "blue", None, 999)


def test_a_stranger_is_put_to_rest() -> None:
    runner = at_stage(Stage.FRESH, desired=site(nodes=1))
    runner.world.befall("power-button", node="n1")
    assert _only(runner.draft()).turn is Turn.RESTS


def test_what_holds_a_node_is_said() -> None:
    draft = at_stage(Stage.FRESH).draft()
    nodes = {**draft.observed.nodes, "n1": replace(draft.observed.nodes["n1"], ports={"eno1": UNKNOWN_PORT})}
    found = _only(replace(draft, observed=replace(draft.observed, nodes=nodes)))
    assert (found.turn, found.held) == (Turn.JOINS, "the state of its switch port is not known")
    assert found.vlan_before == "unknown"


def test_a_node_without_a_step_or_a_problem_is_told_all_the_same() -> None:
    draft = at_stage(Stage.FRESH).draft()
    empty = replace(draft.plan, actions=())
    found = turns_of(empty, desired=draft.desired, observed=draft.observed).nodes["n1"]
    assert found.held == "no step of this plan"


def test_a_former_node_knew_its_keys() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    desired = replace(site(nodes=2, revision=1), nodes={"n2": draft.desired.nodes["n2"]})
    head = draft.observed.nodes["n1"].head
    assert head is not None
    observed = replace(draft.observed, nodes={"n2": draft.observed.nodes["n2"]}, former={"n1": head})
    made = plan(desired, observed=observed, verdicts={}, now=observed.observed_at)
    assert turns_of(made, desired=desired, observed=observed).keys["common"].knew == ("n1",)


@pytest.mark.parametrize(
    ("state", "word"), [(access(7), "7"), (TRUNK, "a trunk"), (UNKNOWN_PORT, "unknown")], ids=lambda v: str(v)[:8]
)
def test_ports_in_a_word(state: object, word: str) -> None:
    assert describe_vlan(state) == word  # type: ignore[arg-type]


def test_a_difference_tells_the_change_from_what_is_pending() -> None:
    draft = at_stage(Stage.FRESH).draft()
    base = _turns(draft)
    head = _turns(draft, desired=_asks(BLUE, EnclaveShape(name="green", names=("n2",), keys=())))
    found = difference(base, head)
    assert set(found.new.nodes) == {"n2"}
    assert set(found.pending.nodes) == {"n1"}
    assert found.dropped == Turns(nodes={}, keys={})
    assert not found.is_empty()
    back = difference(head, base)
    assert (set(back.new.nodes), set(back.dropped.nodes)) == (set(), {"n2"})
    assert not back.is_empty()
    assert difference(base, base).is_empty()
