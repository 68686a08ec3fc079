"""The frontier: an action starts when all before it is done or over and its locks are free, and never otherwise."""

from __future__ import annotations

from reconciler.errors.taxonomy import TransientError
from reconciler.execute.frontier import Frontier
from reconciler.execute.outcome import Blocked, Done, Failed, Waiting
from reconciler.plan.actions import Action, PowerOff, PowerOn, RotateKey, Withdraw

FAILED = Failed(error=TransientError("node n1", "it is away", reason="Away"))


def _off(node: str, *, after: tuple[str, ...] = (), follows: tuple[str, ...] = ()) -> Action:
    return PowerOff(subject=node, why="test", after=after, follows=follows)


def _withdraw(node: str, *, after: tuple[str, ...] = (), follows: tuple[str, ...] = ()) -> Action:
    return Withdraw(subject=node, why="test", after=after, follows=follows)


def test_actions_start_in_plan_order() -> None:
    frontier = Frontier([_off("n2"), _off("n1")])
    assert [action.subject for action in (frontier.take(), frontier.take()) if action] == ["n2", "n1"]
    assert frontier.take() is None


def test_an_action_waits_until_what_it_comes_after_is_done() -> None:
    frontier = Frontier([_off("n1"), _withdraw("n1", after=("power-off/n1",))])
    frontier.take()
    assert frontier.take() is None
    assert frontier.settle("power-off/n1", Done()) == [("power-off/n1", Done())]
    taken = frontier.take()
    assert taken is not None
    assert taken.id == "withdraw/n1"


def test_what_comes_after_a_failure_or_a_wait_is_blocked_all_the_way() -> None:
    for outcome in (FAILED, Waiting(what="its evidence")):
        chain = [
            _off("n1"),
            _withdraw("n1", after=("power-off/n1",)),
            _withdraw("n2", after=("withdraw/n1",)),
            _withdraw("n3"),
        ]
        frontier = Frontier(chain)
        frontier.take()
        blocked = Blocked(by="power-off/n1")
        settled = frontier.settle("power-off/n1", outcome)
        assert settled == [("power-off/n1", outcome), ("withdraw/n1", blocked), ("withdraw/n2", blocked)]
        left = frontier.take()
        assert left is not None
        assert left.subject == "n3"


def test_what_only_follows_goes_on_after_a_failure() -> None:
    frontier = Frontier([_off("n1"), _withdraw("n1", follows=("power-off/n1",))])
    frontier.take()
    assert frontier.take() is None
    frontier.settle("power-off/n1", FAILED)
    taken = frontier.take()
    assert taken is not None
    assert taken.id == "withdraw/n1"


def test_what_follows_a_blocked_action_goes_on_too() -> None:
    actions = [_off("n1"), _withdraw("n1", after=("power-off/n1",)), _withdraw("n2", follows=("withdraw/n1",))]
    frontier = Frontier(actions)
    frontier.take()
    frontier.settle("power-off/n1", FAILED)
    taken = frontier.take()
    assert taken is not None
    assert taken.id == "withdraw/n2"


def test_two_actions_never_hold_one_lock() -> None:
    frontier = Frontier([_off("n1"), PowerOn(subject="n1", why="test"), RotateKey(subject="k", why="test", past=1)])
    frontier.take()
    other = frontier.take()
    assert other is not None
    assert other.id == "rotate-key/k"
    assert frontier.take() is None
    frontier.settle("power-off/n1", FAILED)
    last = frontier.take()
    assert last is not None
    assert last.id == "power-on/n1"
