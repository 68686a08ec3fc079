"""Drift of nodes and of ports that no node uses, what it is answered with, and when somebody else is given in to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.model.desired import DesiredState
from reconciler.model.drift import Fights
from reconciler.model.observed import UNKNOWN_PORT, PortState, PowerState
from reconciler.model.phase import Phase
from reconciler.plan.course import Course, Expel, Join, Leave, Rest, decide
from reconciler.plan.drift import deviation_of
from reconciler.plan.fights import calm_at, is_fight, recent
from reconciler.plan.scene import Scene
from reconciler.plan.spare import spare_ports
from tests.support.runner import Runner
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.stages import Stage, at_stage, scene_of, seen_with, with_head
from tests.support.world import TRUNK, World
from tests.support.world_switch import access

PARKED, AIRLOCK, INSIDE, FOREIGN = 999, 101, 200, 4000
HOUR = timedelta(hours=1)


def _declared(*, node: str = "heal", enclave: str = "heal") -> DesiredState:
    return site(nodes=[NodeShape(drift=node)] * 2, enclaves=[EnclaveShape(name="blue", count=1, drift=enclave)])


def _member(**declared: str) -> Scene:
    return scene_of(at_stage(Stage.MEMBER, desired=_declared(**declared)).draft())


def _at(scene: Scene, port: PortState, **seen: Any) -> Scene:  # noqa: ANN401 - NodeObservation's own fields
    return seen_with(scene, ports={"eno1": port}, **seen)


def _recorded(scene: Scene, phase: Phase, **changes: Any) -> Scene:  # noqa: ANN401 - Head's own fields
    """Return ``scene`` with a head in ``phase``, parked and off."""
    head = {"phase": phase, "nonce": None, "is_parked": True, "ports": {"eno1": f"access {PARKED}"}}
    recorded = replace(scene, seen=with_head(scene.seen, **(head | changes)), verdict=None)
    return _at(recorded, access(PARKED), power=PowerState.OFF, assignment=None, session=None)


def _free(**declared: str) -> Scene:
    return replace(_recorded(_member(**declared), Phase.FREE, enclave=None), wanted=None)


def _fought(scene: Scene) -> Scene:
    return replace(scene, bouts=tuple(scene.now - timedelta(minutes=minutes) for minutes in (30, 20, 10)))


def test_bouts_count_for_as_long_as_is_declared() -> None:
    now = _free().now
    fights = Fights(limit=2, within=HOUR)
    bouts = tuple(now - timedelta(minutes=minutes) for minutes in (90, 60, 59, 1))
    assert recent(bouts, fights=fights, now=now) == bouts[2:]
    assert is_fight(bouts, fights=fights, now=now)
    assert not is_fight(bouts[:3], fights=fights, now=now)
    assert calm_at(bouts, fights=fights, now=now) == bouts[2] + HOUR
    assert not is_fight(bouts, fights=fights, now=calm_at(bouts, fights=fights, now=now))


def test_a_node_without_a_record_has_not_drifted() -> None:
    fresh = scene_of(at_stage(Stage.FRESH).draft())
    assert deviation_of(_at(fresh, TRUNK, power=PowerState.ON)) is None


@pytest.mark.parametrize("enclave", ["heal", "quarantine"])
@pytest.mark.parametrize(
    ("seen", "is_foreign"),
    [
        ({"ports": {"eno1": TRUNK}}, True),
        ({"ports": {"eno1": access(FOREIGN)}}, True),
        ({"power": PowerState.OFF}, True),
        ({"ports": {"eno1": access(PARKED)}}, False),
        ({"ports": {"eno1": access(AIRLOCK)}}, False),
        ({"ports": {"eno1": TRUNK}, "power": PowerState.UNKNOWN}, False),
    ],
)
def test_a_member_that_drifted_starts_over_or_is_expelled(
    enclave: str, seen: dict[str, Any], *, is_foreign: bool
) -> None:
    scene = seen_with(_member(enclave=enclave), **seen)
    found = deviation_of(scene)
    assert found is not None
    assert found.is_foreign == is_foreign
    course = decide(scene)
    if enclave == "quarantine" and is_foreign:
        assert course == Expel(causes=(f"Drift: {found.words}",))
    else:
        assert isinstance(course, Join)


def test_a_member_whose_restart_may_have_begun_was_not_switched_off_by_somebody_else() -> None:
    scene = seen_with(_member(enclave="quarantine"), power=PowerState.OFF)
    held = deviation_of(replace(scene, is_held=True))
    assert held is not None
    assert not held.is_foreign
    assert deviation_of(seen_with(scene, assignment=None)) is None


def test_a_member_whose_network_was_moved_by_a_commit_has_not_drifted() -> None:
    scene = _member(enclave="quarantine")
    network = scene.desired.networks["blue-net"]
    moved = network.model_copy(update={"spec": network.spec.model_copy(update={"vlan": 260})})
    desired = replace(scene.desired, networks=dict(scene.desired.networks) | {"blue-net": moved})
    after = replace(scene, desired=desired)
    assert deviation_of(after) is None
    assert isinstance(decide(after), Join)


def test_a_node_in_its_airlock_drifts_only_to_where_nothing_of_ours_brings_it() -> None:
    booting = scene_of(at_stage(Stage.BOOTING, desired=_declared(enclave="quarantine")).draft())
    keyed = scene_of(at_stage(Stage.KEYED, desired=_declared(enclave="quarantine")).draft())
    for calm in (booting, _at(booting, access(PARKED)), _at(booting, UNKNOWN_PORT), _at(keyed, access(INSIDE))):
        assert deviation_of(calm) is None
    inside = deviation_of(_at(booting, access(INSIDE)))
    assert inside is not None
    assert (inside.is_foreign, inside.is_contained) == (False, False)
    assert isinstance(decide(_at(booting, access(INSIDE))), Join)
    assert isinstance(decide(_at(booting, access(FOREIGN))), Expel)
    assert isinstance(decide(_at(replace(booting, wanted=None), access(FOREIGN))), Leave)


def test_a_node_on_record_as_parked_drifts_when_its_port_is_opened() -> None:
    parked = _recorded(_member(), Phase.ENCLAVE)
    assert deviation_of(parked) is None
    assert deviation_of(_at(parked, access(AIRLOCK))) is None
    for seen in (_at(parked, TRUNK), _at(parked, access(AIRLOCK), power=PowerState.ON)):
        found = deviation_of(seen)
        assert found is not None
        assert found.expected == "parked"


@pytest.mark.parametrize(
    ("declared", "port", "power", "course"),
    [
        ("heal", access(PARKED), PowerState.ON, Leave),
        ("heal", access(FOREIGN), PowerState.OFF, Leave),
        ("report", access(PARKED), PowerState.ON, Rest),
        ("report", access(AIRLOCK), PowerState.ON, Rest),
        ("report", access(INSIDE), PowerState.ON, Leave),
        ("report", TRUNK, PowerState.OFF, Leave),
        ("report", UNKNOWN_PORT, PowerState.ON, Leave),
        ("quarantine", access(PARKED), PowerState.ON, Expel),
        ("quarantine", access(FOREIGN), PowerState.OFF, Expel),
        ("quarantine", access(AIRLOCK), PowerState.OFF, Leave),
        ("quarantine", UNKNOWN_PORT, PowerState.ON, Leave),
    ],
)
def test_a_free_node_that_drifted(declared: str, port: PortState, power: PowerState, course: type[Course]) -> None:
    found = decide(_at(_free(node=declared), port, power=power))
    assert isinstance(found, course)
    assert not isinstance(found, Rest) or "is reported only: should be off, parked" in found.problem


def test_a_free_node_that_is_on_its_way_or_whose_parking_was_moved_by_a_commit_has_not_drifted() -> None:
    free = _free(node="quarantine")
    assert deviation_of(_at(replace(free, wanted="blue"), access(AIRLOCK))) is None
    recorded = with_head(free.seen, ports={"eno1": "access 998"})
    moved = _at(replace(free, seen=recorded), access(998))
    assert deviation_of(moved) is None
    assert decide(moved) == Leave()
    served = scene_of(at_stage(Stage.MEMBER).draft()).seen.assignment
    assert decide(seen_with(_free(node="report"), assignment=served)) == Leave()


def test_a_rejected_node_is_put_to_rest_whatever_is_declared() -> None:
    rejected = replace(
        _recorded(_member(node="report", enclave="quarantine"), Phase.REJECTED, rejection=9), wanted=None
    )
    on = seen_with(rejected, power=PowerState.ON)
    assert decide(on) == Expel()
    cleared = _recorded(_member(node="report", enclave="quarantine"), Phase.REJECTED, rejection=0)
    assert decide(replace(seen_with(cleared, power=PowerState.ON), wanted=None)) == Leave()


def test_whoever_is_fought_over_is_rejected_and_then_left_alone_for_a_while() -> None:
    drifted = _at(_fought(_free()), access(FOREIGN))
    assert isinstance(decide(drifted), Expel)
    assert "Fought: put right 3 times since" in decide(drifted).causes[0]  # type: ignore[union-attr]  # asserted above
    assert decide(_fought(_free())) == Rest()
    unknown = _at(_fought(_free()), access(FOREIGN), power=PowerState.UNKNOWN)
    assert decide(unknown) == Leave()
    rejected = _fought(replace(_recorded(_member(), Phase.REJECTED, rejection=9), wanted=None))
    assert decide(rejected) == Rest()
    left = decide(_at(rejected, access(FOREIGN)))
    assert isinstance(left, Rest)
    assert "nothing is written to it before" in left.problem
    assert decide(_at(rejected, access(FOREIGN), power=PowerState.UNKNOWN)) == Expel()
    served = scene_of(at_stage(Stage.MEMBER).draft()).seen.assignment
    assert decide(_at(rejected, access(FOREIGN), assignment=served)) == Expel()
    later = replace(_at(rejected, access(FOREIGN)), now=rejected.now + HOUR)
    assert decide(later) == Expel()


@pytest.mark.parametrize(
    ("declared", "state", "is_parked", "has_drifted"),
    [
        ("heal", access(FOREIGN), True, True),
        ("heal", UNKNOWN_PORT, True, False),
        ("heal", access(PARKED), False, False),
        ("report", access(FOREIGN), False, True),
        ("report", access(INSIDE), True, True),
        ("report", access(150), True, True),
        ("report", TRUNK, True, True),
        ("report", UNKNOWN_PORT, True, False),
    ],
)
def test_a_port_that_no_node_uses(declared: str, state: PortState, *, is_parked: bool, has_drifted: bool) -> None:
    draft = Runner(World(site(nodes=1, switch_drift=declared))).draft()
    observed = replace(draft.observed, spare_ports={("tor-1", "swp3"): state})
    found = spare_ports(draft.desired, observed, now=observed.observed_at)
    assert [action.id for action in found.actions] == (["park/tor-1:swp3"] if is_parked else [])
    assert [drift.subject for drift in found.drift] == (["port/tor-1:swp3"] if has_drifted else [])
    assert len(found.problems) == (has_drifted and not is_parked)


def test_a_port_that_is_fought_over_is_not_parked_for_a_while() -> None:
    draft = Runner(World(site(nodes=1))).draft()
    now = draft.observed.observed_at
    bouts = {"port/tor-1:swp3": tuple(now - timedelta(minutes=minutes) for minutes in (30, 20, 10))}
    observed = replace(draft.observed, spare_ports={("tor-1", "swp3"): access(FOREIGN)}, bouts=bouts)
    found = spare_ports(draft.desired, observed, now=now)
    assert found.actions == ()
    assert "parked 3 times since" in found.problems[0].message
    assert len(spare_ports(draft.desired, observed, now=now + HOUR / 2).actions) == 1
