"""Guards, course by course: what is held, what goes on meanwhile, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.model.desired import DatedImage, DesiredState
from reconciler.model.observed import PowerState
from reconciler.model.phase import Phase
from reconciler.plan.course import Course, Expel, Join, Leave, Prove, Rest, Secure, Serve, decide
from reconciler.plan.guards import Guarded, hold
from reconciler.plan.plan import Held
from reconciler.plan.scene import Scene
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.stages import BLUE, BOOT_S, Stage, at_stage, scene_of, seen_with, with_head
from tests.support.world_switch import access

WHY = "the repository is frozen: a fair"


def _asked(*, before: DesiredState | None = None, **options: Any) -> DesiredState:  # noqa: ANN401 - of site
    """Return a desired state; the images of ``before`` are known as former ones."""
    options = {"nodes": 2, "enclaves": [BLUE]} | options
    former = (
        {i.spec.digest: DatedImage(commit="c" * 40, name=n, image=i) for n, i in before.images.items()}
        if before
        else {}
    )
    return replace(site(**options), former_images=former)


def _scene(stage: Stage, desired: DesiredState | None = None, **changes: Any) -> Scene:  # noqa: ANN401 - Scene's own fields
    """Return the scene of ``n1`` under ``desired``, which its members were not proven under."""
    draft = at_stage(stage).draft()
    return scene_of(replace(draft, desired=desired or draft.desired), **changes)


def _guard(*scenes: Scene) -> Guarded:
    named = {scene.name: scene for scene in scenes}
    first = scenes[0]
    return hold({name: decide(s) for name, s in named.items()}, scenes=named, desired=first.desired, now=first.now)


def _one(scene: Scene) -> tuple[Course, tuple[Held, ...]]:
    guarded = _guard(scene)
    return guarded.courses[scene.name], guarded.held


def _held(due: str, why: str = WHY) -> tuple[Held, ...]:
    return (Held(subject="node/n1", due=due, why=why),)


FROZEN = _asked(freeze="a fair")


def test_without_guards_nothing_is_held() -> None:
    for stage in Stage:
        scene = _scene(stage)
        assert _one(scene) == (decide(scene), ())


def test_a_free_node_waits_where_it_is_and_is_put_to_rest() -> None:
    scene = _scene(Stage.FRESH, FROZEN)
    assert _one(scene) == (Rest(is_held=True), _held("to join enclave blue"))
    assert _one(seen_with(scene, power=PowerState.ON)) == (Leave(), _held("to join enclave blue"))
    assert _one(seen_with(replace(scene, wanted=None), power=PowerState.ON)) == (Leave(), ())
    assert _one(replace(scene, wanted=None)) == (Rest(), ())


def test_a_node_in_its_airlock_waits_there() -> None:
    for stage in (Stage.BOOTING, Stage.PROVEN, Stage.KEYED):
        assert _one(_scene(stage, FROZEN)) == (Rest(is_held=True), _held("to join enclave blue"))
    assert _one(_scene(Stage.BOOTING, FROZEN, wanted=None)) == (Rest(is_held=True), _held("to leave enclave blue"))
    off = seen_with(_scene(Stage.BOOTING, FROZEN), power=PowerState.OFF)
    assert _one(off) == (Rest(is_held=True), _held("to start over in enclave blue"))
    parked = seen_with(off, ports={"eno1": access(999)})
    assert _one(parked)[0] == Secure()
    assert _one(replace(parked, seen=with_head(parked.seen, is_parked=True)))[0] == Rest(is_held=True)


def test_a_node_that_is_where_no_record_lets_it_be_is_secured() -> None:
    moved = seen_with(_scene(Stage.KEYED, FROZEN), ports={"eno1": access(200)})
    assert isinstance(decide(moved), Prove)
    assert _one(moved) == (Secure(), _held("to join enclave blue"))
    stray = seen_with(_scene(Stage.BOOTING, FROZEN), ports={"eno1": access(4000)})
    assert _one(stray) == (Secure(), _held("to start over in enclave blue"))


def test_a_silent_node_in_its_airlock_is_late_all_the_same() -> None:
    scene = _scene(Stage.BOOTING, FROZEN)
    course, held = _one(replace(scene, now=scene.now + timedelta(minutes=11)))
    assert isinstance(course, Expel)
    assert held == ()


def test_a_member_serves_on_whatever_is_due() -> None:
    member = _scene(Stage.MEMBER, FROZEN)
    assert _one(member) == (decide(member), ())
    unwanted = _guard(_scene(Stage.MEMBER, FROZEN, wanted=None))
    assert isinstance(unwanted.courses["n1"], Serve)
    assert unwanted.scenes["n1"].wanted == "blue"
    assert unwanted.held == _held("to leave enclave blue")
    other = _asked(freeze="a fair", enclaves=[BLUE, EnclaveShape(name="red", count=1)])
    assert _guard(_scene(Stage.MEMBER, other, wanted="red")).scenes["n1"].wanted == "blue"


def test_a_member_waits_for_another_image_only_while_its_own_is_known() -> None:
    before = site(nodes=2, enclaves=[BLUE])
    rebuilt = _asked(freeze="a fair", measured="rebuilt", before=before)
    course, held = _one(_scene(Stage.MEMBER, rebuilt))
    assert isinstance(course, Serve)
    assert held == _held("to start over in enclave blue")
    unknown = replace(rebuilt, former_images={})
    assert _one(_scene(Stage.MEMBER, unknown)) == (Secure(), _held("to start over in enclave blue"))


def test_a_member_waits_for_an_image_of_another_name_that_is_still_there() -> None:
    other = _asked(freeze="a fair", enclaves=[replace(BLUE, image="worker-2")])
    assert isinstance(_one(_scene(Stage.MEMBER, other))[0], Serve)


def test_another_set_of_pcrs_is_never_waited_for() -> None:
    pinned = _asked(enclaves=[replace(BLUE, policy="pinned", max_unavailable=1)], maintenance=[NIGHT])
    assert _one(_scene(Stage.MEMBER, pinned)) == (Join(), ())
    assert _one(_scene(Stage.MEMBER, replace(pinned, repository=FROZEN.repository)))[0] == Secure()


def test_a_member_whose_enclave_is_gone_leaves() -> None:
    gone = _asked(freeze="a fair", enclaves=[])
    assert _one(_scene(Stage.MEMBER, gone, wanted=None)) == (Leave(), ())
    windows = _asked(enclaves=[], maintenance=[NIGHT])
    assert _one(_scene(Stage.MEMBER, windows, wanted=None)) == (Leave(), ())


def test_a_member_that_is_off_is_secured_and_then_rests() -> None:
    off = seen_with(_scene(Stage.MEMBER, FROZEN), power=PowerState.OFF)
    assert _one(off) == (Secure(), _held("to start over in enclave blue"))
    at_rest = seen_with(off, ports={"eno1": access(999)}, assignment=None)
    assert _one(at_rest) == (Secure(), _held("to start over in enclave blue"))
    recorded = replace(at_rest, seen=with_head(at_rest.seen, is_parked=True))
    assert _one(recorded) == (Rest(is_held=True), _held("to start over in enclave blue"))


def test_a_member_keeps_its_keys_and_gets_no_new_one() -> None:
    more = _asked(freeze="a fair", enclaves=[replace(BLUE, keys=("common", "disk"))])
    guarded = _guard(_scene(Stage.MEMBER, more))
    assert isinstance(guarded.courses["n1"], Serve)
    assert guarded.held == _held("to be given disk")
    scene = guarded.scenes["n1"]
    assert (scene.keys, scene.outdated_keys({"common": 1, "disk": 1})) == (("common",), ())
    assert scene.outdated_keys({"common": 2, "disk": 1}) == ("common",)
    assert replace(scene, is_frozen=False).keys == ("common", "disk")
    assert seen_with(scene, head=None).keys == ()


def test_trust_is_withdrawn_whatever_holds() -> None:
    runner = at_stage(Stage.BOOTING)
    runner.world.machines["n1"].lie = Lie.CHANGED_EVENT
    runner.world.tick(BOOT_S)
    draft = runner.draft()
    scene = scene_of(draft)
    frozen = replace(scene, desired=replace(draft.desired, repository=FROZEN.repository))
    course, held = _one(frozen)
    assert isinstance(course, Expel)
    assert held == ()


def test_a_rejected_node_stays_secured_until_the_freeze_is_over() -> None:
    cleared = _asked(freeze="a fair", nodes=[NodeShape(cleared=9)] * 2)
    scene = _scene(Stage.MEMBER, cleared)
    scene = replace(scene, seen=with_head(scene.seen, phase=Phase.REJECTED, rejection=9, nonce=None, is_parked=True))
    assert _one(scene) == (Secure(), _held("to join enclave blue"))
    at_rest = seen_with(scene, ports={"eno1": access(999)}, assignment=None, power=PowerState.OFF)
    assert _one(at_rest) == (Rest(is_held=True), _held("to join enclave blue"))
    assert _one(replace(at_rest, wanted=None)) == (Rest(is_held=True), _held("to return to the pool"))


@pytest.mark.parametrize("suspended", ["blue", "red"])
def test_suspension_is_of_an_enclave_and_of_who_would_join_or_leave_it(suspended: str) -> None:
    shapes = [replace(BLUE, suspend=suspended == "blue"), EnclaveShape(name="red", count=1, suspend=suspended == "red")]
    desired = _asked(enclaves=shapes)
    why = f"enclave {suspended} is suspended"
    moving = _scene(Stage.MEMBER, desired, wanted="red")
    course, held = _one(moving)
    assert isinstance(course, Serve)
    assert held == _held("to leave enclave blue", why)
    joining = _scene(Stage.FRESH, desired, wanted=suspended)
    assert _one(joining) == (Rest(is_held=True), _held(f"to join enclave {suspended}", why))
    other = "red" if suspended == "blue" else "blue"
    assert _one(_scene(Stage.FRESH, desired, wanted=other)) == (Join(), ())


NIGHT: dict[str, Any] = {"start": "22:00", "duration": "4h"}
MORNING: dict[str, Any] = {"start": "06:00", "duration": "1h"}
NOON: dict[str, Any] = {"start": "12:00", "duration": "1h"}
CLOSED = "begins at Tue 2026-03-03 22:00 UTC"


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        ([NIGHT], (), f"the next maintenance window of the repository {CLOSED}"),
        ([], (NIGHT, MORNING), f"the next maintenance window of blue {CLOSED}"),
        ([NIGHT], (NOON,), f"the next maintenance window of the repository {CLOSED}"),
        ([NOON], (NIGHT,), f"the next maintenance window of blue {CLOSED}"),
        ([NOON], (NOON,), ""),
    ],
)
def test_a_member_is_disturbed_only_while_both_windows_are_open(
    ours: list[dict[str, Any]], theirs: tuple[dict[str, Any], ...], why: str
) -> None:
    before = site(nodes=2, enclaves=[BLUE])
    shape = replace(BLUE, maintenance=theirs)
    rebuilt = _asked(enclaves=[shape], maintenance=ours, measured="rebuilt", before=before)
    for scene, due in (
        (_scene(Stage.MEMBER, rebuilt), "to start over in enclave blue"),
        (_scene(Stage.MEMBER, rebuilt, wanted=None), "to leave enclave blue"),
    ):
        course, held = _one(scene)
        assert held == (_held(due, why) if why else ())
        assert isinstance(course, Serve if why else Join | Leave)


def test_windows_hold_nothing_but_members() -> None:
    desired = _asked(maintenance=[NIGHT])
    for stage in (Stage.FRESH, Stage.BOOTING, Stage.PROVEN):
        scene = _scene(stage, desired)
        assert _one(scene) == (decide(scene), ())
    off = seen_with(_scene(Stage.MEMBER, desired), power=PowerState.OFF)
    assert _one(off) == (Join(), ())


def test_a_member_that_fell_silent_while_it_waited_is_expelled_and_a_leaver_leaves() -> None:
    before = site(nodes=2, enclaves=[BLUE])
    rebuilt = _asked(maintenance=[NIGHT], measured="rebuilt", before=before)
    silent = _scene(Stage.MEMBER, rebuilt)
    silent = replace(silent, now=silent.now + timedelta(minutes=5))
    assert isinstance(decide(silent), Join)
    assert isinstance(_one(silent)[0], Expel)
    assert _one(replace(silent, wanted=None)) == (Leave(), ())


def _copies(scene: Scene, count: int, *, wanted: int) -> list[Scene]:
    """Return ``count`` members like ``scene``, of which the first ``wanted`` are to stay."""
    return [
        replace(scene, name=f"n{number}", wanted="blue" if number <= wanted else None) for number in range(1, count + 1)
    ]


def _budget(
    *, count: int, budget: int, wanted: int | None = None, members: int | None = None, measured: str = ""
) -> Guarded:
    before = site(nodes=4, enclaves=[BLUE])
    shape = replace(BLUE, count=count, max_unavailable=budget)
    desired = _asked(nodes=4, enclaves=[shape], before=before, measured=measured)
    scene = _scene(Stage.MEMBER, desired)
    return _guard(*_copies(scene, members or count, wanted=count if wanted is None else wanted))


def _waits(guarded: Guarded) -> dict[str, str]:
    return {held.subject.removeprefix("node/"): held.why for held in guarded.held}


def test_a_budget_lets_members_go_by_name_and_the_others_wait() -> None:
    guarded = _budget(count=3, budget=1, measured="rebuilt")
    why = "the disruption budget of blue is 1; missing: n1"
    assert _waits(guarded) == {"n2": why, "n3": why}
    assert isinstance(guarded.courses["n1"], Join)
    assert _waits(_budget(count=3, budget=2, measured="rebuilt")) == {
        "n3": "the disruption budget of blue is 2; missing: n1, n2"
    }
    assert _waits(_budget(count=3, budget=3, measured="rebuilt")) == {}
    assert _waits(_budget(count=3, budget=9, measured="rebuilt")) == {}


def test_who_is_no_longer_asked_for_may_go_as_long_as_enough_serve() -> None:
    assert _waits(_budget(count=2, budget=1, members=4)) == {}
    swapped = _budget(count=2, budget=1, wanted=0, members=2)
    assert _waits(swapped) == {"n2": "the disruption budget of blue is 1; missing: a place that nobody fills"}


def test_a_leaver_does_not_lend_its_place_to_those_who_start_over() -> None:
    guarded = _budget(count=2, budget=1, members=3, measured="rebuilt")
    assert _waits(guarded) == {"n2": "the disruption budget of blue is 1; missing: n1"}
    assert [type(guarded.courses[name]) for name in ("n1", "n2", "n3")] == [Join, Serve, Leave]


def test_a_member_that_has_not_called_from_inside_is_missing() -> None:
    before = site(nodes=4, enclaves=[BLUE])
    shape = replace(BLUE, count=2, max_unavailable=1)
    desired = _asked(nodes=4, enclaves=[shape], before=before, measured="rebuilt")
    one, other = _copies(_scene(Stage.MEMBER, desired), 2, wanted=2)
    other = replace(other, seen=with_head(other.seen, confirmed_at=None))
    guarded = _guard(one, other)
    assert _waits(guarded) == {"n1": "the disruption budget of blue is 1; missing: n2"}
    assert isinstance(guarded.courses["n2"], Join)


def test_a_budget_of_named_nodes_counts_the_names() -> None:
    before = site(nodes=4, enclaves=[BLUE])
    shape = EnclaveShape(name="blue", names=("n1", "n2"), max_unavailable=1)
    desired = _asked(nodes=4, enclaves=[shape], before=before, measured="rebuilt")
    guarded = _guard(*_copies(_scene(Stage.MEMBER, desired), 2, wanted=2))
    assert _waits(guarded) == {"n2": "the disruption budget of blue is 1; missing: n1"}
