"""A node's scene: each question is answered yes for known facts only."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState, PowerState
from reconciler.model.phase import Phase
from reconciler.plan.scene import SILENT_ROUNDS, Scene
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.stages import BLUE, Stage, at_stage, scene_of, seen_with, with_head
from tests.support.world_switch import access


def _scene(stage: Stage, **changes: Any) -> Scene:  # noqa: ANN401 - Scene's own fields
    return scene_of(at_stage(stage).draft(), **changes)


def test_a_fresh_node_is_at_rest_and_free() -> None:
    scene = _scene(Stage.FRESH)
    assert scene.is_at_rest()
    assert (scene.head, scene.phase) == (None, Phase.FREE)
    assert scene.standing_assignment() is None
    assert not scene.is_recorded()
    assert scene.outdated_keys({"common": 1}) == ("common",)


@pytest.mark.parametrize("power", [PowerState.ON, PowerState.UNKNOWN])
def test_a_node_that_is_not_known_to_be_off_is_not_at_rest(power: PowerState) -> None:
    scene = seen_with(_scene(Stage.FRESH), power=power)
    assert not scene.is_off()
    assert not scene.is_at_rest()


@pytest.mark.parametrize("state", [UNKNOWN_PORT, PortState(mode=PortMode.OTHER), access(200)])
def test_a_port_that_is_not_known_to_be_parked_is_not_parked(state: PortState) -> None:
    scene = seen_with(_scene(Stage.FRESH), ports={"eno1": state})
    assert not scene.is_parked()
    assert not scene.is_at_rest()
    assert scene.has_unknown_port() == (state is UNKNOWN_PORT)


def test_a_port_that_was_not_seen_is_unknown() -> None:
    scene = seen_with(_scene(Stage.FRESH), ports={})
    assert scene.has_unknown_port()
    assert not scene.is_parked()


def test_only_the_first_port_leaves_the_parking() -> None:
    desired = site(nodes=[NodeShape(interfaces=2)], enclaves=[BLUE])
    scene = scene_of(at_stage(Stage.FRESH, desired=desired).draft())
    assert [port.vlan for port in scene.airlock_ports()] == [101, 999]
    assert [port.vlan for port in scene.enclave_ports()] == [200, 999]
    assert [port.vlan for port in scene.parked_ports()] == [999, 999]


def test_the_assignment_stands_while_it_is_recorded_wanted_and_of_today() -> None:
    scene = _scene(Stage.BOOTING)
    assert scene.standing_assignment() is scene.seen.assignment
    assert replace(scene, wanted=None).standing_assignment() is None
    assert seen_with(scene, assignment=None).standing_assignment() is None
    assert seen_with(scene, head=None).standing_assignment() is None
    assert replace(scene, seen=with_head(scene.seen, attempt="another")).standing_assignment() is None
    assert replace(scene, seen=with_head(scene.seen, enclave="red")).standing_assignment() is None
    rebuilt = site(nodes=2, enclaves=[BLUE], measured="rebuilt")
    assert replace(scene, desired=rebuilt).standing_assignment() is None
    stricter = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1, policy="pinned")])
    assert replace(scene, desired=stricter).standing_assignment() is None


def test_a_verdict_is_recorded_once_its_nonce_is_in_the_head() -> None:
    assert not _scene(Stage.PROVEN).is_recorded()
    scene = _scene(Stage.KEYED)
    assert scene.is_recorded()
    assert not replace(scene, verdict=None).is_recorded()
    assert not replace(scene, seen=with_head(scene.seen, nonce="00" * 32)).is_recorded()


def test_it_is_our_turn_from_evidence_to_answer() -> None:
    assert not _scene(Stage.BOOTING).is_our_turn()
    assert _scene(Stage.PROVEN).is_our_turn()
    answered = _scene(Stage.KEYED)
    assert not answered.is_our_turn()
    assert answered.answered_at() is not None
    assert _scene(Stage.PROVEN).answered_at() is None
    session = answered.seen.session
    assert session is not None
    assert not seen_with(answered, session=replace(session, evidence=None)).is_our_turn()
    assert seen_with(answered, session=replace(session, evidence=None)).answered_at() is None


def test_evidence_for_a_hoarded_challenge_does_not_make_it_our_turn() -> None:
    scene = _scene(Stage.KEYED)
    session = scene.seen.session
    assert session is not None
    assert session.evidence is not None
    assert session.answered is not None
    for seconds, is_ours in ((-1, False), (0, True), (1, True)):
        drawn = session.answered.answered_at + timedelta(seconds=seconds)
        newer = replace(session.evidence, nonce=b"\1" * 32, challenged_at=drawn)
        changed = seen_with(scene, session=replace(session, evidence=newer))
        assert changed.is_our_turn() == is_ours
        assert changed.answered_at() is None


def test_a_member_is_silent_only_when_somebody_listened_for_long_enough() -> None:
    scene = _scene(Stage.MEMBER)
    assert scene.head is not None
    heard = scene.answered_at()
    assert heard is not None
    limit = SILENT_ROUNDS * timedelta(seconds=30)
    assert replace(scene, now=heard + limit).silence_since() is None
    late = replace(scene, now=heard + limit + timedelta(seconds=1))
    assert late.silence_since() == scene.head.accepted_at
    assert replace(late, listening_since=None).silence_since() is None
    assert replace(late, listening_since=late.now).silence_since() is None
    assert replace(late, seen=with_head(late.seen, accepted_at=None)).silence_since() is None
    assert replace(late, seen=with_head(late.seen, phase=Phase.AIRLOCK)).silence_since() is None
    assert seen_with(late, head=None).silence_since() is None


def test_a_member_whose_enclave_is_gone_has_no_grace() -> None:
    scene = _scene(Stage.MEMBER)
    gone = replace(scene, desired=site(nodes=2), now=scene.now + timedelta(seconds=1))
    assert gone.silence_since() is not None


def test_keys_are_outdated_by_newer_versions_only() -> None:
    scene = _scene(Stage.MEMBER)
    assert scene.outdated_keys({"common": 1}) == ()
    assert scene.outdated_keys({"common": 2}) == ("common",)
    assert scene.outdated_keys({}) == ()
