"""The memory of a loop: what wakes a node that rests, and that a plan that failed leaves nothing behind."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.attest.verdict import Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, ObservedState, PowerState
from reconciler.model.phase import Phase
from reconciler.plan import planner
from reconciler.plan.changes import changed_keys
from reconciler.plan.fingerprint import Fingerprints, fingerprint
from reconciler.plan.memory import PlanMemory
from reconciler.plan.plan import Plan
from tests.support.claims import rejected_from
from tests.support.runner import Runner
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.stages import BLUE, Stage, at_stage, verdicts_of
from tests.support.world import World
from tests.support.world_switch import access


def _plan(memory: PlanMemory, desired: DesiredState, observed: ObservedState, **verdicts: Verdict) -> Plan:
    """Return the plan from memory, which must be the plan without one."""
    args: dict[str, Any] = {"observed": observed, "verdicts": verdicts, "now": observed.observed_at}
    made = planner.plan(desired, **args, memory=memory)
    assert json.dumps(made.to_json()) == json.dumps(planner.plan(desired, **args).to_json())
    return made


def _resting(memory: PlanMemory) -> set[str]:
    return set(memory.resting.names)


def test_nodes_that_nobody_wants_rest_until_something_about_them_is_new() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    desired, observed, memory = draft.desired, draft.observed, PlanMemory()
    _plan(memory, desired, observed)
    assert (_resting(memory), memory.astir()) == ({"n2"}, []), "n1 serves quietly"
    dark = replace(observed.nodes["n2"], power=PowerState.UNKNOWN)
    made = _plan(memory, desired, replace(observed, nodes={**observed.nodes, "n2": dark}))
    assert [p.message for p in made.problems] == ["its power state is not known"]
    assert _resting(memory) == {"n2"}, "nothing is to be done about it, and time changes nothing"
    assert _plan(memory, desired, observed).problems == ()
    asked = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)], revision=1)
    assert "power-on/n2" in [action.id for action in _plan(memory, asked, observed).actions]
    assert (_resting(memory), memory.astir()) == (set(), ["n2"])
    _plan(memory, desired, observed)
    assert _resting(memory) == {"n2"}


def test_a_verdict_wakes_a_node() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    verdict = verdicts_of(draft)["n1"]
    memory = PlanMemory()
    _plan(memory, draft.desired, draft.observed)
    _plan(memory, draft.desired, draft.observed, n2=verdict)
    assert memory.astir() == ["n2"]


def test_what_is_said_of_nodes_that_rest_is_said_in_every_plan() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    observed = draft.observed
    lost = replace(observed.nodes["n2"], head=rejected_from("n2", "blue").model_copy(update={"keys": {"common": 1}}))
    observed = replace(observed, nodes={**observed.nodes, "n2": lost})
    memory = PlanMemory()
    for _ in range(2):
        made = _plan(memory, draft.desired, observed)
        assert [(a.id, a.why) for a in made.actions if a.verb == "rotate-key"] == [
            ("rotate-key/common", "n1, n2 knew it")
        ]
        assert _resting(memory) == {"n2"}
    dark = replace(lost, power=PowerState.UNKNOWN, head=lost.head and lost.head.model_copy(update={"rejection": None}))
    returned = replace(observed, nodes={**observed.nodes, "n2": dark})
    assert [d.subject for d in _plan(memory, draft.desired, returned).drift] == ["node/n2"]
    free = rejected_from("n2", "blue").model_copy(update={"phase": Phase.FREE, "rejection": None})
    odd = replace(observed, nodes={**observed.nodes, "n2": replace(dark, head=free)})
    for _ in range(2):
        made = _plan(memory, draft.desired, odd)
        assert [d.found for d in made.drift] == ["power unknown, eno1 access 999"]
        assert _resting(memory) == {"n2"}


def test_nodes_that_come_and_go_are_followed() -> None:
    memory = PlanMemory()
    for count in (2, 3, 1, 2):
        draft = at_stage(Stage.FRESH, desired=site(nodes=count, enclaves=[BLUE])).draft()
        _plan(memory, draft.desired, draft.observed)
        assert _resting(memory) == {f"n{index}" for index in range(2, count + 1)}


def test_a_node_that_is_in_the_inventory_and_was_not_observed_is_left_alone() -> None:
    draft = at_stage(Stage.FRESH).draft()
    memory = PlanMemory()
    _plan(memory, site(nodes=3, enclaves=[EnclaveShape(name="blue", count=3)]), draft.observed)
    assert memory.astir() == ["n1", "n2"]


def test_another_zone_wakes_everybody_and_another_label_is_asked_about() -> None:
    draft = at_stage(Stage.FRESH, desired=site(nodes=[NodeShape(rack="r1"), NodeShape(rack="r2")])).draft()
    desired, memory = draft.desired, PlanMemory()
    assert _plan(memory, desired, draft.observed).is_empty()
    zone = desired.zones["east"]
    moved = zone.model_copy(update={"spec": zone.spec.model_copy(update={"parking_vlan": 998})})
    parked = [a.id for a in _plan(memory, replace(desired, zones={"east": moved}), draft.observed).actions]
    assert parked[:2] == ["park/n1", "park/n2"]
    assert len(parked) == 5, "spare ports are parked elsewhere as well"
    assert _plan(memory, desired, draft.observed).is_empty()
    spread = site(
        nodes=[NodeShape(rack="r1"), NodeShape(rack="r2")], enclaves=[EnclaveShape(name="blue", count=2, spread="rack")]
    )
    assert _plan(memory, spread, draft.observed).actions


def test_spare_ports_are_looked_at_again_when_they_or_their_switches_change() -> None:
    draft = at_stage(Stage.FRESH, desired=site(nodes=1)).draft()
    desired, observed, memory = draft.desired, draft.observed, PlanMemory()
    assert _plan(memory, desired, observed).is_empty()
    spoilt = replace(observed, spare_ports={**observed.spare_ports, ("tor-1", "swp2"): UNKNOWN_PORT})
    assert [a.id for a in _plan(memory, desired, spoilt).actions] == ["park/tor-1:swp2"]
    assert _plan(memory, desired, observed).is_empty()
    switch = desired.switches["tor-1"].model_copy()
    west = desired.zones["east"].model_copy()
    other = replace(desired, switches={"tor-1": switch})
    assert _plan(memory, other, observed).is_empty()
    assert _plan(memory, replace(other, zones={"east": west}), observed).is_empty()


def test_a_plan_that_failed_leaves_nothing_behind() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    desired, observed, memory = draft.desired, draft.observed, PlanMemory()
    _plan(memory, desired, observed)
    assert _resting(memory) == {"n2"}
    broken = replace(observed, spare_ports={("tor-1", "swp2"): access(1), ("tor-9", "swp1"): access(1)})
    with pytest.raises(KeyError):
        planner.plan(desired, observed=broken, verdicts={}, now=observed.observed_at, memory=memory)
    _plan(memory, desired, observed)
    assert _resting(memory) == {"n2"}


def test_changes_are_told_by_identity() -> None:
    one, two, three = object(), object(), object()
    same = {"a": one, "b": two}
    assert changed_keys(same, same) == set()
    assert changed_keys(same, dict(same)) == set()
    assert changed_keys(same, {"b": two, "a": one}) == set()
    assert changed_keys(same, {"a": one, "b": three}) == {"b"}
    assert changed_keys(same, {"b": one, "a": one}) == {"b"}
    assert changed_keys(same, {"a": one, "c": two}) == {"b", "c"}
    assert changed_keys(same, {"a": one}) == {"b"}
    assert changed_keys({}, same) == {"a", "b"}


def test_equal_observations_have_equal_fingerprints_in_every_process() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    seen = draft.observed.nodes["n1"]
    assert seen.head is not None
    stored = type(seen.head).model_validate_json(seen.head.model_dump_json())
    assert repr(stored) != repr(seen.head), "times that are read back have another repr"
    again = replace(draft.observed, nodes={**draft.observed.nodes, "n1": replace(seen, head=stored)})
    turned = replace(again, nodes=dict(reversed(list(again.nodes.items()))))
    assert fingerprint(draft.observed) == fingerprint(again) == fingerprint(turned)
    for changes, is_equal in (({"keys": {"common": 2}}, False), ({"nonce": "00"}, True)):
        other = replace(seen, head=seen.head.model_copy(update=changes))
        changed = replace(draft.observed, nodes={**draft.observed.nodes, "n1": other})
        assert (fingerprint(changed) == fingerprint(draft.observed)) is is_equal
    spare = replace(draft.observed, spare_ports={})
    versions = replace(draft.observed, key_versions={"common": 9})
    former = replace(draft.observed, former={"n9": seen.head})
    assert len({fingerprint(each) for each in (draft.observed, spare, versions, former)}) == 4


def test_a_kept_fingerprint_is_the_one_of_a_fresh_process() -> None:
    observed = at_stage(Stage.FRESH).draft().observed
    kept = Fingerprints()
    kept.note(observed.nodes, changed=set(observed.nodes))
    assert kept.of(observed) == kept.of(observed) == fingerprint(observed)
    fewer = replace(observed, nodes={"n1": observed.nodes["n1"]})
    kept.note(fewer.nodes, changed={"n2", "n9"})
    assert kept.of(fewer) == fingerprint(fewer)
    kept.note(fewer.nodes, changed=())
    assert kept.of(fewer) == fingerprint(fewer)


def test_a_spare_port_that_is_fought_over_is_thought_through_each_time() -> None:
    draft = Runner(World(site(nodes=1, fights=1))).draft()
    now, memory = draft.observed.observed_at, PlanMemory()
    drifted = replace(draft.observed, spare_ports={("tor-1", "swp3"): access(4000)})
    fought = replace(drifted, bouts={"port/tor-1:swp3": (now,)})

    def actions(observed: ObservedState, *, later: timedelta = timedelta(0)) -> list[str]:
        made = planner.plan(draft.desired, observed=observed, verdicts={}, now=now + later, memory=memory)
        return [action.id for action in made.actions]

    assert actions(drifted) == ["park/tor-1:swp3"]
    assert actions(fought) == []
    assert actions(fought, later=timedelta(hours=1)) == ["park/tor-1:swp3"]
    assert actions(drifted) == ["park/tor-1:swp3"]
