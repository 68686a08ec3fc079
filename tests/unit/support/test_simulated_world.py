"""The simulated world does not lie unless it is told to."""

from __future__ import annotations

import pyrage
import pytest

from reconciler.errors.taxonomy import InputError, TransientError, TrustError
from reconciler.model.binding import receipt
from reconciler.model.observed import UNKNOWN_PORT, AnswerStatus, PowerState
from reconciler.ports.attestation import Answer, WrappedKey
from tests.support.sites import PARKING, EnclaveShape, NodeShape, site
from tests.support.softtpm import DEFAULT_PCRS
from tests.support.world import TRUNK, World
from tests.support.world_agent import Step
from tests.support.world_line import FOREVER, Crash, Fault, FaultKind
from tests.support.world_switch import access, send


@pytest.fixture
def world() -> World:
    made = World(site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)]))
    made.start_process()
    return made


def put_in_airlock(world: World, node: str = "n1") -> None:
    """Do to ``node`` what leads to its evidence, without a reconciler."""
    switch, port = world.ports_of(node)[0]
    world.power[node].status()
    send(world.switches[switch], port, vlan=world.airlock_of(node))
    image = world.desired.images["worker"].spec.digest
    served = world.boot.assign(node, enclave="blue", image=image, pcrs=DEFAULT_PCRS)
    world.monitor.track(node).attempt = served.attempt
    world.desk.publish(world.desired.commit)
    world.power[node].turn_on()
    world.tick(40)


def accept(world: World, node: str = "n1") -> str:
    """Answer the node's evidence with the key ``common``, as if that were on record; return the session."""
    session = world.desk.sessions()[node]
    assert session.evidence is not None
    track = world.monitor.track(node)
    track.enclave, track.phase = "blue", "AIRLOCK"
    track.accepted[session.evidence.nonce.hex()] = "blue"
    track.released["common"] = world.custodian.ensure("common")
    wrapped = world.custodian.wrap("common", version=1, recipient=session.evidence.ephemeral)
    world.desk.answer(
        Answer(
            session=session.session,
            nonce=session.evidence.nonce,
            status=AnswerStatus.ACCEPTED,
            keys=(WrappedKey(name="common", version=1, wrapped=wrapped),),
            reattest_s=30,
        )
    )
    return session.session


def test_everything_starts_off_and_parked(world: World) -> None:
    assert {power.status() for power in world.power.values()} == {PowerState.OFF}
    assert set(world.switches["tor-1"].truth.values()) == {access(PARKING)}


def test_a_port_goes_where_it_is_sent_and_reads_back_so(world: World) -> None:
    assert send(world.switches["tor-1"], "swp1", vlan=101) == access(101)
    assert world.switches["tor-1"].read_ports(["swp1"]) == {"swp1": access(101)}


def test_an_unknown_port_reads_as_unknown_and_cannot_be_moved(world: World) -> None:
    assert world.switches["tor-1"].read_ports(["swp99"]) == {"swp99": UNKNOWN_PORT}
    assert send(world.switches["tor-1"], "swp99", vlan=PARKING) == UNKNOWN_PORT
    assert "swp99" not in world.switches["tor-1"].truth


@pytest.mark.parametrize("kind", [FaultKind.OLD, FaultKind.LIE])
def test_a_write_that_does_nothing_leaves_the_port_where_it_was(world: World, kind: FaultKind) -> None:
    world.line.faults.append(Fault(device="switch/tor-1", operation="apply", kind=kind))
    told = send(world.switches["tor-1"], "swp1", vlan=101)
    assert told == (access(101) if kind is FaultKind.LIE else access(PARKING))
    assert world.switches["tor-1"].read_ports(["swp1"]) == {"swp1": access(PARKING)}


def test_a_half_done_write_moves_the_port_and_fails(world: World) -> None:
    world.line.faults.append(Fault(device="switch/*", kind=FaultKind.HALF))
    with pytest.raises(TransientError):
        send(world.switches["tor-1"], "swp1", vlan=101)
    assert world.switches["tor-1"].truth["swp1"] == access(101)


def test_a_call_that_hangs_takes_its_deadline(world: World) -> None:
    world.line.faults.append(Fault(device="power/n1", kind=FaultKind.HANG))
    before = world.clock.now()
    with pytest.raises(TransientError):
        world.power["n1"].status()
    assert (world.clock.now() - before).total_seconds() == world.line.deadline_s


def test_a_spent_fault_is_over(world: World) -> None:
    world.line.faults.append(Fault(device="power/n1", kind=FaultKind.UNKNOWN, skip=1, times=1))
    assert [world.power["n1"].status() for _ in range(3)] == [PowerState.OFF, PowerState.UNKNOWN, PowerState.OFF]


