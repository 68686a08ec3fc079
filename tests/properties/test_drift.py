"""Drift is answered as it is declared; nobody is fought without end; what is left alone endangers nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import DesiredState
from reconciler.model.observed import PortMode, PortState
from tests.properties.test_crashes import _live_through
from tests.support.journalled import JournalledRunner, head_of
from tests.support.runner import LONG, Runner, assert_settled, members_of
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.world import FOREIGN_VLAN, TRUNK, World
from tests.support.world_switch import access
from tests.support.worlds import Misfortune, faults, misfortunes

LIMIT = 3
HOUR_S = 3600
NODE_DRIFT = ("heal", "report", "quarantine")
ENCLAVE_DRIFT = ("heal", "quarantine")
BLUE = EnclaveShape(name="blue", names=("n1",))
_PLACES = st.sampled_from((TRUNK, access(FOREIGN_VLAN), access(200), access(201), access(102)))


def _world(
    *, node: str = "heal", enclave: str = "heal", switch: str = "heal", blue: bool = True, fights: int = LIMIT
) -> World:
    shapes = [replace(BLUE, drift=enclave)] if blue else []
    nodes = [NodeShape(drift=node), NodeShape(drift=node)]
    return World(site(nodes=nodes, enclaves=shapes, switch_drift=switch, fights=fights))


def _use(world: World, runner: Runner, node: str) -> None:
    """Have ``node`` serve for a while, so that it is on record, and free again."""
    free = world.desired
    shapes = free.enclaves | site(nodes=2, enclaves=[EnclaveShape(name="red", names=(node,))]).enclaves
    keys = free.keys | site(nodes=2, enclaves=[BLUE]).keys
    owners = dict(free.owners) | {"red": "acme"}
    world.trust(replace(free, enclaves=shapes, keys=keys, owners=owners, commit="a" * 40))
    runner.settle()
    world.trust(replace(free, keys=keys, commit="b" * 40))
    runner.settle()
    assert world.monitor.track(node).phase == "FREE"


def _cleared(world: World, node: str) -> DesiredState:
    """Return the world's state with a commit that clears ``node``."""
    sequence = world.monitor.track(node).sequence
    nodes = dict(world.desired.nodes)
    spec = nodes[node].spec.model_copy(update={"cleared": sequence})
    nodes[node] = nodes[node].model_copy(update={"spec": spec})
    return replace(world.desired, nodes=nodes, commit="c" * 40)


def _writes(world: World, switch: str, port: str) -> int:
    device = f"switch/{switch}"
    return sum((effect.device, effect.subject) == (device, port) for effect in world.line.effects)


@given(moves=st.lists(_PLACES, min_size=12, max_size=25), wait=st.sampled_from((5, 20, 60)))
@pytest.mark.parametrize("policy", ENCLAVE_DRIFT)
def test_two_controllers_do_not_flap_a_members_port(policy: str, moves: list[PortState], wait: int) -> None:
    world = _world(enclave=policy)
    runner = JournalledRunner(world)
    runner.settle()
    switch, port = world.ports_of("n1")[0]
    before = _writes(world, switch, port)
    for state in moves:
        if members_of(world, "blue") == ["n1"] or world.monitor.track("n1").phase == "REJECTED":
            world.spoil_port("n1", state=state)
        runner.run()
        world.tick(wait)
    # Each time that it is put right it is parked, and brought through its airlock into the enclave again.
    assert _writes(world, switch, port) - before <= 3 * LIMIT + LIMIT + 1
    runner.run()
    world.monitor.check()


@given(moves=st.lists(_PLACES, min_size=10, max_size=25), spare=st.booleans())
def test_somebody_who_undoes_every_parking_is_given_in_to_for_a_while(moves: list[PortState], *, spare: bool) -> None:
    world = _world(blue=False)
    runner = JournalledRunner(world)
    _use(world, runner, "n2")
    switch, port = ("tor-1", "swp5") if spare else world.ports_of("n2")[0]
    before = _writes(world, switch, port)
    for state in moves:
        world.switches[switch].truth[port] = state
        runner.run()
        world.tick(20)
    world.switches[switch].truth[port] = moves[-1]
    last = runner.run()
    # A node is rejected for it, and parked once more; then it is left alone like any rejected one.
    assert LIMIT <= _writes(world, switch, port) - before <= LIMIT + 1
    assert last.plan is not None
    assert last.plan.is_empty()
    assert any("before 20" in problem.message for problem in last.plan.problems)
    world.tick(2 * HOUR_S)
    runner.settle()
    assert world.switches[switch].truth[port].is_access(999)
    assert world.monitor.track("n2").phase == ("FREE" if spare else "REJECTED")


