"""Members that serve quietly are left alone until something changes; the plan is the same as without a memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.attest.verdict import Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.observed import NodeObservation, ObservedState, PowerState
from reconciler.model.phase import Phase
from reconciler.plan import planner
from reconciler.plan.course import Rest, Serve, decide
from reconciler.plan.memory import PlanMemory
from reconciler.plan.plan import Plan
from reconciler.plan.quiet import Quiet, is_quiet
from reconciler.plan.scene import Scene
from tests.support.claims import rejected_from
from tests.support.sites import EnclaveShape, site
from tests.support.stages import Stage, at_stage, scene_of, seen_with, verdicts_of, with_head

SHAPES = [EnclaveShape(name="blue", count=2), EnclaveShape(name="green", count=1, keys=("other",))]


@dataclass
class Loop:
    """A loop of three members, n1 and n2 in blue, n3 in green."""

    desired: DesiredState
    observed: ObservedState
    verdicts: dict[str, Verdict]
    now: datetime
    memory: PlanMemory

    def plan(self) -> Plan:
        args: dict[str, Any] = {"observed": self.observed, "verdicts": dict(self.verdicts), "now": self.now}
        made = planner.plan(self.desired, **args, memory=self.memory)
        assert json.dumps(made.to_json()) == json.dumps(planner.plan(self.desired, **args).to_json())
        return made

    def see(self, node: str, seen: NodeObservation) -> None:
        self.observed = replace(self.observed, nodes={**self.observed.nodes, node: seen})

    def woken(self) -> list[str]:
        """Return who would be thought about now."""
        self.memory.begin(self.desired, observed=self.observed, verdicts=self.verdicts, now=self.now)
        return self.memory.astir()


@pytest.fixture
def loop() -> Loop:
    draft = at_stage(Stage.MEMBER, desired=site(nodes=3, enclaves=SHAPES)).draft()
    loop = Loop(draft.desired, draft.observed, dict(verdicts_of(draft)), draft.observed.observed_at, PlanMemory())
    assert loop.plan().is_empty()
    assert loop.memory.astir() == []
    return loop


def _again(value: Any) -> Any:  # noqa: ANN401  # any model
    return value.model_copy()


def _desired(**changes: Callable[[Any], Any]) -> Callable[[Loop], None]:
    def change(loop: Loop) -> None:
        made = {name: how(getattr(loop.desired, name)) for name, how in changes.items()}
        loop.desired = replace(loop.desired, **made)

    return change


def _observed(**changes: object) -> Callable[[Loop], None]:
    def change(loop: Loop) -> None:
        loop.observed = replace(loop.observed, **changes)  # type: ignore[arg-type]  # ObservedState's own fields

    return change


def _later(seconds: int) -> Callable[[Loop], None]:
    def change(loop: Loop) -> None:
        loop.now += timedelta(seconds=seconds)

    return change


def _seen(loop: Loop) -> None:
    loop.see("n1", replace(loop.observed.nodes["n1"]))


def _judged(loop: Loop) -> None:
    loop.verdicts["n3"] = replace(loop.verdicts["n3"])


ALL = ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("change", "woken"),
    [
        pytest.param(lambda _: None, [], id="nothing"),
        pytest.param(_desired(commit=lambda _: "a" * 40, tree=lambda _: "b" * 40), [], id="another commit"),
        pytest.param(_desired(enclaves=lambda e: {**e, "green": _again(e["green"])}), ["n3"], id="an enclave"),
        pytest.param(_desired(nodes=lambda n: {**n, "n3": _again(n["n3"])}), ["n3"], id="a node"),
        pytest.param(_desired(repository=_again), ALL, id="the repository"),
        pytest.param(_desired(policies=dict), ALL, id="policies"),
        pytest.param(_desired(images=dict), ALL, id="images"),
        pytest.param(_desired(former_images=dict), ALL, id="former images"),
        pytest.param(_observed(listening_since=None), ALL, id="nobody listens"),
        pytest.param(_observed(key_versions={"common": 9}), ALL, id="key versions"),
        pytest.param(_observed(former={"n9": rejected_from("n9", "blue")}), ALL, id="former nodes"),
        pytest.param(_seen, ["n1", "n2"], id="a member, and those whose budget it shares"),
        pytest.param(_judged, ["n3"], id="a verdict"),
        pytest.param(_later(60), [], id="a while"),
        pytest.param(_later(3600), ALL, id="long silence"),
    ],
)
def test_members_are_woken_by_what_bears_on_them(loop: Loop, change: Callable[[Loop], None], woken: list[str]) -> None:
    change(loop)
    assert loop.woken() == woken


def test_a_plan_that_takes_a_member_away_wakes_it(loop: Loop) -> None:
    loop.desired = replace(
        loop.desired, enclaves={name: e for name, e in loop.desired.enclaves.items() if name != "green"}
    )
    assert "power-off/n3" in {action.id for action in loop.plan().actions}
    assert "n3" in loop.memory.astir()


def test_silence_of_one_is_noticed_though_others_were_heard(loop: Loop) -> None:
    loop.see("n1", with_head(loop.observed.nodes["n1"], accepted_at=loop.now + timedelta(seconds=60)))
    loop.plan()
    first = loop.memory
    for seconds in (50, 30, 3600):
        loop.now += timedelta(seconds=seconds)
        loop.plan()
    assert loop.memory is first


def test_a_rotation_wakes_everybody_who_knows_the_key(loop: Loop) -> None:
    stranger = rejected_from("n9", "blue").model_copy(update={"keys": {"common": 1}})
    loop.plan()
    memory, loop.observed = loop.memory, replace(loop.observed, former={"n9": stranger})
    memory._observed = loop.observed  # As if the stranger had been there: only the rotation itself wakes them.
    made = loop.plan()
    assert "rotate-key/common" in {action.id for action in made.actions}
    assert memory.astir() == ALL, "nobody is quiet while a key is rotated"


def _scene(**changes: Any) -> Scene:  # noqa: ANN401 - Scene's own fields
    return scene_of(at_stage(Stage.MEMBER).draft(), **changes)


def test_a_member_with_nothing_to_do_is_quiet() -> None:
    scene = _scene()
    assert is_quiet(scene, decide(scene), busy=())
    assert is_quiet(seen_with(scene, session=None), Serve(), busy=())


def _member(**changes: object) -> Scene:
    scene = _scene()
    return replace(scene, seen=with_head(scene.seen, **changes))


@pytest.mark.parametrize(
    ("scene", "course"),
    [
        pytest.param(_scene, Rest(), id="no member's course"),
        pytest.param(_scene, Serve(problem="unknown"), id="a problem"),
        pytest.param(lambda: seen_with(_scene(), head=None), Serve(), id="no record"),
        pytest.param(lambda: _member(phase=Phase.AIRLOCK), Serve(), id="in its airlock"),
        pytest.param(lambda: _member(enclave="green"), Serve(), id="in another enclave"),
        pytest.param(lambda: _member(confirmed_at=None), Serve(), id="not confirmed"),
        pytest.param(lambda: _scene(is_held=True), Serve(), id="held"),
        pytest.param(lambda: _scene(is_frozen=True), Serve(), id="frozen"),
        pytest.param(lambda: seen_with(_scene(), power=PowerState.OFF), Serve(), id="not as the record left it"),
        pytest.param(lambda: _member(keys={"common": 1, "more": 1}), Serve(), id="knows another key"),
        pytest.param(lambda: _member(nonce="00"), Serve(), id="evidence that is not on record"),
    ],
)
def test_whoever_is_to_be_looked_at_again_is_not_quiet(scene: Callable[[], Scene], course: Rest | Serve) -> None:
    assert not is_quiet(scene(), course, busy=())


def test_who_is_in_the_plan_is_not_quiet() -> None:
    assert not is_quiet(_scene(), Serve(), busy=("n1",))


def test_quiet_members_are_known_by_enclave_and_by_their_silence() -> None:
    quiet, scene = Quiet(), _scene()
    until = scene.silent_after()
    assert until is not None
    unheard = replace(scene, name="n2", listening_since=None)
    quiet.add(unheard)
    assert quiet.due(until + timedelta(days=1)) == []
    quiet.add(scene)
    quiet.add(replace(scene, name="n3", listening_since=until))
    assert sorted(quiet.of(["blue", "green"])) == ["n1", "n2", "n3"]
    assert "n1" in quiet
    assert quiet.due(until) == []
    assert quiet.due(until + timedelta(seconds=1)) == ["n1"]
    quiet.drop("n1")
    quiet.drop("n1")
    assert "n1" not in quiet
    assert quiet.due(until + timedelta(seconds=1)) == []
    assert quiet.all() == ["n2", "n3"]
