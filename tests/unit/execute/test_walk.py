"""Walking: one after the other or side by side, the same outcomes; a failure stays in its branch, a bug ends it all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest

from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError
from reconciler.execute.concurrency import map_all
from reconciler.execute.outcome import Blocked, Done, Failed, Outcome, Waiting
from reconciler.execute.walk import walk
from reconciler.plan.actions import Action, Park, Port, PowerOff, PowerOn, RecordEvidence, Withdraw
from reconciler.plan.plan import Plan

AWAY = TransientError("node n1", "it is away", reason="Away")


def _plan(actions: Iterable[Action]) -> Plan:
    made_at = datetime(2026, 3, 3, tzinfo=UTC)
    return Plan(commit="c" * 40, observation="", made_at=made_at, actions=tuple(actions))


def _branch(node: str) -> list[Action]:
    return [
        PowerOff(subject=node, why="test"),
        Withdraw(subject=node, why="test", after=(f"power-off/{node}",)),
        PowerOn(subject=node, why="test", follows=(f"withdraw/{node}",)),
    ]


class _Actuator:
    """Carries out nothing, and remembers when it was asked, and how many at once."""

    def __init__(self, answer: Callable[[Action], Outcome], *, seconds: float = 0.0) -> None:
        self.asked: list[str] = []
        self.most_at_once = 0
        self._answer = answer
        self._seconds = seconds
        self._running = 0
        self._lock = threading.Lock()

    def __call__(self, action: Action) -> Outcome:
        with self._lock:
            self.asked.append(action.id)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        time.sleep(self._seconds)
        with self._lock:
            self._running -= 1
        return self._answer(action)


def _unwatched(_action: Action, _outcome: Outcome | None) -> None:
    pass


def _fails(id_: str, error: Exception) -> Callable[[Action], Outcome]:
    def answer(action: Action) -> Outcome:
        if action.id == id_:
            raise error
        return Done()

    return answer


@pytest.mark.parametrize("workers", [1, 4])
def test_a_failure_blocks_what_comes_after_it_and_nothing_else(workers: int) -> None:
    actuator = _Actuator(_fails("power-off/n1", AWAY))
    outcomes = walk(_plan(_branch("n1") + _branch("n2")), actuate=actuator, watch=_unwatched, workers=workers)
    assert outcomes == {
        "power-off/n1": Failed(error=AWAY),
        "withdraw/n1": Blocked(by="power-off/n1"),
        "power-on/n1": Done(),
        "power-off/n2": Done(),
        "withdraw/n2": Done(),
        "power-on/n2": Done(),
    }
    assert "withdraw/n1" not in actuator.asked


@pytest.mark.parametrize("workers", [1, 4])
def test_a_watcher_sees_each_start_and_each_end(workers: int) -> None:
    seen: list[tuple[str, Outcome | None]] = []
    waiting = Waiting(what="its evidence")
    walk(
        _plan(_branch("n1")[:2]),
        actuate=lambda _action: waiting,
        watch=lambda action, outcome: seen.append((action.id, outcome)),
        workers=workers,
    )
    assert seen == [("power-off/n1", None), ("power-off/n1", waiting), ("withdraw/n1", Blocked(by="power-off/n1"))]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_bug_ends_the_walk(workers: int) -> None:
    bug = InvariantError("plan", "that cannot be", reason="Bug")
    actuator = _Actuator(_fails("power-off/n1", bug))
    with pytest.raises(InvariantError) as caught:
        walk(_plan(_branch("n1")), actuate=actuator, watch=_unwatched, workers=workers)
    assert caught.value is bug
    assert actuator.asked == ["power-off/n1"]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_device_error_is_an_outcome(workers: int) -> None:
    refusal = DeviceError("node n1", "it refuses", reason="Refused")
    actuator = _Actuator(_fails("power-off/n1", refusal))
    outcomes = walk(_plan(_branch("n1")), actuate=actuator, watch=_unwatched, workers=workers)
    assert outcomes["power-off/n1"] == Failed(error=refusal)


def test_nodes_are_worked_on_side_by_side_up_to_the_limit() -> None:
    plan = _plan(action for index in range(6) for action in _branch(f"n{index}"))
    actuator = _Actuator(lambda _action: Done(), seconds=0.02)
    outcomes = walk(plan, actuate=actuator, watch=_unwatched, workers=3)
    assert len(outcomes) == 18
    assert actuator.most_at_once == 3


def test_moves_of_several_nodes_come_to_their_switch_together() -> None:
    port = Port(interface="eno1", switch="tor", port="swp1", vlan=999)
    plan = _plan(Park(subject=f"n{index}", why="test", ports=(port,)) for index in range(5))
    actuator = _Actuator(lambda _action: Done(), seconds=0.01)
    walk(plan, actuate=actuator, watch=_unwatched, workers=5)
    assert actuator.most_at_once == 5, "the switch's own limits decide what is done at once"
    assert len(actuator.asked) == 5


def test_an_empty_plan_ends_at_once() -> None:
    for workers in (1, 4):
        assert walk(_plan(()), actuate=_Actuator(lambda _action: Done()), watch=_unwatched, workers=workers) == {}


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_answers_come_in_the_order_of_the_questions(workers: int) -> None:
    def slow_if_early(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert map_all(slow_if_early, range(5), workers=workers) == [0, 1, 4, 9, 16]
    assert map_all(slow_if_early, [], workers=workers) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_an_error_leaves_the_questions_as_itself(workers: int) -> None:
    def ask(item: int) -> int:
        if item == 2:
            raise AWAY
        return item

    with pytest.raises(TransientError) as caught:
        map_all(ask, range(5), workers=workers)
    assert caught.value is AWAY


def test_what_is_not_ours_is_not_hidden() -> None:
    def ask(item: int) -> float:
        return 1 / item

    with pytest.raises(ExceptionGroup) as caught:
        map_all(ask, range(2), workers=2)
    assert caught.group_contains(ZeroDivisionError)


def test_whoever_waits_for_a_common_record_keeps_nobody_from_being_parked() -> None:
    is_parked = threading.Event()

    def answer(action: Action) -> Outcome:
        if isinstance(action, Park):
            is_parked.set()
        elif not is_parked.wait(timeout=30):
            return Failed(error=AWAY)
        return Done()

    proofs = [RecordEvidence(subject=f"n{n}", why="test", enclave="blue", keys=(), accepted=None) for n in range(9)]
    park = Park(subject="n9", why="test", ports=())
    outcomes = walk(_plan([*proofs, park]), actuate=answer, watch=_unwatched, workers=2)
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())
