"""A pass of a running loop over a state repository: the branch's head, its desired state, and the plan.

Every node is settled, and members serve. What is seen of the nodes is made up, the same objects in every pass, as
``execute.observe`` keeps them; observing and appraising (``execute.judge``) are not in it. Garbage is collected as
often as in the program.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.planning import NOW, seen_again, settled
from benchmarks.states import BRANCH
from reconciler.cli.main import GC_THRESHOLD
from reconciler.model.observed import ObservedState
from reconciler.plan.memory import PlanMemory
from reconciler.plan.plan import Plan
from reconciler.plan.planner import plan
from reconciler.repo.git import Git
from reconciler.repo.loading import StateLoader


@dataclass(kw_only=True)
class Loop:
    """A loop that has made its first plan."""

    git: Git
    loader: StateLoader
    observed: ObservedState
    memory: PlanMemory = field(default_factory=PlanMemory)

    @classmethod
    def started(cls, git: Git, *, commit: str) -> Loop:
        """Return a loop that has followed ``commit`` and found nothing to do."""
        gc.set_threshold(GC_THRESHOLD)
        loader = StateLoader(git)
        loop = cls(git=git, loader=loader, observed=settled(loader.load(commit).desired))
        made = loop.follow(commit)
        if made.actions or made.problems or made.drift:
            raise AssertionError(made.actions[:1] or made.problems[:1] or made.drift[:1])
        return loop

    def look_again(self) -> None:
        """Let the next pass see what this one saw, as it would observe it."""
        self.observed = seen_again(self.observed)

    def follow(self, commit: str) -> Plan:
        """Return the plan for ``commit``, asking for the branch's head on the way."""
        self.git.head(BRANCH)
        desired = self.loader.load(commit).desired
        return plan(desired, observed=self.observed, verdicts={}, now=NOW, memory=self.memory)

    def passes(self, commit: str) -> Callable[[], Plan]:
        """Return a pass that follows ``commit``, to be measured."""
        self.look_again()
        return lambda: self.follow(commit)