def test_a_node_that_was_fought_over_serves_again_once_it_is_cleared() -> None:
    world = _world()
    runner = JournalledRunner(world)
    runner.settle()
    for _ in range(LIMIT + 1):
        assert members_of(world, "blue") == ["n1"]
        world.spoil_port("n1")
        runner.settle()
    assert world.monitor.track("n1").phase == "REJECTED"
    world.tick(2 * HOUR_S)
    world.trust(_cleared(world, "n1"))
    runner.settle()
    assert members_of(world, "blue") == ["n1"]


def test_a_fight_is_counted_over_restarts_and_in_the_journal_alone() -> None:
    world = _world(fights=1)
    runner = JournalledRunner(world)
    runner.settle()
    world.spoil_port("n1")
    runner.settle()
    assert set(head_of(world).bouts or {}) == {"node/n1"}
    world.spoil_port("n1")
    runner.settle()
    assert world.monitor.track("n1").phase == "REJECTED"
    without = _world(fights=1)
    plain = Runner(without)
    plain.settle()
    for _ in range(3):
        without.spoil_port("n1")
        plain.settle()
    assert members_of(without, "blue") == ["n1"]


@given(
    policies=st.tuples(
        st.sampled_from(NODE_DRIFT), st.sampled_from(ENCLAVE_DRIFT), st.sampled_from(("heal", "report"))
    ),
    events=st.lists(st.tuples(misfortunes(), st.sampled_from((0, 5, 20, 60))), min_size=1, max_size=8),
    broken=st.lists(faults(), max_size=2),
    crashes=st.lists(st.integers(1, 60), max_size=8),
)
def test_no_answer_to_drift_ever_opens_a_gate(
    policies: tuple[str, str, str],
    events: list[tuple[Misfortune, int]],
    broken: list[object],
    crashes: list[int],
) -> None:
    world = _world(node=policies[0], enclave=policies[1], switch=policies[2])
    runner = JournalledRunner(world)
    runner.settle()
    world.line.faults = list(broken)  # type: ignore[arg-type]  # they are faults
    names = sorted(world.machines)
    for index, (misfortune, wait) in enumerate(events):
        world.befall(misfortune.what, node=names[misfortune.node % len(names)])
        runner.run(crash_at=crashes[index] if index < len(crashes) else None)
        world.tick(wait)
        runner.run()
    world.line.faults.clear()
    world.tick(25 * HOUR_S)
    runner.settle(quiet_rounds=LONG)
    world.monitor.check()
    for node in names:
        _assert_endangers_nobody(world, node)


def _assert_endangers_nobody(world: World, node: str) -> None:
    """Require that a node that is no member has its ports parked or in its own airlock."""
    if world.monitor.track(node).phase == "ENCLAVE":
        return
    first, *others = world.states_of(node)
    own = (world.parking_of(node), world.airlock_of(node))
    assert any(first.is_access(vlan) for vlan in own), f"{node} is at {first}"
    assert all(state.is_access(world.parking_of(node)) for state in others)


@pytest.mark.parametrize("enclave", ENCLAVE_DRIFT)
def test_no_death_at_any_point_is_taken_for_somebody_elses_doing(enclave: str) -> None:
    nodes = (NodeShape(interfaces=2, drift="quarantine"), NodeShape(drift="quarantine"))
    shapes = [
        [EnclaveShape(name="blue", count=1, keys=("common",), drift=enclave)],
        [EnclaveShape(name="blue", count=2, keys=("common",), image="worker-2", drift=enclave)],
        [EnclaveShape(name="green", names=("n1",), keys=("common",), drift=enclave)],
        [],
    ]
    commits = [site(nodes=nodes, enclaves=e, revision=number) for number, e in enumerate(shapes, start=1)]
    points = _live_through(World(site(nodes=nodes)), commits, crash_at=None)
    for crash_at in range(1, points + 1):
        world = World(site(nodes=nodes))
        _live_through(world, commits, crash_at=crash_at)
        Runner(world).settle()
        assert_settled(world)
        assert {world.monitor.track(node).phase for node in world.desired.nodes} == {"FREE"}


