"""Whole plans: what is wanted of each stage, what binds nodes together, and that equal input gives equal bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.execute.passes import Draft
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, PowerState
from reconciler.model.phase import Phase
from reconciler.plan.actions import Action, RecordEvidence, ReleaseKeys
from reconciler.plan.fingerprint import fingerprint
from reconciler.plan.plan import Plan
from reconciler.plan.planner import plan
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.stages import BLUE, BOOT_S, Stage, at_stage, verdicts_of, with_head
from tests.support.world_switch import access

PROOF = ["record-evidence/n1", "release-keys/n1", "admit/n1", "confirm/n1"]


def _ids(made: Plan) -> list[str]:
    return [action.id for action in made.actions]


def _by_id(made: Plan) -> dict[str, Action]:
    return {action.id: action for action in made.actions}


def _plan(draft: Draft, *, desired: DesiredState | None = None) -> Plan:
    asked = replace(draft, desired=desired or draft.desired)
    return plan(asked.desired, observed=asked.observed, verdicts=verdicts_of(asked), now=asked.observed.observed_at)


@pytest.mark.parametrize(
    ("stage", "ids"),
    [
        (Stage.FRESH, ["enter-airlock/n1", "assign-image/n1", "power-on/n1", "attest/n1", *PROOF]),
        (Stage.BOOTING, ["attest/n1", *PROOF]),
        (Stage.PROVEN, PROOF),
        (Stage.KEYED, PROOF[2:]),
        (Stage.ADMITTED, PROOF[3:]),
        (Stage.MEMBER, []),
    ],
)
def test_what_is_left_to_do(stage: Stage, ids: list[str]) -> None:
    made = at_stage(stage).draft().plan
    assert _ids(made) == ids
    assert made.is_empty() == (not ids)
    for before, action in zip(made.actions, made.actions[1:], strict=False):
        assert action.after == (before.id,)


def test_a_member_that_nobody_asks_for_leaves_and_its_keys_are_rotated_before_it_is_free() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    made = _plan(draft, desired=site(nodes=2, revision=1))
    assert sorted(_ids(made)) == ["park/n1", "power-off/n1", "return-to-pool/n1", "rotate-key/common", "withdraw/n1"]
    assert _ids(made)[-1] == "return-to-pool/n1"
    actions = _by_id(made)
    assert actions["park/n1"].after == ("power-off/n1",)
    assert actions["return-to-pool/n1"].after == ("withdraw/n1", "rotate-key/common")
    assert actions["power-off/n1"].why == "enclave blue no longer asks for it"


def test_a_node_that_lost_trust_is_parked_first_and_each_step_goes_on_without_the_one_before() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.world.tick(BOOT_S)
    made = runner.draft().plan
    actions = _by_id(made)
    assert _ids(made)[0] == "park/n1"
    assert actions["rotate-key/common"].follows == ("park/n1",)
    assert set(actions["power-off/n1"].follows) == {"park/n1", "rotate-key/common"}
    assert actions["record-rejection/n1"].follows == ("power-off/n1",)
    assert actions["withdraw/n1"].after == ("record-rejection/n1",)
    assert all(not a.after for id_, a in actions.items() if id_.endswith("/n1") and id_ != "withdraw/n1")


def test_a_rejected_node_that_turns_up_again_is_put_down_without_a_second_record() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.world.tick(BOOT_S)
    runner.run()
    runner.world.befall("power-button", node="n1")
    runner.world.befall("trunk", node="n1")
    made = runner.draft().plan
    assert [id_ for id_ in _ids(made) if id_.endswith("/n1")] == ["park/n1", "power-off/n1"]
    assert made.actions[0].why == "an earlier rejection stands"
    assert [drift.expected for drift in made.drift] == ["off, parked, served nothing"]


def test_a_rotated_key_is_given_again_only_after_the_rotation() -> None:
    desired = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)])
    runner = at_stage(Stage.MEMBER, desired=desired)
    runner.settle()
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.world.tick(BOOT_S)
    actions = _by_id(runner.draft().plan)
    record, release = actions["record-evidence/n2"], actions["release-keys/n2"]
    assert isinstance(record, RecordEvidence)
    assert isinstance(release, ReleaseKeys)
    assert record.keys == release.keys == ("common",)
    assert "rotate-key/common" in record.after
    assert "rotate-key/common" in release.after


def test_a_member_with_an_outdated_key_is_asked_for_new_evidence() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.custodian.rotate("common", past=1)
    made = runner.draft().plan
    assert _ids(made) == ["attest/n1", "record-evidence/n1", "release-keys/n1"]
    assert made.actions[0].why == "common was rotated"


def test_an_answer_that_got_lost_is_given_again() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.tick(BOOT_S)
    runner.run()
    draft = runner.draft()
    seen = draft.observed.nodes["n1"]
    assert seen.session is not None
    lost = replace(seen, session=replace(seen.session, answered=None))
    observed = replace(draft.observed, nodes={**draft.observed.nodes, "n1": lost})
    made = plan(draft.desired, observed=observed, verdicts=verdicts_of(draft), now=observed.observed_at)
    assert _ids(made) == ["release-keys/n1"]
    assert made.actions[0].why == "it has not been answered yet"


def test_evidence_for_an_older_commit_is_asked_for_again() -> None:
    draft = at_stage(Stage.PROVEN).draft()
    made = _plan(draft, desired=site(nodes=2, enclaves=[BLUE], revision=1))
    assert _ids(made)[:2] == ["ask-again/n1", "attest/n1"]


def test_evidence_that_was_answered_is_not_asked_for_twice() -> None:
    draft = at_stage(Stage.PROVEN).draft()
    seen = draft.observed.nodes["n1"]
    assert seen.session is not None
    assert seen.session.evidence is not None
    answered = at_stage(Stage.KEYED).draft().observed.nodes["n1"].session
    assert answered is not None
    assert answered.answered is not None
    told = replace(answered.answered, nonce=seen.session.evidence.nonce)
    observed = replace(
        draft.observed,
        nodes={**draft.observed.nodes, "n1": replace(seen, session=replace(seen.session, answered=told))},
    )
    newer = site(nodes=2, enclaves=[BLUE], revision=1)
    made = plan(newer, observed=observed, verdicts={}, now=observed.observed_at)
    assert "ask-again/n1" not in _ids(made)


def test_an_unknown_member_keeps_its_keys_and_the_problem_is_told() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    seen = replace(draft.observed.nodes["n1"], ports={"eno1": UNKNOWN_PORT})
    observed = replace(draft.observed, nodes={**draft.observed.nodes, "n1": seen})
    made = plan(draft.desired, observed=observed, verdicts={}, now=observed.observed_at)
    assert _ids(made) == []
    assert [(p.subject, p.message) for p in made.problems] == [("node/n1", "the state of its switch port is not known")]
    assert [d.found for d in made.drift] == ["power on, eno1 unknown, an image is served"]


def test_a_key_of_a_node_that_left_the_inventory_is_rotated() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    head = draft.observed.nodes["n1"].head
    assert head is not None
    nodes = {"n2": draft.observed.nodes["n2"]}
    observed = replace(draft.observed, nodes=nodes, former={"n9": head})
    made = plan(site(nodes=2), observed=observed, verdicts={}, now=observed.observed_at)
    assert _ids(made) == ["rotate-key/common"]
    assert made.actions[0].why == "a former node knew it"


def test_a_spare_port_that_is_not_known_to_be_parked_is_parked() -> None:
    draft = at_stage(Stage.FRESH).draft()
    spare = dict(draft.observed.spare_ports)
    assert set(spare) == {("tor-1", "swp2"), ("tor-1", "swp4"), ("tor-1", "swp5")}
    spare[("tor-1", "swp4")] = access(200)
    spare[("tor-1", "swp5")] = UNKNOWN_PORT
    observed = replace(draft.observed, spare_ports=spare)
    made = plan(site(nodes=2), observed=observed, verdicts={}, now=observed.observed_at)
    assert _ids(made) == ["park/tor-1:swp4", "park/tor-1:swp5"]
    assert not made.actions[0].locks, "a switch takes many moves at once, within its limits"


def test_what_cannot_be_given_is_a_problem() -> None:
    made = at_stage(Stage.FRESH, desired=site(nodes=1, enclaves=[EnclaveShape(name="blue", count=2)])).draft().plan
    assert [(p.subject, p.message) for p in made.problems] == [
        ("enclave/blue", "1 of 2 nodes: no other free node matches")
    ]


def test_equal_input_gives_equal_bytes_and_every_plan_is_json() -> None:
    for stage in Stage:
        draft = at_stage(stage).draft()
        one, other = _plan(draft), _plan(draft)
        assert json.dumps(one.to_json()) == json.dumps(other.to_json())
        assert one.commit == draft.desired.commit


def test_json_tells_each_action_and_no_verdict() -> None:
    runner = at_stage(Stage.PROVEN)
    made = _plan(runner.draft(), desired=site(nodes=2, enclaves=[BLUE], revision=1))
    document = made.to_json()
    assert document["madeAt"] == "2026-03-03T12:00:40+00:00"
    ask = document["actions"][0]
    assert (ask["id"], ask["action"], ask["subject"]) == ("ask-again/n1", "AskAgain", "n1")
    assert bytes.fromhex(ask["nonce"])
    admit = next(action for action in document["actions"] if action["action"] == "Admit")
    assert "accepted" not in admit
    assert admit["ports"] == [{"interface": "eno1", "switch": "tor-1", "port": "swp1", "vlan": 200}]


def test_the_fingerprint_is_of_facts_and_not_of_the_time() -> None:
    observed = at_stage(Stage.BOOTING).draft().observed
    assert fingerprint(replace(observed, observed_at=observed.observed_at + timedelta(days=1))) == fingerprint(observed)
    seen = replace(observed.nodes["n2"], power=PowerState.UNKNOWN)
    assert fingerprint(replace(observed, nodes={**observed.nodes, "n2": seen})) != fingerprint(observed)


def test_a_stranger_that_is_on_loses_its_network_first_and_is_not_returned_again() -> None:
    runner = at_stage(Stage.FRESH, desired=site(nodes=1))
    runner.world.befall("power-button", node="n1")
    runner.world.spoil_port("n1", state=access(200))
    made = runner.draft().plan
    assert _ids(made) == ["park/n1", "power-off/n1"]
    assert made.actions[0].why == "nobody asks for it"


def test_a_node_that_hangs_in_its_airlock_is_started_again_without_leaving_it() -> None:
    runner = at_stage(Stage.BOOTING)
    runner.world.befall("power-button", node="n1")
    assert _ids(runner.draft().plan)[:3] == ["assign-image/n1", "power-on/n1", "attest/n1"]


def test_a_cleared_node_is_returned_to_the_pool_before_it_joins() -> None:
    runner = at_stage(Stage.MEMBER, desired=site(nodes=1, enclaves=[BLUE]))
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.settle()
    runner.world.trust(site(nodes=[NodeShape(cleared=99)], enclaves=[BLUE], revision=1))
    made = runner.draft().plan
    assert _ids(made)[:3] == ["return-to-pool/n1", "enter-airlock/n1", "assign-image/n1"]
    assert made.actions[0].why == "a commit cleared its rejection"


def test_a_member_that_lost_its_power_under_a_freeze_is_secured_and_keeps_its_place() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    off = replace(draft.observed.nodes["n1"], power=PowerState.OFF)
    draft = replace(draft, observed=replace(draft.observed, nodes={**draft.observed.nodes, "n1": off}))
    made = _plan(draft, desired=site(nodes=2, enclaves=[BLUE], freeze="a fair"))
    assert _ids(made) == ["park/n1", "withdraw/n1"]
    assert made.actions[0].why == "it cannot be proven where it is, and may not start over yet"
    held = {"subject": "node/n1", "due": "to start over in enclave blue", "why": "the repository is frozen: a fair"}
    assert made.to_json()["held"] == [held]
    assert made.problems == ()


def test_a_parking_that_is_not_on_record_is_made_again_and_nothing_else() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    seen = replace(
        draft.observed.nodes["n1"], power=PowerState.OFF, ports={"eno1": access(999)}, assignment=None, session=None
    )
    rejected = with_head(seen, phase=Phase.REJECTED, rejection=9, nonce=None, keys={})
    nobody = site(nodes=2)
    for is_parked, ids in ((False, ["park/n1"]), (True, []), (None, [])):
        node = with_head(rejected, is_parked=is_parked)
        observed = replace(draft.observed, nodes={**draft.observed.nodes, "n1": node})
        made = _plan(replace(draft, observed=observed), desired=nobody)
        assert _ids(made) == ids
        assert not made.drift


def test_a_fresh_site_of_parked_nodes_has_an_empty_plan() -> None:
    assert at_stage(Stage.FRESH, desired=site(nodes=20)).draft().plan.is_empty()


def test_what_is_on_record_of_ports_is_part_of_the_fingerprint() -> None:
    observed = at_stage(Stage.MEMBER).draft().observed
    other = {**observed.nodes, "n1": with_head(observed.nodes["n1"], is_parked=True)}
    assert fingerprint(observed) != fingerprint(replace(observed, nodes=other))
