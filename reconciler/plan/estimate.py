"""How long a plan takes: the longest way through its graph, by what steps took before.

Rules: a step that was recorded takes its median; any other takes the estimate that its kind carries. Locks and the
number of workers are not counted in, so that a plan for many nodes behind one switch takes a little longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.plan.actions import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """``seconds`` along ``path`` (action ids, in order); ``measured`` and ``guessed`` are the verbs on it by source."""

    seconds: float
    path: tuple[str, ...]
    measured: tuple[str, ...]
    guessed: tuple[str, ...]


def duration_of(action: Action, medians: Mapping[str, float]) -> float:
    """Return how many seconds ``action`` takes; ``medians`` are by verb."""
    return medians.get(action.verb, action.estimate_s)


def estimate(actions: Iterable[Action], *, medians: Mapping[str, float]) -> Estimate:
    """Return how long ``actions``, in the order of a plan, take at least."""
    ends: dict[str, tuple[float, tuple[str, ...]]] = {}
    verbs: dict[str, str] = {}
    for action in actions:
        befores = [ends[before] for before in (*action.after, *action.follows) if before in ends]
        start, way = max(befores, default=(0.0, ()))
        ends[action.id] = (start + duration_of(action, medians), (*way, action.id))
        verbs[action.id] = action.verb
    seconds, path = max(ends.values(), default=(0.0, ()))
    on_it = dict.fromkeys(verbs[id_] for id_ in path)
    return Estimate(
        seconds=seconds,
        path=path,
        measured=tuple(verb for verb in on_it if verb in medians),
        guessed=tuple(verb for verb in on_it if verb not in medians),
    )
