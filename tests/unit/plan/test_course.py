"""The course of a node: rejection first, then lost trust, then what is wanted; unknown facts hold it where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.attest.verdict import Reason
from reconciler.model.observed import UNKNOWN_PORT, AnswerStatus, PowerState
from reconciler.model.phase import Phase
from reconciler.plan.course import (
    Course,
    Expel,
    Join,
    Leave,
    Prove,
    Rest,
    Serve,
    decide,
    describe_reason,
)
from reconciler.plan.drift import drift_of
from reconciler.plan.receipts import has_acknowledged, has_every_key, is_answered, is_present
from reconciler.plan.scene import Scene
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.stages import BOOT_S, Stage, at_stage, rejected, scene_of, seen_with, with_head
from tests.support.world_switch import access

Change = Callable[[Scene], Scene]
DAY = timedelta(days=1)


def _scene(stage: Stage) -> Scene:
    return scene_of(at_stage(stage).draft())


def _head(scene: Scene, **changes: Any) -> Scene:  # noqa: ANN401 - Head's own fields
    return replace(scene, seen=with_head(scene.seen, **changes))


def _session(scene: Scene, **changes: Any) -> Scene:  # noqa: ANN401 - Session's own fields
    assert scene.seen.session is not None
    return seen_with(scene, session=replace(scene.seen.session, **changes))


def _answered(scene: Scene, **changes: Any) -> Scene:  # noqa: ANN401 - Answered's own fields
    assert scene.seen.session is not None
    assert scene.seen.session.answered is not None
    return _session(scene, answered=replace(scene.seen.session.answered, **changes))


def _port(scene: Scene, vlan: int) -> Scene:
    return seen_with(scene, ports={"eno1": access(vlan)})


def _unwanted(scene: Scene) -> Scene:
    return replace(scene, wanted=None)


PARKED, AIRLOCK, INSIDE = 999, 101, 200
CASES: list[tuple[str, Stage, Change, Course | type]] = [
    ("fresh and wanted", Stage.FRESH, lambda s: s, Join),
    ("fresh and unwanted", Stage.FRESH, _unwanted, Rest()),
    ("unwanted and on", Stage.FRESH, lambda s: seen_with(_unwanted(s), power=PowerState.ON), Leave()),
    (
        "unwanted and parked, power unknown",
        Stage.FRESH,
        lambda s: seen_with(_unwanted(s), power=PowerState.UNKNOWN),
        Rest(problem="its power state is not known"),
    ),
    (
        "unwanted and off, port unknown",
        Stage.FRESH,
        lambda s: seen_with(_unwanted(s), ports={"eno1": UNKNOWN_PORT}),
        Rest(problem="the state of its switch port is not known"),
    ),
    (
        "unwanted, nothing known",
        Stage.FRESH,
        lambda s: seen_with(_unwanted(s), ports={"eno1": UNKNOWN_PORT}, power=PowerState.UNKNOWN),
        Leave(),
    ),
    ("unwanted and off in a network", Stage.FRESH, lambda s: _port(_unwanted(s), INSIDE), Leave()),
    ("unwanted in its airlock", Stage.BOOTING, _unwanted, Leave()),
    ("unwanted member", Stage.MEMBER, _unwanted, Leave()),
    ("another enclave's", Stage.MEMBER, lambda s: _head(s, enclave="red"), Leave()),
    (
        "wanted, port unknown",
        Stage.BOOTING,
        lambda s: seen_with(s, ports={"eno1": UNKNOWN_PORT}),
        Rest(problem="the state of its switch port is not known"),
    ),
    (
        "wanted, power unknown",
        Stage.BOOTING,
        lambda s: seen_with(s, power=PowerState.UNKNOWN),
        Rest(problem="its power state is not known"),
    ),
    ("off in its airlock", Stage.BOOTING, lambda s: seen_with(s, power=PowerState.OFF), Join()),
    ("parked in its attempt", Stage.BOOTING, lambda s: _port(s, PARKED), Join()),
    ("nothing served", Stage.BOOTING, lambda s: seen_with(s, assignment=None), Join()),
    ("booting", Stage.BOOTING, lambda s: s, Prove()),
    ("proven", Stage.PROVEN, lambda s: s, Prove),
    ("in the network without a record", Stage.BOOTING, lambda s: _port(s, INSIDE), Join()),
    ("acknowledged, moved, not recorded", Stage.KEYED, lambda s: _port(s, INSIDE), Prove),
    ("moved before it acknowledged", Stage.KEYED, lambda s: _port(_answered(s, receipts=None), INSIDE), Join()),
    ("moved with other keys", Stage.KEYED, lambda s: _port(_answered(s, receipts={}), INSIDE), Join()),
    ("moved with a verdict that is not recorded", Stage.PROVEN, lambda s: _port(s, INSIDE), Join()),
    ("acknowledged other keys", Stage.KEYED, lambda s: _answered(s, receipts={}), Join()),
    ("acknowledged, and stuck", Stage.KEYED, lambda s: replace(s, now=s.now + DAY), Join()),
    ("member", Stage.MEMBER, lambda s: s, Serve),
    ("member that is off", Stage.MEMBER, lambda s: seen_with(s, power=PowerState.OFF), Join()),
    ("member in its airlock", Stage.MEMBER, lambda s: _port(s, AIRLOCK), Join()),
    ("member that is parked", Stage.MEMBER, lambda s: _port(s, PARKED), Join()),
    ("free but served", Stage.FRESH, lambda s: seen_with(s, power=PowerState.ON), Join()),
]


@pytest.mark.parametrize(("stage", "change", "course"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_course(stage: Stage, change: Change, course: Course | type) -> None:
    found = decide(change(_scene(stage)))
    assert found == course if not isinstance(course, type) else isinstance(found, course)


def test_a_member_with_unknown_power_serves_and_the_problem_is_told() -> None:
    found = decide(seen_with(_scene(Stage.MEMBER), power=PowerState.UNKNOWN))
    assert isinstance(found, Serve)
    assert found.problem == "its power state is not known"


def test_a_rejection_that_stands_keeps_a_node_out_whatever_is_wanted() -> None:
    barred = _head(_scene(Stage.MEMBER), phase=Phase.REJECTED, rejection=9, nonce=None, is_parked=True)
    assert decide(barred) == Expel()
    assert decide(_port(seen_with(barred, power=PowerState.OFF, assignment=None), PARKED)) == Rest()
    cleared = replace(
        barred, desired=site(nodes=[NodeShape(cleared=9)] * 2, enclaves=[EnclaveShape(name="blue", count=1)])
    )
    assert isinstance(decide(cleared), Join)
    assert isinstance(decide(_unwanted(cleared)), Leave)


def test_rejected_evidence_expels_with_every_reason() -> None:
    runner = at_stage(Stage.BOOTING)
    runner.world.machines["n1"].lie = Lie.CHANGED_EVENT
    runner.world.tick(BOOT_S)
    draft = runner.draft()
    verdict = rejected(draft)
    expected = Expel(causes=tuple(describe_reason(reason) for reason in verdict.reasons), rejected=verdict)
    assert decide(scene_of(draft)) == expected
    assert decide(scene_of(draft, wanted=None)) == expected


def test_a_silent_member_is_expelled_unless_newer_evidence_is_at_hand() -> None:
    runner = at_stage(Stage.MEMBER)
    silent = scene_of(runner.draft())
    silent = replace(silent, now=silent.now + timedelta(minutes=5))
    course = decide(silent)
    assert isinstance(course, Expel)
    assert course.causes[0].startswith("Silent: no evidence since 2026-03-03T12:00:")
    runner.world.tick(BOOT_S)
    spoke = scene_of(runner.draft())
    assert isinstance(decide(replace(spoke, now=spoke.now + timedelta(minutes=5))), Serve)
    assert isinstance(decide(_unwanted(silent)), Leave)
    assert isinstance(decide(seen_with(silent, assignment=None)), Join)


@pytest.mark.parametrize("listened", [True, False])
def test_a_node_that_does_not_prove_itself_in_time_is_expelled_if_somebody_listened(listened: bool) -> None:  # noqa: FBT001
    scene = _scene(Stage.BOOTING)
    late = replace(scene, now=scene.now + timedelta(minutes=11))
    late = late if listened else replace(late, listening_since=None)
    expected: Course = Expel(causes=("BootTimeout: it was not proven in time",)) if listened else Prove()
    assert decide(late) == expected
    assert decide(replace(late, listening_since=late.now)) == Prove()


def test_a_node_whose_evidence_waits_for_us_is_not_late() -> None:
    scene = _scene(Stage.PROVEN)
    assert isinstance(decide(replace(scene, now=scene.now + DAY)), Prove)


def test_an_attempt_without_a_start_is_not_late() -> None:
    scene = _head(_scene(Stage.BOOTING), assigned_at=None)
    assert decide(replace(scene, now=scene.now + DAY)) == Prove()


def test_a_member_that_does_not_call_from_inside_in_time_is_expelled() -> None:
    scene = _scene(Stage.ADMITTED)
    assert isinstance(decide(scene), Serve)
    assert scene.head is not None
    absent = _session(scene, presence=None)
    head_time = scene.head.admitted_at
    assert head_time is not None
    # The re-attestation interval of this enclave would end it first: three rounds of 30 s; the deadline is 2 min.
    slow = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1, reattest="1h")])
    late = replace(absent, desired=slow, now=head_time + timedelta(minutes=2, seconds=1))
    assert decide(late) == Expel(causes=("ConfirmTimeout: it did not call from inside the enclave's network in time",))
    assert isinstance(decide(replace(late, now=head_time + timedelta(minutes=2))), Serve)
    assert isinstance(decide(replace(late, seen=scene.seen)), Serve)


def test_presence_is_a_call_from_the_wanted_network_after_the_admission() -> None:
    scene = _scene(Stage.ADMITTED)
    assert is_present(scene)
    session = scene.seen.session
    assert session is not None
    assert session.presence is not None
    assert not is_present(_session(scene, presence=replace(session.presence, network="red-net")))
    early = replace(session.presence, seen_at=session.started_at)
    assert not is_present(_session(scene, presence=early))
    assert not is_present(_session(scene, presence=None))
    assert not is_present(seen_with(scene, session=None))
    assert not is_present(seen_with(scene, head=None))
    assert not is_present(_head(scene, admitted_at=None))


def test_acknowledgement_is_of_the_answer_to_the_verdict_at_hand() -> None:
    scene = _scene(Stage.KEYED)
    assert is_answered(scene)
    assert has_acknowledged(scene)
    assert has_every_key(scene)
    for other in (
        seen_with(scene, session=None),
        _session(scene, answered=None),
        replace(scene, verdict=None),
        _answered(scene, status=AnswerStatus.AGAIN),
        _answered(scene, nonce=b"\0" * 32),
    ):
        assert not is_answered(other)
        assert not has_acknowledged(other)
    unacknowledged = _answered(scene, receipts=None)
    assert is_answered(unacknowledged)
    assert not has_acknowledged(unacknowledged)
    assert not has_every_key(unacknowledged)
    assert not has_every_key(_answered(scene, receipts={"common": "ab", "more": "cd"}))
    assert not has_every_key(seen_with(scene, session=None))


def test_reasons_say_what_where_and_what_was_expected() -> None:
    plain = Reason(code="EventLogEmpty", message="there is no log")
    assert describe_reason(plain) == "EventLogEmpty: there is no log"
    full = replace(plain, pcr=4, event=7, event_type="EV_EFI_BOOT_SERVICES_APPLICATION", expected="aa", found="bb")
    text = describe_reason(full)
    assert "PCR 4" in text
    assert text.endswith("(expected aa, found bb)")
    assert describe_reason(replace(plain, expected="aa")).endswith("(expected aa, found nothing)")
    assert describe_reason(replace(plain, found="bb")).endswith("(expected nothing, found bb)")


@pytest.mark.parametrize(("phase", "rejection", "course"), [(Phase.REJECTED, 9, Expel()), (Phase.FREE, None, Leave())])
@pytest.mark.parametrize(("is_parked", "rests"), [(True, True), (None, True), (False, False)])
def test_a_node_rests_once_its_parking_is_on_record(
    phase: Phase, rejection: int | None, course: Course, *, is_parked: bool | None, rests: bool
) -> None:
    recorded = _head(_scene(Stage.MEMBER), phase=phase, rejection=rejection, nonce=None, is_parked=is_parked)
    seen = _port(seen_with(recorded, power=PowerState.OFF, assignment=None), PARKED)
    assert decide(replace(seen, wanted=None)) == (Rest() if rests else course)


def test_a_node_without_a_record_rests_parked_as_it_is() -> None:
    assert decide(replace(_scene(Stage.FRESH), wanted=None)) == Rest()


def test_a_member_that_is_on_record_as_parked_starts_over_wherever_its_port_is() -> None:
    assert isinstance(decide(_head(_scene(Stage.MEMBER), is_parked=True)), Join)


def test_drift_of_a_member_is_held_against_its_recorded_ports() -> None:
    member = _scene(Stage.MEMBER)
    parked = _head(member, is_parked=True, ports={"eno1": "access 999"})
    assert drift_of(member) is None
    assert drift_of(_port(parked, PARKED)) is None
    assert [d.expected for d in (drift_of(parked), drift_of(_port(member, PARKED))) if d] == [
        "parked",
        "on, in enclave blue",
    ]
