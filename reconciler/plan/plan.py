"""A plan: what would be done, complete before anything is touched, and what it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from reconciler.plan.actions import Action
from reconciler.plan.preemption import Preemption


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that keeps the desired state out of reach and that no action of this plan mends."""

    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A change that the desired state asks for and at the same time holds back: ``due`` is what waits, and ``why``.

    It is no problem: a freeze, a window or a budget is part of what is asked for.
    """

    subject: str
    due: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A fact that differs from what the record says it should be, though nobody asked for a change."""

    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A complete DAG of actions, in an order in which they could be done one by one.

    ``commit`` and ``observation`` (a SHA-256 over the observed facts) are what it was made from.
    """

    commit: str
    observation: str
    made_at: datetime
    actions: tuple[Action, ...]
    drift: tuple[Drift, ...] = ()
    problems: tuple[Problem, ...] = ()
    preemptions: tuple[Preemption, ...] = ()
    held: tuple[Held, ...] = ()

    def is_empty(self) -> bool:
        """Return whether there is nothing to do."""
        return not self.actions

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON value; equal plans give equal values."""
        return {
            "commit": self.commit,
            "observation": self.observation,
            "madeAt": self.made_at.isoformat(),
            "actions": [_action(action) for action in self.actions],
            "drift": _plain(self.drift),
            "problems": _plain(self.problems),
            "preemptions": [preemption.to_json() for preemption in self.preemptions],
            "held": _plain(self.held),
        }


def _action(action: Action) -> dict[str, Any]:
    left_out = {"accepted", "rejected"}
    values = {f.name: _plain(getattr(action, f.name)) for f in fields(action) if f.name not in left_out}
    return {"id": action.id, "action": type(action).__name__, "estimateSeconds": action.estimate_s, **values}


def _plain(value: Any) -> Any:  # noqa: ANN401  # walks values of any type
    """Return ``value`` made of JSON types."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
