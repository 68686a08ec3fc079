"""Walking a plan: each action when its turn has come, side by side or one after the other.

Only a bug (InvariantError) ends a walk early; a failed action blocks what comes after
it, and other branches go on. Side by side, those that wait for a common record (a round)
have workers of their own, so that nobody is parked later because of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import anyio
import anyio.to_thread

from reconciler.errors.taxonomy import InvariantError, RingfenceError
from reconciler.execute.concurrency import run_group
from reconciler.execute.frontier import Frontier
from reconciler.execute.outcome import Failed, Outcome
from reconciler.plan.actions import Action, RecordEvidence
from reconciler.plan.plan import Plan

Actuate = Callable[[Action], Outcome]
Watch = Callable[[Action, Outcome | None], None]
"""Told when an action starts (None) and how it ended."""


def walk(plan: Plan, *, actuate: Actuate, watch: Watch, workers: int) -> Mapping[str, Outcome]:
    """Carry out ``plan`` and return each action's outcome by id; 1 worker means one after the other."""
    if workers == 1:
        return _walk_in_turn(plan, actuate, watch)
    return run_group(_walk_side_by_side, plan, actuate, watch, workers)


def _try(actuate: Actuate, action: Action) -> Outcome:
    try:
        return actuate(action)
    except InvariantError:
        raise
    except RingfenceError as error:
        return Failed(error=error)


def _settle(plan: Plan, frontier: Frontier, action: Action, outcome: Outcome, watch: Watch) -> None:
    by_id = {a.id: a for a in plan.actions}
    for action_id, how in frontier.settle(action.id, outcome):
        watch(by_id[action_id], how)


def _walk_in_turn(plan: Plan, actuate: Actuate, watch: Watch) -> Mapping[str, Outcome]:
    frontier = Frontier(plan.actions)
    while (action := frontier.take()) is not None:
        watch(action, None)
        _settle(plan, frontier, action, _try(actuate, action), watch)
    return frontier.outcomes


async def _walk_side_by_side(plan: Plan, actuate: Actuate, watch: Watch, workers: int) -> Mapping[str, Outcome]:
    frontier = Frontier(plan.actions)
    devices, records = anyio.CapacityLimiter(workers), anyio.CapacityLimiter(workers)

    async with anyio.create_task_group() as group:

        async def run(action: Action) -> None:
            limiter = records if isinstance(action, RecordEvidence) else devices
            outcome = await anyio.to_thread.run_sync(partial(_try, actuate, action), limiter=limiter)
            _settle(plan, frontier, action, outcome, watch)
            start_ready()

        def start_ready() -> None:
            while (action := frontier.take()) is not None:
                watch(action, None)
                group.start_soon(run, action)

        start_ready()
    return frontier.outcomes
