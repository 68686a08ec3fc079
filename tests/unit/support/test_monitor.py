"""The monitor sees every broken guarantee: each test here breaks one on purpose and expects to be caught."""

from __future__ import annotations

from typing import Any

import pyrage
import pytest

from reconciler.evidence.author import Author, News
from reconciler.model.observed import AnswerStatus
from reconciler.model.record import Event
from reconciler.ports.attestation import Answer
from reconciler.ports.ledger import Entry
from tests.support.runner import EVIDENCE_KEY, Runner
from tests.support.sites import PARKING, EnclaveShape, site
from tests.support.softtpm import DEFAULT_PCRS, Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.world_switch import access, send

_BLUE = EnclaveShape(name="blue", names=("n1",))


@pytest.fixture
def world() -> World:
    """Return a world in which n1 serves blue and n2 is free, and a process that has looked at everything."""
    made = World(site(nodes=2, enclaves=[_BLUE]))
    runner = Runner(made)
    runner.settle()
    look(made)
    return made


@pytest.fixture
def waiting() -> World:
    """Return a world in which n1 is in its airlock and has sent its evidence."""
    made = World(site(nodes=2, enclaves=[_BLUE]))
    Runner(made).run()
    made.tick(40)
    look(made)
    return made


def look(world: World) -> None:
    world.start_process()
    for power in world.power.values():
        power.status()
    for switch in world.switches.values():
        switch.read_ports(sorted(switch.truth))


def move(world: World, node: str, vlan: int) -> None:
    switch, port = world.ports_of(node)[0]
    send(world.switches[switch], port, vlan=vlan)


def entry(world: World, node: str, event: Event, **details: Any) -> Entry:  # noqa: ANN401 - fields of Record
    author = Author(sign=EVIDENCE_KEY.sign, key_id="evidence", commit=world.desired.commit, tree=world.desired.tree)
    news = News(node=node, event=event, endorsement=world.endorsement_of(node), details=details)
    return author.entry(world.ledger.heads().get(node), news, at=world.clock.now())


def accept(world: World) -> Answer:
    session = world.desk.sessions()["n1"]
    assert session.evidence is not None
    return Answer(session=session.session, nonce=session.evidence.nonce, status=AnswerStatus.ACCEPTED)


def prove(world: World) -> None:
    """Let the reconciler record, answer, and wait; n1 acknowledges."""
    runner = Runner(world)
    runner.run()
    world.tick(5)
    look(world)


def caught(message: str) -> Any:  # noqa: ANN401 - pytest's own
    return pytest.raises(AssertionError, match=message)


def test_a_good_life_is_not_complained_about(world: World) -> None:
    world.trust(site(nodes=2, revision=1))
    Runner(world).settle()
    assert world.monitor.violations == []


def test_1_a_network_without_proof_is_caught(world: World) -> None:
    with caught("n2 is moved to VLAN 200"):
        move(world, "n2", 200)
    with caught("n2 is moved to VLAN 200"):
        world.monitor.check()


def test_1_a_network_before_the_acknowledgement_is_caught(waiting: World) -> None:
    with caught("before it acknowledged"):
        move(waiting, "n1", 200)


def test_1_a_network_while_the_power_is_unknown_is_caught(waiting: World) -> None:
    prove(waiting)
    waiting.start_process()
    with caught("not known to be on"):
        move(waiting, "n1", 200)


def test_1_a_network_for_a_boot_that_is_over_is_caught(waiting: World) -> None:
    prove(waiting)
    waiting.machines["n1"].reboot()
    waiting.machines["n1"].last_contact_boot += 1
    with caught("the boot that was proven is over"):
        move(waiting, "n1", 200)


def test_1_a_network_for_a_swapped_tpm_is_caught(waiting: World) -> None:
    prove(waiting)
    waiting.swap_tpm("n1")
    with caught("not the enrolled one"):
        move(waiting, "n1", 200)


def test_1_a_network_for_whoever_is_plugged_in_now_is_caught(waiting: World) -> None:
    prove(waiting)
    waiting.swap_cables("n1", "n2")
    with caught("n2 is plugged in"):
        move(waiting, "n1", 200)


def test_1_another_enclaves_network_is_caught(waiting: World) -> None:
    prove(waiting)
    with caught("not that of blue"):
        move(waiting, "n1", 201)


def test_1_a_key_for_a_stranger_is_caught(world: World) -> None:
    with caught("no record vouches"):
        world.custodian.wrap("common", version=1, recipient=str(pyrage.x25519.Identity.generate().to_public()))


def test_1_a_key_before_the_record_is_caught(waiting: World) -> None:
    evidence = waiting.desk.sessions()["n1"].evidence
    assert evidence is not None
    waiting.custodian.ensure("common")
    with caught("no record vouches"):
        waiting.custodian.wrap("common", version=1, recipient=evidence.ephemeral)


