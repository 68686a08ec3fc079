"""A switch behind its limits: who is served together, in which order, and what becomes of failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.drivers.paced_switch import PacedSwitch
from reconciler.errors.taxonomy import DeviceError, InvariantError, RingfenceError, TransientError
from reconciler.model.observed import PortState
from reconciler.ports.isolation import AccessPort
from tests.support.world_switch import access

WAIT_S = 30.0
PORTS = tuple(f"swp{index}" for index in range(1, 9))


class Gated:
    """A switch that answers when it is let: each transaction waits at a gate, and may be told to fail."""

    def __init__(self) -> None:
        """Park all ports and open the gate."""
        self.truth = {port: access(999) for port in PORTS}
        self.transactions: list[tuple[str, ...]] = []
        self.open = threading.Event()
        self.open.set()
        self.arrived = threading.Semaphore(0)
        self.failing: Callable[[tuple[str, ...]], BaseException | None] = lambda _ports: None
        self.running = self.most_running = 0
        self._lock = threading.Lock()

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        with self._lock:
            now = {port: self.truth[port] for port in ports}
        self._pass("read", ports)
        return now

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        self._pass("write", wanted)
        with self._lock:
            self.truth |= {port: access(place.vlan) for port, place in wanted.items()}
            return {port: self.truth[port] for port in wanted}

    def close(self) -> None:
        """Do nothing."""

    def _pass(self, kind: str, ports: Collection[str]) -> None:
        with self._lock:
            self.transactions.append((kind, *sorted(ports)))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        self.arrived.release()
        assert self.open.wait(WAIT_S)
        with self._lock:
            self.running -= 1
        error = self.failing(tuple(sorted(ports)))
        if error is not None:
            raise error


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def _behind_the_gate(gated: Gated, paced: PacedSwitch, crowd: ThreadPoolExecutor) -> Future[Mapping[str, PortState]]:
    """Have one transaction, of swp8, wait at the gate."""
    gated.open.clear()
    first = crowd.submit(paced.apply, {"swp8": AccessPort(vlan=108)})
    assert gated.arrived.acquire(timeout=WAIT_S)
    return first


def _queued(paced: PacedSwitch, count: int) -> None:
    """Wait until ``count`` requests wait for their turn."""
    with paced._turn:
        while len(paced._queue.waiting) < count:
            paced._turn.wait(0.01)


def test_what_is_wanted_while_the_switch_is_busy_is_done_in_one_transaction(
    gated: Gated, crowd: ThreadPoolExecutor
) -> None:
    paced = PacedSwitch(gated, name="tor")
    first = _behind_the_gate(gated, paced, crowd)
    others = [crowd.submit(paced.apply, {port: AccessPort(vlan=200 + index)}) for index, port in enumerate(PORTS[:5])]
    _queued(paced, 5)
    gated.open.set()
    assert first.result(WAIT_S) == {"swp8": access(108)}
    assert [done.result(WAIT_S) for done in others] == [
        {port: access(200 + index)} for index, port in enumerate(PORTS[:5])
    ]
    assert gated.transactions == [("write", "swp8"), ("write", *PORTS[:5])]


def test_two_wishes_for_one_port_are_served_one_after_the_other(gated: Gated, crowd: ThreadPoolExecutor) -> None:
    paced = PacedSwitch(gated, name="tor")
    _behind_the_gate(gated, paced, crowd)
    enclave = crowd.submit(paced.apply, {"swp1": AccessPort(vlan=200)})
    _queued(paced, 1)
    parking = crowd.submit(paced.apply, {"swp1": AccessPort(vlan=999)})
    _queued(paced, 2)
    gated.open.set()
    assert [enclave.result(WAIT_S), parking.result(WAIT_S)] == [{"swp1": access(200)}, {"swp1": access(999)}]
    assert gated.truth["swp1"] == access(999), "the later wish is the last word"


def test_reading_begins_after_it_was_asked_for(gated: Gated, crowd: ThreadPoolExecutor) -> None:
    paced = PacedSwitch(gated, name="tor", at_once=2)
    gated.open.clear()
    early = crowd.submit(paced.read_ports, ["swp1"])
    assert gated.arrived.acquire(timeout=WAIT_S)
    gated.truth["swp1"] = access(5)
    late = crowd.submit(paced.read_ports, ["swp1"])
    _queued(paced, 1)
    gated.open.set()
    assert early.result(WAIT_S) == {"swp1": access(999)}
    assert late.result(WAIT_S) == {"swp1": access(5)}


def test_reading_after_a_write_that_waits_sees_it(gated: Gated, crowd: ThreadPoolExecutor) -> None:
    paced = PacedSwitch(gated, name="tor")
    _behind_the_gate(gated, paced, crowd)
    write = crowd.submit(paced.apply, {"swp1": AccessPort(vlan=200)})
    _queued(paced, 1)
    reading = crowd.submit(paced.read_ports, ["swp1", "swp2"])
    _queued(paced, 2)
    gated.open.set()
    write.result(WAIT_S)
    assert reading.result(WAIT_S) == {"swp1": access(200), "swp2": access(999)}


def test_refused_batch_is_tried_again_one_by_one_so_that_nobody_suffers_for_another(
    gated: Gated, crowd: ThreadPoolExecutor
) -> None:
    refusal = DeviceError("switch tor", "no such VLAN here", reason="SwitchRefused", hint="make it")
    gated.failing = lambda ports: refusal if "swp2" in ports else None
    paced = PacedSwitch(gated, name="tor")
    _behind_the_gate(gated, paced, crowd)
    others = [crowd.submit(paced.apply, {port: AccessPort(vlan=200)}) for port in PORTS[:3]]
    _queued(paced, 3)
    gated.open.set()
    assert others[0].result(WAIT_S) == {"swp1": access(200)}
    assert others[2].result(WAIT_S) == {"swp3": access(200)}
    with pytest.raises(DeviceError, match="no such VLAN here") as caught:
        others[1].result(WAIT_S)
    assert (caught.value.reason, caught.value.hint) == ("SwitchRefused", "make it")
    assert gated.truth["swp2"] == access(999)


def test_switch_that_is_away_fails_everybody_once_and_is_given_a_break(gated: Gated, crowd: ThreadPoolExecutor) -> None:
    gated.failing = lambda _ports: TransientError("switch tor", "no answer", reason="SwitchSilent")
    paced = PacedSwitch(gated, name="tor")
    first = _behind_the_gate(gated, paced, crowd)
    others = [crowd.submit(paced.apply, {port: AccessPort(vlan=200)}) for port in PORTS[:3]]
    _queued(paced, 3)
    gated.open.set()
    for done in (first, *others):
        with pytest.raises(TransientError, match="no answer"):
            done.result(WAIT_S)
    assert len(gated.transactions) == 2
    assert paced._pace.delay(paced._monotonic()) > 0
    gated.failing = lambda _ports: None
    assert paced.apply({"swp1": AccessPort(vlan=5)}) == {"swp1": access(5)}, "it is asked again after the break"


def test_bug_of_ours_is_told_to_everybody_as_one(gated: Gated) -> None:
    gated.failing = lambda _ports: InvariantError("switch tor", "0 is no VLAN", reason="VlanOutOfRange")
    with pytest.raises(InvariantError):
        PacedSwitch(gated, name="tor").apply({"swp1": AccessPort(vlan=0)})


def test_nobody_waits_for_ever_for_somebody_who_was_interrupted(gated: Gated, crowd: ThreadPoolExecutor) -> None:
    errors: list[BaseException] = [KeyboardInterrupt()]
    paced = PacedSwitch(gated, name="tor")
    _behind_the_gate(gated, paced, crowd)
    others = [crowd.submit(paced.apply, {port: AccessPort(vlan=200)}) for port in PORTS[:3]]
    _queued(paced, 3)
    gated.failing = lambda ports: errors.pop() if errors and "swp1" in ports else None
    gated.open.set()
    ends = [done.exception(WAIT_S) for done in others]
    assert sorted(type(end).__name__ for end in ends) == ["KeyboardInterrupt", "TransientError", "TransientError"]
    assert paced.apply({"swp1": AccessPort(vlan=5)}) == {"swp1": access(5)}


def test_nothing_asked_for_is_nothing_done(gated: Gated) -> None:
    paced = PacedSwitch(gated, name="tor")
    assert paced.read_ports([]) == {}
    assert paced.apply({}) == {}
    assert gated.transactions == []


def test_second_passes_before_more_begin_than_are_allowed(gated: Gated) -> None:
    begun = time.monotonic()
    paced = PacedSwitch(gated, name="tor", per_second=2)
    for _ in range(3):
        paced.read_ports(["swp1"])
    assert time.monotonic() - begun >= 1.0


@given(
    wishes=st.lists(
        st.dictionaries(st.sampled_from(PORTS), st.integers(1, 4094), min_size=1, max_size=3), min_size=1, max_size=12
    ),
    at_once=st.integers(1, 3),
    refused=st.sets(st.sampled_from(PORTS), max_size=2),
)
def test_everybody_gets_what_was_asked_for_or_an_error_and_limits_are_kept(
    wishes: list[dict[str, int]], at_once: int, refused: set[str]
) -> None:
    gated = Gated()
    refusal = DeviceError("switch tor", "refused", reason="SwitchRefused")
    gated.failing = lambda ports: refusal if refused & set(ports) else None
    paced = PacedSwitch(gated, name="tor", at_once=at_once, per_second=1000)

    def send(wish: dict[str, int]) -> Mapping[str, PortState] | RingfenceError:
        try:
            return paced.apply({port: AccessPort(vlan=vlan) for port, vlan in wish.items()})
        except RingfenceError as error:
            return error

    with ThreadPoolExecutor(len(wishes)) as pool:
        ends = list(pool.map(send, wishes))
    for wish, end in zip(wishes, ends, strict=True):
        if refused & set(wish):
            assert isinstance(end, DeviceError)
        else:
            assert end == {port: access(vlan) for port, vlan in wish.items()}
    assert gated.most_running <= at_once
    assert all(gated.truth[port] == access(999) for port in refused)
    assert not paced._queue.waiting
    assert not paced._queue.busy
