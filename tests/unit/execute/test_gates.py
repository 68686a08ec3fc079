"""The gates: each opens for exactly one state of the world, and stays shut for every unknown, stale or other one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.attest.appraise import appraise
from reconciler.attest.verdict import Accepted
from reconciler.errors.taxonomy import TrustError
from reconciler.execute import gates
from reconciler.model.observed import (
    UNKNOWN_PORT,
    Answered,
    AnswerStatus,
    Assignment,
    PortMode,
    PortState,
    PowerState,
    Session,
)
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.actions import Port
from tests.support.appraisals import booted, expected_of
from tests.support.softtpm import Challenge
from tests.support.world_switch import access

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
AIRLOCK = (
    Port(interface="eno1", switch="tor", port="swp1", vlan=101),
    Port(interface="eno2", switch="tor", port="swp2", vlan=999),
)
TARGET = (replace(AIRLOCK[0], vlan=200), AIRLOCK[1])
IN_AIRLOCK = {"eno1": access(101), "eno2": access(999)}
IN_TARGET = {"eno1": access(200), "eno2": access(999)}
TRUNK = PortState(mode=PortMode.OTHER)
ASKED = Challenge()


@pytest.fixture(scope="module")
def accepted() -> Accepted:
    tpm = booted()
    verdict = appraise(tpm.evidence(ASKED), expectation=expected_of(tpm))
    assert isinstance(verdict, Accepted)
    return verdict


def _head(**changes: Any) -> Head:  # noqa: ANN401 - Head's own fields
    head = Head(
        node="n1",
        sequence=3,
        digest="sha256:" + "1" * 64,
        phase=Phase.AIRLOCK,
        enclave="blue",
        attempt=ASKED.attempt,
        commit="c" * 40,
        nonce=ASKED.nonce.hex(),
        keys={"common": 2, "disk": 1},
    )
    return head.model_copy(update=changes)


def _served(**changes: Any) -> Assignment:  # noqa: ANN401 - Assignment's own fields
    served = Assignment(
        node="n1", enclave="blue", image="sha256:" + "5" * 64, pcrs=(4,), attempt=ASKED.attempt, assigned_at=NOW
    )
    return replace(served, **changes)


def _reason(call: Any, *arguments: Any, **options: Any) -> str:  # noqa: ANN401 - any gate
    with pytest.raises(TrustError) as caught:
        call(*arguments, **options)
    assert caught.value.subject == "node n1"
    assert "ringfence explain node/n1" in caught.value.hint
    return caught.value.reason


# Gate 1.


def test_gate_1_opens_for_acceptance_of_this_node_for_this_enclave(accepted: Accepted) -> None:
    assert gates.check_verdict(accepted, node="n1", enclave="blue") is accepted


def test_gate_1_is_shut_without_a_verdict() -> None:
    assert _reason(gates.check_verdict, None, node="n1", enclave="blue") == "GateNoVerdict"


def test_gate_1_is_shut_for_another_enclave_or_node(accepted: Accepted) -> None:
    assert _reason(gates.check_verdict, accepted, node="n1", enclave="red") == "GateOtherVerdict"
    with pytest.raises(TrustError, match="node n2: the verdict is about another node"):
        gates.check_verdict(accepted, node="n2", enclave="blue")


# Gate 2.


def test_gate_2_opens_for_the_recorded_verdict_of_the_attempt_that_is_served(accepted: Accepted) -> None:
    assert gates.check_this_boot(accepted, head=_head(), served=_served()) == _head()


@pytest.mark.parametrize(
    "head",
    [None, _head(nonce=None), _head(nonce="00" * 32), _head(enclave=None), _head(enclave="red")],
    ids=["no-record", "nothing-proven", "another-nonce", "no-enclave", "another-enclave"],
)
def test_gate_2_is_shut_for_a_verdict_that_is_not_recorded(accepted: Accepted, head: Head | None) -> None:
    assert _reason(gates.check_this_boot, accepted, head=head, served=_served()) == "GateNotRecorded"


@pytest.mark.parametrize(
    ("head", "served"),
    [
        (_head(), None), (_head(), _served(attempt="later")), (_head(attempt="later"), _served()),
        (_head(attempt=None), _served()), (_head(attempt="later"), _served(attempt="later")),
    ],
    ids=["nothing-served", "another-served", "another-recorded", "none-recorded", "both-are-another"],
)  # fmt: skip
def test_gate_2_is_shut_for_another_boot(accepted: Accepted, head: Head, served: Assignment | None) -> None:
    assert _reason(gates.check_this_boot, accepted, head=head, served=served) == "GateOtherBoot"


# Gate 3.


def _check_in_airlock(*, power: PowerState = PowerState.ON, seen: Mapping[str, PortState]) -> None:
    gates.check_in_airlock("n1", power=power, seen=seen, airlock=AIRLOCK, target=TARGET)


@pytest.mark.parametrize("seen", [IN_AIRLOCK, IN_TARGET], ids=["in-airlock", "there-already"])
def test_gate_3_opens_in_the_airlock(seen: Mapping[str, PortState]) -> None:
    _check_in_airlock(seen=seen)


@pytest.mark.parametrize("power", [PowerState.OFF, PowerState.UNKNOWN])
def test_gate_3_is_shut_unless_the_node_is_known_to_be_on(power: PowerState) -> None:
    assert _reason(_check_in_airlock, power=power, seen=IN_AIRLOCK) == "GatePower"


WRONG_PORTS: list[dict[str, PortState]] = [
    {},
    {"eno1": access(101)},
    {"eno2": access(999)},
    IN_AIRLOCK | {"eno1": UNKNOWN_PORT},
    IN_AIRLOCK | {"eno2": UNKNOWN_PORT},
    IN_AIRLOCK | {"eno1": TRUNK},
    IN_AIRLOCK | {"eno2": TRUNK},
    IN_AIRLOCK | {"eno1": access(999)},
    IN_AIRLOCK | {"eno1": access(102)},
    IN_AIRLOCK | {"eno2": access(101)},
    IN_AIRLOCK | {"eno1": PortState(mode=PortMode.OTHER, vlan=101)},
    IN_AIRLOCK | {"eno1": PortState(mode=PortMode.ACCESS)},
]
_NAMES = [
    "nothing-seen", "second-not-seen", "first-not-seen", "first-unknown", "second-unknown", "first-a-trunk",
    "second-a-trunk", "parked", "neighbours-airlock", "second-in-airlock", "trunk-with-native-vlan", "no-vlan",
]  # fmt: skip


@pytest.mark.parametrize("seen", WRONG_PORTS, ids=_NAMES)
def test_gates_3_and_6_are_shut_unless_every_port_is_known_to_be_in_place(seen: dict[str, PortState]) -> None:
    assert _reason(_check_in_airlock, seen=seen) == "GateNotInAirlock"
    options: dict[str, Any] = {"airlock": AIRLOCK, "served": _served(), "head": _head()}
    assert _reason(gates.check_may_boot, "n1", seen=seen, **options) == "GateNotInAirlock"


def test_no_port_at_all_is_nowhere() -> None:
    assert not gates.is_at(IN_AIRLOCK, ())


# Gate 4.


def test_gate_4_gives_the_recorded_versions_of_the_enclaves_keys() -> None:
    assert gates.check_released("n1", keys=("common",), head=_head()) == {"common": 2}
    assert gates.check_released("n1", keys=(), head=_head()) == {}


def test_gate_4_is_shut_for_a_key_that_was_never_released() -> None:
    assert _reason(gates.check_released, "n1", keys=("common", "overlay"), head=_head()) == "GateReceipts"


def _session(**changes: Any) -> Session:  # noqa: ANN401 - Answered's own fields
    answered = Answered(
        nonce=ASKED.nonce, status=AnswerStatus.ACCEPTED, answered_at=NOW, receipts={"common": "ab", "disk": "cd"}
    )
    fields: dict[str, Any] = {"session": "s", "node": "n1", "attempt": ASKED.attempt, "started_at": NOW}
    return Session(**fields, answered=replace(answered, **changes))


EXPECTED = {"common": "ab", "disk": "cd"}


def test_gate_4_opens_for_exactly_the_right_receipts() -> None:
    gates.check_receipts("n1", session=_session(), expected=EXPECTED, nonce=ASKED.nonce)
    gates.check_receipts("n1", session=_session(receipts={}), expected={}, nonce=ASKED.nonce)


@pytest.mark.parametrize(
    "session",
    [
        None,
        replace(_session(), answered=None),
        _session(nonce=b"\0" * 32),
        _session(receipts=None),
    ],
    ids=["no-session", "not-answered", "another-challenge", "not-acknowledged"],
)
def test_gate_4_is_shut_until_the_node_has_acknowledged(session: Session | None) -> None:
    options: dict[str, Any] = {"session": session, "nonce": ASKED.nonce}
    assert _reason(gates.check_receipts, "n1", expected=EXPECTED, **options) == "GateNotAcknowledged"
    assert _reason(gates.check_receipts, "n1", expected={}, **options) == "GateNotAcknowledged"


@pytest.mark.parametrize(
    "receipts",
    [{}, {"common": "ab"}, {"common": "ab", "disk": "00"}, {"common": "cd", "disk": "ab"}, EXPECTED | {"more": "ef"}],
    ids=["none", "one-missing", "one-wrong", "swapped", "one-too-many"],
)
def test_gate_4_is_shut_for_any_other_receipts(receipts: dict[str, str]) -> None:
    options: dict[str, Any] = {"session": _session(receipts=receipts), "nonce": ASKED.nonce}
    assert _reason(gates.check_receipts, "n1", expected=EXPECTED, **options) == "GateReceipts"


# Gate 5.


def test_gate_5_opens_for_a_node_that_is_off_with_nobody_in_its_airlock() -> None:
    gates.check_airlock_is_own("n1", power=PowerState.OFF, others={"swp3": access(999)}, vlan=101)


@pytest.mark.parametrize("power", [PowerState.ON, PowerState.UNKNOWN])
def test_gate_5_is_shut_unless_the_node_is_known_to_be_off(power: PowerState) -> None:
    options: dict[str, Any] = {"power": power, "others": {}, "vlan": 101}
    assert _reason(gates.check_airlock_is_own, "n1", **options) == "GatePower"


@pytest.mark.parametrize("other", [access(101), TRUNK, UNKNOWN_PORT], ids=["in-the-airlock", "a-trunk", "unknown"])
def test_gate_5_is_shut_unless_every_other_port_is_known_to_be_elsewhere(other: PortState) -> None:
    others = {"swp2": access(999), "swp3": other}
    options: dict[str, Any] = {"power": PowerState.OFF, "others": others, "vlan": 101}
    assert _reason(gates.check_airlock_is_own, "n1", **options) == "GateAirlockShared"


# Gate 6.


def test_gate_6_opens_in_the_airlock_for_the_recorded_attempt() -> None:
    gates.check_may_boot("n1", seen=IN_AIRLOCK, airlock=AIRLOCK, served=_served(), head=_head())


@pytest.mark.parametrize(
    ("served", "head"),
    [(None, _head()), (_served(), None), (_served(attempt="later"), _head()), (_served(), _head(attempt=None))],
    ids=["nothing-served", "no-record", "another-served", "none-recorded"],
)
def test_gate_6_is_shut_unless_what_is_served_is_recorded(served: Assignment | None, head: Head | None) -> None:
    options: dict[str, Any] = {"seen": IN_AIRLOCK, "airlock": AIRLOCK, "served": served, "head": head}
    assert _reason(gates.check_may_boot, "n1", **options) == "GateNotAssigned"


# Gate 7.


def test_gate_7_opens_for_ports_that_are_where_the_record_will_say() -> None:
    parked = (replace(AIRLOCK[0], vlan=999), AIRLOCK[1])
    gates.check_is_in_airlock("n1", seen=IN_AIRLOCK, airlock=AIRLOCK)
    gates.check_parked("n1", seen={"eno1": access(999), "eno2": access(999)}, parked=parked)


@pytest.mark.parametrize("state", [UNKNOWN_PORT, TRUNK, access(4000), None])
def test_gate_7_is_shut_while_a_port_is_not_known_to_be_there(state: PortState | None) -> None:
    seen = {"eno2": access(999)} | ({} if state is None else {"eno1": state})
    parked = (replace(AIRLOCK[0], vlan=999), AIRLOCK[1])
    assert _reason(gates.check_is_in_airlock, "n1", seen=seen, airlock=AIRLOCK) == "GateNotInAirlock"
    assert _reason(gates.check_parked, "n1", seen=seen, parked=parked) == "GateNotParked"
