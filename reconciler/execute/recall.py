"""What one pass leaves for the next: what was read of a machine's power a moment ago, and what was thought.

So a pass woken by a node need not ask every BMC again. Only for planning: a gate always reads anew. What a BMC did not
tell is not remembered, and an action on a node's power makes what is remembered of it void. What was observed and
thought saves work only; every fact but those is read in every pass.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.evidence.rules import RulesPacker
from reconciler.execute.judge import JudgeMemory
from reconciler.model.observed import ObservedState, PowerState
from reconciler.plan.memory import PlanMemory

LASTS = timedelta(seconds=3)
"""Longer than a node takes from evidence to acknowledgement, shorter than any machine's start."""


class PowerRecall:
    """The newest known power state of each node, and when it was read."""

    def __init__(self) -> None:
        """Know nothing."""
        self._read: dict[str, tuple[datetime, PowerState]] = {}

    def note(self, node: str, state: PowerState, *, at: datetime) -> None:
        """Remember what was read; UNKNOWN is forgotten instead."""
        if state is PowerState.UNKNOWN:
            self.forget(node)
        else:
            self._read[node] = (at, state)

    def forget(self, node: str) -> None:
        """Remember nothing of ``node``."""
        self._read.pop(node, None)

    def state(self, node: str, *, now: datetime) -> PowerState | None:
        """Return what was read of ``node`` within the last moments, None if it has to be read again."""
        at, state = self._read.get(node, (now - LASTS, None))
        return state if timedelta(0) <= now - at < LASTS else None


class PassMemory:
    """The last observation, whose equal parts the next one uses again, the verdicts, plans and packed rules."""

    def __init__(self) -> None:
        """Remember nothing."""
        self.observed: ObservedState | None = None
        self.plans = PlanMemory()
        self.verdicts = JudgeMemory()
        self.rules = RulesPacker()
