"""Estimates: the longest way through the graph, measured where it was, guessed where it was not."""

from __future__ import annotations

from reconciler.plan.actions import Attest, PowerOff, PowerOn, RotateKey
from reconciler.plan.estimate import Estimate, estimate

OFF = PowerOff(subject="n1", why="")
ON = PowerOn(subject="n1", why="", after=(OFF.id,))
PROOF = Attest(subject="n1", why="", after=(ON.id,))
OTHER = PowerOff(subject="n2", why="", follows=("rotate-key/a",))
KEY = RotateKey(subject="a", why="", past=1)


def test_steps_side_by_side_take_as_long_as_the_longest_way() -> None:
    found = estimate([OFF, KEY, ON, OTHER, PROOF], medians={"attest": 50.0})
    assert found.path == ("power-off/n1", "power-on/n1", "attest/n1")
    assert found.seconds == OFF.estimate_s + ON.estimate_s + 50
    assert (found.measured, found.guessed) == (("attest",), ("power-off", "power-on"))


def test_part_of_a_plan_counts_from_where_it_begins() -> None:
    assert estimate([PROOF], medians={}).seconds == PROOF.estimate_s


def test_nothing_takes_no_time() -> None:
    assert estimate([], medians={}) == Estimate(seconds=0.0, path=(), measured=(), guessed=())