@pytest.mark.parametrize(("malice", "lie"), [(Malice.TAMPERED, None), (Malice.NONE, Lie.EMPTY_LOG)])
def test_1_a_verifier_that_accepts_a_lie_is_caught(malice: Malice, lie: Lie | None) -> None:
    world = World(site(nodes=1, enclaves=[_BLUE]))
    world.machines["n1"].malice, world.machines["n1"].lie = malice, lie
    Runner(world).run()
    world.tick(40)
    track, evidence = world.monitor.track("n1"), world.desk.sessions()["n1"].evidence
    assert evidence is not None
    track.accepted[evidence.nonce.hex()] = "blue"
    with caught("a lie or its image was altered"):
        world.desk.answer(accept(world))


def test_2_a_vlan_that_is_nobodys_is_caught(world: World) -> None:
    with caught("moved to VLAN 4000"):
        move(world, "n2", 4000)


def test_2_a_spare_port_that_is_not_parked_is_caught(world: World) -> None:
    with caught("belongs to no node"):
        send(world.switches["tor-1"], "swp5", vlan=101)


def test_2_a_record_of_ports_that_were_not_read_back_is_caught(world: World) -> None:
    world.start_process()
    with caught("was read back as None"):
        world.ledger.append([entry(world, "n1", Event.RETURNED)])


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ({}, "is recorded as parked without its ports"),
        ({"eno1": "access 999"}, "recorded as access 999, which read access 200"),
        ({"eno1": "access 200"}, "n1 is recorded as parked, but"),
    ],
)
def test_2_a_record_of_a_parking_that_no_switch_told_of_is_caught(
    world: World, ports: dict[str, str], message: str
) -> None:
    with caught(message):
        world.ledger.append([entry(world, "n1", Event.PARKED, ports=ports)])


def test_2_a_record_of_an_assignment_outside_the_airlock_is_caught(world: World) -> None:
    world.spoil_port("n2", state=access(201))
    look(world)
    with caught("n2 is recorded as assigned, but"):
        world.ledger.append([entry(world, "n2", Event.ASSIGNED, ports={"eno1": "access 201"})])


def test_3_two_nodes_in_one_airlock_are_caught(world: World) -> None:
    world.spoil_port("n1", state=access(102))
    world.start_process()
    with caught("n2 enters airlock 102"):
        move(world, "n2", 102)


def test_4_an_untrusted_commit_is_caught(world: World) -> None:
    with caught("not the trusted head"):
        world.desk.publish("f" * 40)


def test_4_an_enclave_that_nobody_asks_for_is_caught(world: World) -> None:
    image = world.desired.images["worker"].spec.digest
    with caught("nobody asks for"):
        world.boot.assign("n2", enclave="red", image=image, pcrs=DEFAULT_PCRS)


def test_4_another_image_than_the_enclaves_is_caught(world: World) -> None:
    image = world.desired.images["worker-2"].spec.digest
    with caught("not the enclave's"):
        world.boot.assign("n1", enclave="blue", image=image, pcrs=DEFAULT_PCRS)


def test_5_an_answer_before_its_record_is_caught(waiting: World) -> None:
    with caught("before that is on record"):
        waiting.desk.answer(accept(waiting))


def test_5_a_record_out_of_order_is_caught(world: World) -> None:
    skipped = entry(world, "n1", Event.CONFIRMED)
    world.ledger.append([entry(world, "n1", Event.CONFIRMED)])
    with caught("does not follow"):
        world.ledger.append([skipped])


def test_6_power_without_a_recorded_assignment_is_caught(world: World) -> None:
    with caught("without an assignment"):
        world.power["n2"].turn_on()


def test_7_a_node_that_is_free_while_it_is_on_is_caught(world: World) -> None:
    move(world, "n1", PARKING)
    with caught("not known to be off"):
        world.ledger.append([entry(world, "n1", Event.RETURNED)])


def test_7_a_leaver_that_was_parked_while_it_was_on_is_caught(world: World) -> None:
    move(world, "n1", PARKING)
    world.power["n1"].turn_off()
    with caught("parked before its power was off"):
        world.ledger.append([entry(world, "n1", Event.RETURNED)])


def test_7_a_leaver_whose_keys_are_still_current_is_caught(world: World) -> None:
    world.power["n1"].turn_off()
    move(world, "n1", PARKING)
    with caught("that it knows is current"):
        world.ledger.append([entry(world, "n1", Event.RETURNED)])


def test_7_an_expelled_node_that_lost_its_power_first_is_caught(world: World) -> None:
    world.power["n1"].turn_off()
    move(world, "n1", PARKING)
    with caught("lost its power before its network"):
        world.ledger.append([entry(world, "n1", Event.REJECTED)])


def test_7_an_expelled_node_that_nobody_tried_to_park_is_caught(world: World) -> None:
    with caught("was not parked"):
        world.ledger.append([entry(world, "n1", Event.REJECTED)])
