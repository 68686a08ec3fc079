"""The loop: passes until nothing is left to do, or for ever; waiting only between passes.

It is level-based: each pass looks at the world anew. Events wake it early and carry no
meaning of their own. A failure that may pass is tried again with back-off and jitter; a
refusal or a device that needs its operator is reported and left alone.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import (
    DeviceError,
    InputError,
    InvariantError,
    RingfenceError,
    TransientError,
    TrustError,
)
from reconciler.execute.outcome import Done, Failed, Outcome, Waiting
from reconciler.execute.passes import Draft, Engine
from reconciler.plan.actions import Action

_POLL_S = 2.0
_SLICE_S = 0.5
_FIRST_BACKOFF_S = 1.0
_LONGEST_BACKOFF_S = 60.0
_TRIES = 5


class Wakes(Protocol):
    """What tells that a node has done something."""

    def changes(self) -> int:
        """Return a count that grows with everything nodes do."""
        ...

    def wait_for_change(self, timeout_s: float, *, since: int | None = None) -> int:
        """Return as soon as the count differs from ``since``, or after ``timeout_s``."""
        ...


class Watcher(Protocol):
    """Told what happens, so that people can see it."""

    def pass_begins(self, sight: Sight, draft: Draft) -> None:
        """Take note of a plan that is about to be carried out."""
        ...

    def action(self, action: Action, outcome: Outcome | None) -> None:
        """Take note of an action that starts (None) or has ended."""
        ...

    def trouble(self, error: RingfenceError) -> None:
        """Take note of an error that did not end the loop."""
        ...


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the loop works with; ``engine_for`` gives the engine for the state in force.

    ``permit`` raises if a draft may not be carried out, nor called the end of the work; ``record`` takes note of what
    was seen, after each pass.
    """

    refresh: Callable[[], Sight]
    engine_for: Callable[[Sight], Engine]
    wakes: Wakes
    watcher: Watcher
    permit: Callable[[Draft], None] = _nothing
    record: Callable[[Draft, Mapping[str, Outcome]], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a convergence ended: the last draft, what failed in its pass, and whether time ran out."""

    sight: Sight
    draft: Draft
    failures: tuple[RingfenceError, ...] = ()
    has_timed_out: bool = False


def converge(stage: Stage, *, timeout_s: float) -> Result:
    """Make passes until a plan is empty, until only an operator can help, or until ``timeout_s`` is over."""
    end = time.monotonic() + timeout_s
    tries = 0
    while True:
        since = stage.wakes.changes()
        sight = stage.refresh()
        engine = stage.engine_for(sight)
        draft = engine.draft(sight.desired)
        stage.permit(draft)
        if draft.plan.is_empty():
            stage.record(draft, {})
            return Result(sight=sight, draft=draft)
        stage.watcher.pass_begins(sight, draft)
        ended = engine.carry_out(draft, watch=stage.watcher.action)
        stage.record(draft, ended)
        outcomes = ended.values()
        failures = tuple(outcome.error for outcome in outcomes if isinstance(outcome, Failed))
        tries = tries + 1 if failures else 0
        is_waiting = any(isinstance(outcome, Waiting) for outcome in outcomes)
        may_pass = all(isinstance(error, TransientError) for error in failures) and tries < _TRIES
        if failures and not may_pass and not is_waiting:
            return Result(sight=sight, draft=draft, failures=failures)
        left = end - time.monotonic()
        if left <= 0:
            return Result(sight=sight, draft=draft, failures=failures, has_timed_out=True)
        if failures:
            time.sleep(min(left, backoff_s(tries)))
        elif is_waiting or not any(isinstance(outcome, Done) for outcome in outcomes):
            stage.wakes.wait_for_change(min(left, _POLL_S), since=since)


def run(stage: Stage, *, stop: threading.Event) -> None:
    """Make a pass every interval, and at once when a node has done something, until ``stop`` is set."""
    tries = 0
    while not stop.is_set():
        since = stage.wakes.changes()
        try:
            pause_s, has_progress = _one_pass(stage)
            tries = 0
        except InvariantError:
            raise
        except (TransientError, DeviceError, TrustError, InputError) as error:
            stage.watcher.trouble(error)
            tries += 1
            pause_s, has_progress = backoff_s(tries), False
        if not has_progress:
            _wait(stage, stop, pause_s=pause_s, since=since)


def _one_pass(stage: Stage) -> tuple[float, bool]:
    """Make one pass; return how long to pause after it, and whether the next one is due at once."""
    sight = stage.refresh()
    engine = stage.engine_for(sight)
    draft = engine.draft(sight.desired)
    stage.watcher.pass_begins(sight, draft)
    interval_s = sight.desired.repository.spec.interval.total_seconds()
    if draft.plan.is_empty():
        engine.site.desk.publish(sight.desired.commit)
        stage.record(draft, {})
        return interval_s, False
    outcomes = engine.carry_out(draft, watch=stage.watcher.action)
    stage.record(draft, outcomes)
    is_waiting = any(isinstance(outcome, Failed | Waiting) for outcome in outcomes.values())
    return min(interval_s, _POLL_S) if is_waiting else interval_s, not is_waiting


def _wait(stage: Stage, stop: threading.Event, *, pause_s: float, since: int) -> None:
    end = time.monotonic() + pause_s
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        if stage.wakes.wait_for_change(min(left, _SLICE_S), since=since) != since:
            return


def backoff_s(tries: int) -> float:
    """Return how long to wait before try ``tries`` + 1: doubled each time, with jitter, at most a minute."""
    longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** (tries - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret
