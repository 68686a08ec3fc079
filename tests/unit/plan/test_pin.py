"""Pins: only the plan that was shown, from the state and the observation that it was made from, and the rest of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.canonical import canonical, digest
from reconciler.plan.actions import AskAgain, PowerOff, RotateKey
from reconciler.plan.pin import Pin, change_of, changes_of, is_change, parse_pin, pinned_document
from reconciler.plan.plan import Plan
from tests.support.stages import Stage, at_stage

TREE = "7" * 40


def _plan(stage: Stage = Stage.FRESH) -> Plan:
    return at_stage(stage).draft().plan


def _document(plan: Plan) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(pinned_document(plan, tree=TREE, extra={"note": "seen"})))


def _reason(pin: Pin, plan: Plan, *, tree: str = TREE, is_first: bool = True) -> str:
    with pytest.raises(TrustError) as caught:
        (pin.check_first if is_first else pin.check_next)(plan, tree=tree)
    return caught.value.reason


def test_the_plan_that_was_pinned_may_be_carried_out() -> None:
    plan = _plan()
    parse_pin(_document(plan)).check_first(plan, tree=TREE)


def test_a_changed_file_is_no_pin() -> None:
    document = _document(_plan())
    for name in document:
        with pytest.raises(InputError) as caught:
            parse_pin({**document, name: "x"})
        assert caught.value.reason == "PlanMalformed"
        with pytest.raises(InputError):
            parse_pin({other: value for other, value in document.items() if other != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("commit", "main"),
        ("tree", None),
        ("observation", ""),
        ("madeAt", "now"),
        ("madeAt", 5),
        ("changes", ["x"]),
        ("changes", {"x": None}),
        ("version", 2),
    ],
)
def test_a_pin_with_a_fitting_digest_must_still_be_one(name: str, value: object) -> None:
    document = {k: v for k, v in {**_document(_plan()), name: value}.items() if k != "digest"}
    with pytest.raises(InputError) as caught:
        parse_pin({**document, "digest": digest(canonical(document))})
    assert caught.value.reason == "PlanMalformed"


@pytest.mark.parametrize("document", [None, [], "plan", 5, {}])
def test_anything_else_is_no_pin(document: object) -> None:
    with pytest.raises(InputError):
        parse_pin(document)


def test_another_commit_is_refused_unless_it_has_the_very_same_tree() -> None:
    plan = _plan()
    pin = parse_pin(_document(plan))
    merged = replace(plan, commit="9" * 40)
    pin.check_first(merged, tree=TREE)
    assert _reason(pin, merged, tree="8" * 40) == "PlanCommitMoved"
    assert _reason(pin, merged, tree="8" * 40, is_first=False) == "PlanCommitMoved"


def test_a_site_that_moved_is_refused() -> None:
    plan = _plan()
    pin = parse_pin(_document(plan))
    assert _reason(pin, replace(plan, observation="0" * 64)) == "PlanObservationMoved"
    pin.check_next(replace(plan, observation="0" * 64), tree=TREE)


def test_the_first_plan_does_neither_more_nor_less_nor_otherwise() -> None:
    plan = _plan()
    pin = parse_pin(_document(plan))
    off = PowerOff(subject="n2", why="")
    assert _reason(pin, replace(plan, actions=(*plan.actions, off))) == "PlanDiffers"
    assert _reason(pin, replace(plan, actions=plan.actions[1:])) == "PlanDiffers"
    (first, *others) = plan.actions
    moved = replace(first, ports=tuple(replace(port, vlan=200) for port in first.ports))  # type: ignore[attr-defined]
    assert _reason(pin, replace(plan, actions=(moved, *others))) == "PlanDiffers"


def test_later_plans_may_do_less_and_nothing_else() -> None:
    plan = _plan()
    pin = parse_pin(_document(plan))
    pin.check_next(replace(plan, actions=()), tree=TREE)
    pin.check_next(_plan(Stage.PROVEN), tree=TREE)
    off = PowerOff(subject="n1", why="")
    assert _reason(pin, replace(plan, actions=(off,)), is_first=False) == "PlanDiffers"


def test_proofs_and_answers_need_no_pin() -> None:
    plan = _plan()
    pin = parse_pin(_document(plan))
    ask = AskAgain(subject="n2", why="", session="s", nonce=b"n")
    pin.check_first(replace(plan, actions=(*plan.actions, ask)), tree=TREE)
    assert not is_change(ask)


def test_what_is_pinned_is_what_changes_and_not_why() -> None:
    rotate = RotateKey(subject="common", why="n1 knew it", past=3, follows=("park/n1",))
    assert change_of(rotate) == {"id": "rotate-key/common", "subject": "common", "past": 3}
    admit = changes_of(_plan())["admit/n1"]
    assert admit["ports"] == [{"interface": "eno1", "switch": "tor-1", "port": "swp1", "vlan": 200}]
    assert set(admit) == {"id", "subject", "ports", "enclave", "keys"}
