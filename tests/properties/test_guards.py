"""Guards: under a freeze nothing widens and trust is withdrawn all the same; held members stay proven; budgets hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.evidence.audit import read_records
from reconciler.model.desired import DesiredState
from reconciler.model.observed import PortMode
from tests.properties.test_evidence import _audit
from tests.support.branches import archive_of, branch_with
from tests.support.monitor_records import Said, read_entry
from tests.support.runner import LONG, ROUND_S, Runner, assert_nobody_is_rejected, assert_settled, members_of
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.worlds import EVIDENCE_LIES, MALICES, History, histories, misfortunes

FAIR = "a fair"
WIDENING = frozenset({"AssignImage", "PowerOn", "EnterAirlock", "Admit"})
NIGHTS: dict[str, Any] = {"start": "22:00", "duration": "4h"}
"""The simulated clock starts at noon of a Tuesday."""


def frozen(desired: DesiredState, reason: str = FAIR) -> DesiredState:
    spec = site(freeze=reason).repository.spec
    repository = desired.repository
    changed = repository.spec.model_copy(update={"freeze": spec.freeze})
    return replace(desired, repository=repository.model_copy(update={"spec": changed}))


def wider(world: World) -> set[tuple[str, str, int | None]]:
    """Return every port that leads anywhere but to the parking, and who is served; what a freeze may only shrink."""
    parked = {switch: world.parking_at(switch) for switch in world.switches}
    return {
        (name, port, state.vlan)
        for name, switch in world.switches.items()
        for port, state in switch.truth.items()
        if state.mode is PortMode.ACCESS and state.vlan != parked[name]
    }


def said_since(world: World, rounds: int) -> list[Said]:
    """Return what was recorded after the first ``rounds`` of the ledger."""
    return [said for entries in world.ledger.rounds[rounds:] for entry in entries for said in read_entry(entry)]


@given(
    history=histories(max_nodes=3, max_commits=3),
    waits=st.lists(st.sampled_from((0, 5, 20, 40)), min_size=1, max_size=8),
    malices=st.lists(st.sampled_from((Malice.NONE, Malice.NONE, *MALICES)), min_size=3, max_size=3),
    falls=st.lists(misfortunes(), max_size=3),
    rounds=st.integers(1, 14),
)
def test_under_a_freeze_nothing_widens_and_afterwards_the_world_converges(
    history: History, waits: list[int], malices: list[Malice], falls: list[Any], rounds: int
) -> None:
    world = World(history.commits[0])
    for machine, malice in zip(world.machines.values(), malices, strict=False):
        machine.malice = malice
    runner = Runner(world)
    for wait in waits:
        runner.run()
        world.tick(wait)
    names = sorted(world.machines)
    world.trust(frozen(history.commits[-1]))
    for number in range(rounds):
        for fall in falls if number == 0 else []:
            world.befall(fall.what, node=names[fall.node % len(names)])
        ports, served, recorded = wider(world), set(world.counter.assignments), len(world.ledger.rounds)
        on = {name for name, machine in world.machines.items() if machine.is_on}
        versions = {name: dict(world.monitor.track(name).knows) for name in names}
        made = runner.run()
        assert made.plan is None or not WIDENING & {type(action).__name__ for action in made.plan.actions}
        assert wider(world) <= ports
        assert set(world.counter.assignments) <= served
        assert {name for name, machine in world.machines.items() if machine.is_on} <= on
        for one in said_since(world, recorded):
            assert one.event not in {"assigned", "admitted"}, f"{one.node} is {one.event} under a freeze"
            is_gone = one.enclave not in world.desired.enclaves
            assert one.event != "returned" or is_gone, f"{one.node} left {one.enclave} under a freeze"
        for name in names:
            assert set(world.monitor.track(name).knows) <= set(versions[name]), f"{name} was given another key"
        world.tick(ROUND_S)
    world.trust(replace(history.commits[-1], commit="f" * 40))
    runner.settle(quiet_rounds=LONG, rounds=400)
    assert_settled(world)
    assert _audit(world).flaws == []


@given(history=histories(max_nodes=3), rounds=st.integers(1, 12))
def test_honest_members_serve_through_a_freeze_whatever_it_holds(history: History, rounds: int) -> None:
    world = World(history.commits[0])
    runner = Runner(world)
    runner.settle()
    before = {name: machine.boots for name, machine in world.machines.items()}
    members = {name: members_of(world, name) for name in history.commits[-1].enclaves}
    world.trust(frozen(history.commits[-1]))
    for _ in range(rounds):
        runner.run()
        world.tick(ROUND_S)
    runner.run()
    pcrs = {
        name: (desired.policies[enclave.spec.policy].spec.pcrs)
        for desired in (history.commits[0],)
        for name, enclave in desired.enclaves.items()
    }
    for enclave, nodes in members.items():
        spec = history.commits[-1].enclaves[enclave].spec
        if history.commits[-1].policies[spec.policy].spec.pcrs == pcrs.get(enclave):
            assert members_of(world, enclave) == nodes
            assert all(world.machines[node].is_on and world.machines[node].boots == before[node] for node in nodes)
    assert_nobody_is_rejected(world)
    assert _audit(world).flaws == []


def _member_of_a_rebuilt_image(**guard: Any) -> tuple[World, Runner]:  # noqa: ANN401 - of site and shape
    """Return a world whose three members wait for their restart into another image."""
    shape = EnclaveShape(name="blue", count=3, keys=("common",), **guard.pop("shape", {}))
    world = World(site(nodes=4, enclaves=[shape]))
    runner = Runner(world)
    runner.settle()
    assert members_of(world, "blue") == ["n1", "n2", "n3"]
    world.trust(site(nodes=4, enclaves=[shape], revision=1, measured="rebuilt", **guard))
    return world, runner


# Evidence under a clock that is not safe is asked for again instead, and silence ends it.
@pytest.mark.parametrize("lie", [lie for lie in EVIDENCE_LIES if lie is not Lie.UNSAFE_CLOCK])
def test_a_held_member_with_bad_evidence_is_expelled_at_once(lie: Lie) -> None:
    world, runner = _member_of_a_rebuilt_image(freeze=FAIR)
    for _ in range(6):
        runner.run()
        world.tick(ROUND_S)
    assert members_of(world, "blue") == ["n1", "n2", "n3"]
    world.machines["n2"].lie = lie
    for _ in range(4):
        world.tick(ROUND_S)
        runner.run()
    assert world.monitor.track("n2").phase == "REJECTED"
    assert world.states_of("n2")[0].is_access(world.parking_of("n2"))
    for _ in range(4):
        world.tick(ROUND_S)
        runner.run()
    assert members_of(world, "blue") == ["n1", "n3"], "nobody takes its place while the freeze stands"
    version = world.custodian.current["common"]
    assert version == 2
    for name in ("n1", "n3"):
        agent = world.machines[name].agent
        assert agent is not None
        assert ("common", version) in agent.keys, f"{name} was not keyed anew"
    assert _audit(world).flaws == []


@pytest.mark.parametrize("what", ["alter", "silence"])
def test_a_held_member_that_changes_or_falls_silent_is_expelled(what: str) -> None:
    world, runner = _member_of_a_rebuilt_image(maintenance=[NIGHTS])
    runner.run()
    if what == "alter":
        world.machines["n2"].alter()
    else:
        agent = world.machines["n2"].agent
        assert agent is not None
        agent.malice = Malice.MUTE
    for _ in range(10):
        world.tick(ROUND_S)
        runner.run()
    assert world.monitor.track("n2").phase == "REJECTED"
    assert _audit(world).flaws == []


def test_a_held_member_is_appraised_against_its_own_image_and_the_record_says_of_which_commit() -> None:
    world, runner = _member_of_a_rebuilt_image(freeze=FAIR)
    first = next(iter(world.trusted))
    recorded = len(world.ledger.rounds)
    for _ in range(8):
        world.tick(ROUND_S)
        runner.run()
    appraised = {one.node for one in said_since(world, recorded) if one.verdict == "accepted"}
    assert appraised == {"n1", "n2", "n3"}
    found = _audit(world)
    assert found.flaws == []
    branch = branch_with([entry for entries in world.ledger.rounds for entry in entries])
    records = read_records(branch, archive=archive_of(world.trusted, branch))
    dated = {r.appraisal.image_commit for r in records if r.appraisal and r.commit == world.desired.commit}
    assert dated == {first}


def test_a_member_whose_former_image_nobody_knows_is_not_held() -> None:
    world, runner = _member_of_a_rebuilt_image(maintenance=[NIGHTS])
    world.desired = replace(world.desired, former_images={})
    plan = runner.draft().plan
    assert {action.subject for action in plan.actions if action.verb == "power-off"} == {"n1", "n2", "n3"}
    assert plan.held == ()


@given(count=st.integers(1, 4), budget=st.integers(1, 4), bad=st.sampled_from((None, None, "n1", "n2")))
def test_never_more_than_the_budget_is_missing_because_of_us(count: int, budget: int, bad: str | None) -> None:
    blue = EnclaveShape(name="blue", count=count, max_unavailable=budget)
    world = World(site(nodes=4, enclaves=[blue]))
    runner = Runner(world)
    runner.settle()
    world.trust(site(nodes=4, enclaves=[replace(blue, image="worker-2")], revision=1))
    least = count
    for number in range(50):
        if number == 1 and bad is not None:
            world.machines[bad].malice = Malice.TAMPERED
        runner.run()
        serving = len(members_of(world, "blue"))
        assert serving >= count - max(budget, 1), f"{serving} of {count} serve, the budget is {budget}"
        least = min(least, serving)
        world.tick(ROUND_S)
    assert least == max(0, count - budget), "the budget was not used"
    last = runner.settle(quiet_rounds=LONG, rounds=200)
    assert last.plan is not None
    if last.plan.held:
        assert (count, budget, world.monitor.track(bad or "").phase) == (4, 1, "REJECTED"), "nobody can take its place"
    else:
        assert_settled(world)
    assert _audit(world).flaws == []


def test_a_member_that_is_missing_already_uses_up_the_budget() -> None:
    world, runner = _member_of_a_rebuilt_image(shape={"max_unavailable": 1})
    spare = world.machines["n4"]
    spare.malice = Malice.SILENT
    world.machines["n2"].lie = Lie.CLAIMED_PCR
    world.desired = world.trusted[next(iter(world.trusted))]
    runner.settle(quiet_rounds=LONG, rounds=200)
    assert members_of(world, "blue") == ["n1", "n3"]
    world.trust(list(world.trusted.values())[-1])
    plan = runner.draft().plan
    assert {held.subject for held in plan.held} == {"node/n1", "node/n3"}
    assert {held.why for held in plan.held} == {
        "the disruption budget of blue is 1; missing: a place that nobody fills"
    }
    assert plan.is_empty()


@pytest.mark.parametrize("owner", ["repository", "enclave", "both"])
def test_outside_the_windows_no_member_is_disturbed_and_inside_they_restart(owner: str) -> None:
    enclave = {"shape": {"maintenance": (NIGHTS,)}} if owner != "repository" else {}
    site_ = {"maintenance": [NIGHTS]} if owner != "enclave" else {}
    world, runner = _member_of_a_rebuilt_image(**enclave, **site_)
    boots = [machine.boots for machine in world.machines.values()]
    for hour in (21, 3):
        _skip_to(hour, world)
        for _ in range(12):
            runner.run()
            world.tick(ROUND_S)
            assert [machine.boots for machine in world.machines.values()] == boots
        assert members_of(world, "blue") == ["n1", "n2", "n3"]
    _skip_to(1, world)
    runner.settle(rounds=200)
    assert_settled(world)
    assert _audit(world).flaws == []


def _skip_to(hour: int, world: World) -> None:
    """Let the service be away until ``hour``: nobody is held to a silence that nobody listened to."""
    world.service.stop()
    while world.clock.now().hour != hour:
        world.clock.advance(600)
    world.service.start()


def test_a_suspended_enclave_keeps_its_members_and_its_neighbours_go_on() -> None:
    blue = EnclaveShape(name="blue", names=("n1", "n2"), keys=("common",))
    green = EnclaveShape(name="green", names=("n3",), keys=("disk",))
    world = World(site(nodes=4, enclaves=[blue, green]))
    runner = Runner(world)
    runner.settle()
    boots = [world.machines[name].boots for name in ("n1", "n2")]
    blue = replace(blue, names=("n1", "n4"), image="worker-2", suspend=True)
    world.trust(site(nodes=4, enclaves=[blue, replace(green, names=("n2",))], revision=1))
    for _ in range(20):
        runner.run()
        world.tick(ROUND_S)
    assert members_of(world, "blue") == ["n1", "n2"], "n2 neither leaves blue nor joins green; n4 does not come"
    assert [world.machines[name].boots for name in ("n1", "n2")] == boots
    assert world.monitor.track("n3").phase == "FREE", "green is not suspended"
    held = {(held.subject, held.due) for held in runner.draft().plan.held}
    assert held == {
        ("node/n1", "to start over in enclave blue"),
        ("node/n2", "to leave enclave blue"),
        ("node/n4", "to join enclave blue"),
    }
    world.trust(site(nodes=4, enclaves=[replace(blue, suspend=False), replace(green, names=("n2",))], revision=2))
    runner.settle(rounds=200)
    assert_settled(world)
    assert_nobody_is_rejected(world)


@pytest.mark.parametrize("seconds", [0, 45, 60])
def test_a_node_in_its_airlock_waits_out_a_freeze_and_is_not_late(seconds: int) -> None:
    desired = site(nodes=[NodeShape()], enclaves=[EnclaveShape(name="blue", count=1)])
    world = World(desired)
    runner = Runner(world)
    runner.run()
    world.tick(seconds)
    world.trust(replace(frozen(desired), commit="e" * 40))
    for _ in range(60):
        runner.run()
        world.tick(30)
    assert world.monitor.track("n1").phase == "AIRLOCK"
    world.trust(replace(desired, commit="f" * 40))
    runner.settle(rounds=200)
    assert members_of(world, "blue") == ["n1"]
    assert_nobody_is_rejected(world)


def test_a_member_that_loses_its_power_under_a_freeze_is_secured_and_comes_back_after_it() -> None:
    world = World(site(nodes=1, enclaves=[EnclaveShape(name="blue", count=1, keys=("common",))]))
    runner = Runner(world)
    runner.settle()
    desired = world.desired
    world.trust(replace(frozen(desired), commit="e" * 40))
    world.machines["n1"].power_off()
    for _ in range(20):
        runner.run()
        world.tick(ROUND_S)
    assert world.monitor.track("n1").phase == "ENCLAVE"
    assert world.states_of("n1")[0].is_access(world.parking_of("n1"))
    assert runner.draft().plan.is_empty()
    assert world.custodian.current == {"common": 1}
    world.trust(replace(desired, commit="f" * 40))
    runner.settle()
    assert members_of(world, "blue") == ["n1"]
    assert_settled(world)
