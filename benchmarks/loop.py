"""A pass of a running loop over a state repository: the branch's head, its desired state, and the plan.

Two sites are seen: as the repository asks for it, where every sixth node is a member that serves, and one of which
nothing but a thousand members is asked. What is seen of the nodes is made up, and settled; observing is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.planning import NOW, seen_again, settled
from benchmarks.states import BRANCH
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
