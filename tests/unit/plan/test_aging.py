"""Old keys in a plan: why they are rotated, what holds that back, and what comes before what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.plan.actions import RotateKey
from reconciler.plan.plan import Held, Plan
from reconciler.plan.planner import plan
from tests.support.sites import EnclaveShape, site
from tests.support.stages import BLUE, Stage, at_stage

HOUR = timedelta(hours=1)


def _made(  # noqa: ANN202 - Plan
    stage: Stage = Stage.MEMBER,
    *,
    age: timedelta | None = 31 * 24 * HOUR,
    **asked: Any,  # noqa: ANN401 - of site
):
    runner = at_stage(stage, desired=site(nodes=2, enclaves=[BLUE]))
    observed = runner.draft().observed
    made = None if age is None else observed.observed_at - age
    observed = replace(observed, key_made_at={"common": made} if observed.key_versions else {})
    desired = site(nodes=2, **{"enclaves": [BLUE], "rotation": "30d", "revision": 1, **asked})
    return plan(desired, observed=observed, verdicts={}, now=observed.observed_at)


def _rotations(made: Plan) -> dict[str, str]:
    return {action.subject: action.why for action in made.actions if isinstance(action, RotateKey)}


@pytest.mark.parametrize(
    ("rotation", "age", "why"),
    [
        ("30d", timedelta(days=31, hours=7), "it is 31 days old; its rotation is 30 days"),
        ("720h", timedelta(days=30), "it is 30 days old; its rotation is 30 days"),
        ("24h", timedelta(hours=25), "it is 1 day old; its rotation is 1 day"),
        ("61h", timedelta(hours=62), "it is 62 hours old; its rotation is 61 hours"),
        ("90m", timedelta(hours=2), "it is 120 minutes old; its rotation is 90 minutes"),
        ("3601s", timedelta(seconds=3602), "it is 3602 seconds old; its rotation is 3601 seconds"),
        ("30d", None, "nobody knows how old it is; its rotation is 30 days"),
    ],
)
def test_the_plan_says_how_old_a_key_is(rotation: str, age: timedelta | None, why: str) -> None:
    assert _rotations(_made(age=age, rotation=rotation)) == {"common": why}


def test_a_key_that_is_young_or_may_grow_old_is_left_alone() -> None:
    assert _made(age=29 * 24 * HOUR).is_empty()
    assert _made(rotation=None).is_empty()
    assert _made(Stage.FRESH, enclaves=[]).is_empty(), "it does not exist yet"


def test_a_member_gets_the_new_version_with_its_next_proof_and_nothing_else_is_done() -> None:
    made = _made()
    assert [a.id for a in made.actions] == ["attest/n1", "rotate-key/common", "record-evidence/n1", "release-keys/n1"]
    actions = {action.id: action for action in made.actions}
    assert actions["attest/n1"].why == "common was rotated"
    for name in ("record-evidence/n1", "release-keys/n1"):
        assert "rotate-key/common" in actions[name].follows
        assert "rotate-key/common" not in actions[name].after, "a rotation that fails keeps nobody from being answered"


def test_a_freeze_holds_it_back() -> None:
    made = _made(freeze="a fair")
    assert made.is_empty()
    assert made.held == (Held(subject="key/common", due="to be rotated", why="the repository is frozen: a fair"),)


def test_a_suspended_enclave_holds_its_own_keys_back() -> None:
    made = _made(enclaves=[replace(BLUE, suspend=True)])
    assert made.is_empty()
    assert made.held == (Held(subject="key/common", due="to be rotated", why="enclave blue is suspended"),)
    other = EnclaveShape(name="red", count=0, keys=("red",), suspend=True)
    assert set(_rotations(_made(enclaves=[BLUE, other]))) == {"common"}


def test_no_window_is_waited_for() -> None:
    night = {"start": "22:00", "duration": "4h"}
    assert set(_rotations(_made(maintenance=[night]))) == {"common"}


def test_loss_stands_in_for_age() -> None:
    made = _made(enclaves=[EnclaveShape(name="red", count=0)])
    rotations = [action for action in made.actions if isinstance(action, RotateKey)]
    assert [(action.why, action.is_aged) for action in rotations] == [("n1 knew it", False)]