def test_a_frozen_bmc_says_what_it_said(world: World) -> None:
    world.power["n1"].status()
    world.line.faults.append(Fault(device="power/n1", operation="status", kind=FaultKind.STALE, times=FOREVER))
    world.machines["n1"].power_on()
    assert world.power["n1"].status() is PowerState.OFF


@pytest.mark.parametrize(("point", "is_done"), [(1, False), (2, True)])
def test_a_crash_comes_before_or_after_an_effect_and_ends_the_process(
    world: World, point: int, *, is_done: bool
) -> None:
    world.start_process(crash_at=point)
    with pytest.raises(Crash):
        send(world.switches["tor-1"], "swp1", vlan=101)
    assert world.switches["tor-1"].truth["swp1"] == access(101 if is_done else PARKING)
    with pytest.raises(Crash):
        world.power["n1"].status()
    world.start_process()
    assert world.power["n1"].status() is PowerState.OFF


def test_turning_on_a_machine_that_is_on_does_not_reset_it(world: World) -> None:
    put_in_airlock(world)
    boots = world.machines["n1"].boots
    world.machines["n1"].power_on()
    assert world.machines["n1"].boots == boots == 1


def test_a_machine_boots_only_what_its_own_airlock_serves(world: World) -> None:
    world.machines["n2"].power_on()
    world.spoil_port("n2", state=access(world.airlock_of("n2")))
    put_in_airlock(world, "n1")
    world.tick(120)
    assert world.machines["n1"].image is not None
    assert world.machines["n2"].image is None
    assert set(world.desk.sessions()) == {"n1"}


def test_a_parked_machine_talks_to_nobody(world: World) -> None:
    world.machines["n1"].power_on()
    world.tick(300)
    assert world.machines["n1"].agent is None


def test_a_new_assignment_ends_the_attempt(world: World) -> None:
    put_in_airlock(world)
    first = world.desk.sessions()["n1"]
    served = world.boot.assign(
        "n1", enclave="blue", image=world.desired.images["worker"].spec.digest, pcrs=DEFAULT_PCRS
    )
    assert world.desk.sessions() == {}
    assert served.attempt != first.attempt


def test_an_image_that_is_not_in_the_store_is_not_served(world: World) -> None:
    with pytest.raises(InputError):
        world.boot.assign("n1", enclave="blue", image="sha256:" + "0" * 64, pcrs=DEFAULT_PCRS)
    assert world.boot.assignments() == {}


def test_a_node_opens_its_keys_gives_receipts_and_confirms_from_inside(world: World) -> None:
    put_in_airlock(world)
    session = accept(world)
    world.tick(5)
    payload = world.custodian.payload("common", version=1)
    answered = world.desk.sessions()["n1"].answered
    assert answered is not None
    assert answered.receipts == {"common": receipt(payload, nonce=answered.nonce)}
    assert answered.receipts["common"] == world.custodian.receipt("common", version=1, nonce=answered.nonce)
    send(world.switches["tor-1"], "swp1", vlan=200)
    world.tick(5)
    presence = world.desk.sessions()["n1"].presence
    assert presence is not None
    assert presence.network == "blue-net"
    agent = world.machines["n1"].agent
    assert agent is not None
    assert agent.step is Step.MEMBER
    assert world.desk.sessions()["n1"].session == session


def test_a_second_answer_to_a_nonce_changes_nothing(world: World) -> None:
    put_in_airlock(world)
    accept(world)
    session = world.desk.sessions()["n1"]
    assert session.evidence is not None
    world.desk.answer(Answer(session=session.session, nonce=session.evidence.nonce, status=AnswerStatus.AGAIN))
    assert world.desk.sessions()["n1"] == session


def test_a_key_opens_only_for_its_recipient(world: World) -> None:
    put_in_airlock(world)
    accept(world)
    evidence = world.desk.sessions()["n1"].evidence
    assert evidence is not None
    wrapped = world.custodian.wrap("common", version=1, recipient=evidence.ephemeral)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(wrapped, [pyrage.x25519.Identity.generate()])


def test_rotation_is_idempotent_and_old_versions_stay(world: World) -> None:
    world.custodian.ensure("common")
    assert [world.custodian.rotate("common", past=1) for _ in range(2)] == [2, 2]
    with pytest.raises(TrustError):
        world.custodian.receipt("common", version=3, nonce=b"n")


def test_a_silent_service_says_so(world: World) -> None:
    assert world.desk.listening_since() is not None
    world.service.stop()
    put_in_airlock(world)
    assert world.desk.listening_since() is None
    assert world.machines["n1"].image is None


def test_what_befalls_a_port_is_seen(world: World) -> None:
    world.befall("trunk", node="n1")
    assert world.switches["tor-1"].read_ports(["swp1"]) == {"swp1": TRUNK}


def test_two_cards_have_two_ports() -> None:
    world = World(site(nodes=[NodeShape(interfaces=2)], switches=2))
    assert world.ports_of("n1") == [("tor-1", "swp1"), ("tor-2", "swp2")]
