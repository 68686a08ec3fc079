"""Nodes that are not what they should be end rejected, parked, off and without keys; those who stay are keyed anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runner import LONG, Runner, assert_settled, members_of
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.worlds import EVIDENCE_LIES, MALICES, History, busy_sites

_KEYS = ("common", "disk")


def _world(*, nodes: int = 2, count: int = 2, keys: tuple[str, ...] = _KEYS) -> World:
    return World(site(nodes=nodes, enclaves=[EnclaveShape(name="blue", count=count, keys=keys)]))


def _assert_expelled(world: World, node: str) -> None:
    assert world.monitor.track(node).phase == "REJECTED"
    assert_settled(world)


def _knows_nothing(world: World, node: str) -> bool:
    return not world.monitor.track(node).knows and not any(
        effect.operation == "answer" and effect.detail == "accepted" for effect in world.line.effects if node
    )


@pytest.mark.parametrize("malice", [Malice.TAMPERED, Malice.FORGED_LOG, Malice.SILENT])
def test_a_node_that_cannot_prove_itself_is_rejected_and_never_gets_a_key(malice: Malice) -> None:
    world = _world(nodes=1, count=1)
    world.machines["n1"].malice = malice
    Runner(world).settle(rounds=80)
    _assert_expelled(world, "n1")
    assert _knows_nothing(world, "n1")


@pytest.mark.parametrize("lie", EVIDENCE_LIES)
def test_every_lie_in_evidence_ends_in_rejection_without_a_key(lie: Lie) -> None:
    world = _world(nodes=1, count=1)
    world.machines["n1"].lie = lie
    Runner(world).settle()
    _assert_expelled(world, "n1")
    assert _knows_nothing(world, "n1")


def test_a_swapped_tpm_ends_in_rejection_without_a_key() -> None:
    world = _world(nodes=1, count=1)
    world.swap_tpm("n1")
    Runner(world).settle()
    _assert_expelled(world, "n1")
    assert _knows_nothing(world, "n1")


def test_nodes_plugged_into_each_others_ports_are_not_admitted_as_each_other() -> None:
    world = _world()
    world.swap_cables("n1", "n2")
    Runner(world).settle(rounds=80)
    assert members_of(world, "blue") == []
    assert _knows_nothing(world, "n1")
    assert _knows_nothing(world, "n2")


def test_a_node_that_cannot_show_its_keys_is_never_admitted() -> None:
    world = _world(nodes=1, count=1)
    world.machines["n1"].malice = Malice.FALSE_RECEIPT
    runner = Runner(world)
    for _ in range(100):
        world.tick(20)
        runner.run()
        assert not world.states_of("n1")[0].is_access(200)
    assert world.machines["n1"].boots > 1, "it got no other chance"
    world.machines["n1"].malice = Malice.NONE
    runner.settle(rounds=80)
    assert members_of(world, "blue") == ["n1"]


@pytest.mark.parametrize("malice", [Malice.ABSENT, Malice.MUTE])
def test_a_node_that_misbehaves_after_its_proof_loses_trust_and_its_keys_are_rotated(malice: Malice) -> None:
    world = _world()
    world.machines["n2"].malice = malice
    Runner(world).settle(quiet_rounds=LONG, rounds=100)
    _assert_expelled(world, "n2")
    assert members_of(world, "blue") == ["n1"]
    assert world.custodian.current == {"common": 2, "disk": 2}


def test_a_member_whose_pcrs_change_is_expelled_and_the_stayer_is_keyed_anew() -> None:
    world = _world()
    runner = Runner(world)
    runner.settle()
    world.machines["n2"].alter()
    runner.settle(quiet_rounds=LONG)
    _assert_expelled(world, "n2")
    stayer = world.machines["n1"].agent
    assert stayer is not None
    assert {("common", 2), ("disk", 2)} <= set(stayer.keys)


def test_an_expelled_member_is_parked_before_it_loses_its_power() -> None:
    world = _world()
    runner = Runner(world)
    runner.settle()
    world.machines["n2"].alter()
    before = len(world.line.effects)
    runner.settle(quiet_rounds=LONG)
    done = [effect.operation for effect in world.line.effects[before:] if effect.subject in ("swp3", "n2", "common")]
    assert done[0] == "apply"
    assert done.index("rotate") < done.index("turn_off")


def test_a_member_that_resets_itself_is_out_before_it_can_serve_unproven() -> None:
    world = _world()
    runner = Runner(world)
    runner.settle()
    world.machines["n2"].reboot()
    runner.settle(quiet_rounds=LONG)
    _assert_expelled(world, "n2")


def test_silence_while_nobody_listens_is_not_held_against_a_member() -> None:
    world = _world()
    runner = Runner(world)
    runner.settle()
    world.service.stop()
    for _ in range(20):
        world.tick(60)
        runner.run()
    assert members_of(world, "blue") == ["n1", "n2"]
    world.service.start()
    runner.settle(quiet_rounds=LONG)
    assert members_of(world, "blue") == ["n1", "n2"]
    assert_settled(world)


def test_a_rejected_node_stays_out_until_a_commit_clears_it_and_then_proves_itself_afresh() -> None:
    world = _world(nodes=1, count=1)
    machine = world.machines["n1"]
    machine.malice = Malice.TAMPERED
    runner = Runner(world)
    runner.settle()
    boots = machine.boots
    machine.malice = Malice.NONE
    runner.settle(quiet_rounds=LONG)
    _assert_expelled(world, "n1")
    assert machine.boots == boots
    blue = [EnclaveShape(name="blue", count=1, keys=_KEYS)]
    world.trust(site(nodes=[NodeShape(cleared=world.monitor.track("n1").sequence)], enclaves=blue, revision=1))
    runner.settle()
    assert members_of(world, "blue") == ["n1"]
    assert machine.boots == boots + 1
    assert_settled(world)


def test_a_leaver_is_off_before_it_is_parked_and_free_only_with_its_keys_rotated() -> None:
    world = _world(nodes=1, count=1)
    runner = Runner(world)
    runner.settle()
    before = len(world.line.effects)
    world.trust(site(nodes=1, revision=1))
    runner.settle()
    done = [effect.operation for effect in world.line.effects[before:]]
    for first, then in (("turn_off", "apply"), ("apply", "append"), ("rotate", "append")):
        assert done.index(first) < done.index(then), f"{first} comes after {then}: {done}"
    assert_settled(world)


@given(
    story=busy_sites(max_nodes=4),
    malices=st.lists(st.sampled_from((Malice.NONE, *MALICES)), min_size=4, max_size=4),
    lies=st.lists(st.sampled_from((None, None, None, *EVIDENCE_LIES)), min_size=4, max_size=4),
    altered=st.sets(st.integers(0, 3)),
)
def test_any_mixture_of_good_and_bad_nodes_ends_with_the_good_ones_serving(
    story: History, malices: list[Malice], lies: list[Lie | None], altered: set[int]
) -> None:
    world = World(story.commits[0])
    bad = set()
    for index, machine in enumerate(world.machines.values()):
        machine.malice, machine.lie = malices[index], lies[index]
        if machine.malice is not Malice.NONE or machine.lie is not None:
            bad.add(machine.name)
    runner = Runner(world)
    runner.settle(quiet_rounds=LONG, rounds=400)
    for index in altered:
        name = f"n{index + 1}"
        if world.monitor.track(name).phase == "ENCLAVE":
            world.machines[name].alter()
            bad.add(name)
    runner.settle(quiet_rounds=LONG, rounds=400)
    assert_settled(world)
    served = members_of(world, "blue")
    assert not bad & set(served)
    assert len(served) == min(story.enclaves[0][0].count or 0, len(world.machines) - len(bad))