@pytest.mark.parametrize("what", ["trunk", "foreign-vlan", "neighbour"])
@pytest.mark.parametrize("policy", NODE_DRIFT)
@pytest.mark.parametrize("with_power", [False, True])
def test_a_free_node_is_answered_as_its_document_says(policy: str, what: str, *, with_power: bool) -> None:
    world = _world(node=policy, blue=False)
    runner = JournalledRunner(world)
    _use(world, runner, "n2")
    world.befall(what, node="n2")
    if with_power:
        world.machines["n2"].power_on()
    runner.settle()
    assert world.states_of("n2")[0].is_access(999)
    assert not world.machines["n2"].is_on
    assert world.monitor.track("n2").phase == ("REJECTED" if policy == "quarantine" else "FREE")


@pytest.mark.parametrize("policy", NODE_DRIFT)
def test_a_free_node_that_somebody_switched_on_is_left_alone_where_that_is_declared(policy: str) -> None:
    world = _world(node=policy, blue=False)
    runner = JournalledRunner(world)
    _use(world, runner, "n2")
    world.machines["n2"].power_on()
    last = runner.settle(quiet_rounds=LONG)
    assert last.plan is not None
    assert world.machines["n2"].is_on == (policy == "report")
    assert world.monitor.track("n2").phase == ("REJECTED" if policy == "quarantine" else "FREE")
    assert [p.subject for p in last.plan.problems] == (["node/n2"] if policy == "report" else [])
    standing = [drift.subject for drift in head_of(world).drift]
    assert standing == (["node/n2"] if policy == "report" else [])
    world.trust(site(nodes=[NodeShape(drift=policy)] * 2, enclaves=[EnclaveShape(name="blue", count=2)], revision=2))
    runner.settle()
    assert members_of(world, "blue") == (["n1"] if policy == "quarantine" else ["n1", "n2"])


@pytest.mark.parametrize("policy", ENCLAVE_DRIFT)
@pytest.mark.parametrize("what", ["trunk", "foreign-vlan", "power-button"])
def test_a_member_is_started_over_or_rejected_as_its_enclave_says(policy: str, what: str) -> None:
    world = _world(enclave=policy)
    runner = JournalledRunner(world)
    runner.settle()
    boots = world.machines["n1"].boots
    world.befall(what, node="n1")
    runner.settle()
    assert world.monitor.track("n1").phase == ("ENCLAVE" if policy == "heal" else "REJECTED")
    assert world.machines["n1"].boots == boots + (policy == "heal")
    assert_settled(world)


@pytest.mark.parametrize(
    ("state", "is_left"),
    [(access(FOREIGN_VLAN), True), (access(200), False), (access(150), False), (TRUNK, False)],
)
def test_a_port_that_no_node_uses_is_left_alone_where_that_is_declared_and_harmless(
    state: PortState, *, is_left: bool
) -> None:
    world = _world(switch="report", blue=False)
    runner = JournalledRunner(world)
    runner.settle()
    world.switches["tor-1"].truth["swp5"] = state
    last = runner.settle()
    assert last.plan is not None
    assert (world.switches["tor-1"].truth["swp5"].mode, is_left) in {(PortMode.ACCESS, True), (PortMode.ACCESS, False)}
    assert world.switches["tor-1"].truth["swp5"].is_access(999) != is_left
    assert [p.subject for p in last.plan.problems] == (["port/tor-1:swp5"] if is_left else [])


@pytest.mark.parametrize("policy", ENCLAVE_DRIFT)
def test_a_commit_that_moves_a_network_is_nobodys_doing(policy: str) -> None:
    world = _world(enclave=policy)
    runner = JournalledRunner(world)
    runner.settle()
    network = world.desired.networks["blue-net"]
    moved = network.model_copy(update={"spec": network.spec.model_copy(update={"vlan": 260})})
    networks = dict(world.desired.networks) | {"blue-net": moved}
    world.trust(replace(world.desired, networks=networks, commit="d" * 40))
    runner.settle()
    assert members_of(world, "blue") == ["n1"]
    assert world.states_of("n1")[0].is_access(260)
    assert head_of(world).bouts is None
