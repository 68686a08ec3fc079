"""One pass: observe, judge, plan, and (if asked to) carry the plan out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.evidence.author import Author
from reconciler.evidence.rules import RulesPacker
from reconciler.execute.actuator import Actuator
from reconciler.execute.judge import judge
from reconciler.execute.observe import observe
from reconciler.execute.outcome import Outcome
from reconciler.execute.recall import PassMemory, PowerRecall
from reconciler.execute.records import Occasion
from reconciler.execute.walk import Watch, walk
from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.plan.actions import Action, PowerOff, PowerOn
from reconciler.plan.plan import Plan
from reconciler.plan.planner import plan
from reconciler.ports.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan, and the observation it was made from."""

    desired: DesiredState
    observed: ObservedState
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What passes are made with: the site, the evidence signer, the clock, and how many devices at once.

    ``sign`` makes raw Ed25519 signatures with the evidence key ``key_id``. One worker means one thing at a time, in
    plan order. With ``recall`` a BMC that answered a moment ago is not asked again for a plan. With ``memory`` what has
    not changed since the last draft is not thought through again.
    """

    site: Site
    sign: Callable[[bytes], bytes]
    key_id: str
    now: Callable[[], datetime]
    workers: int
    recall: PowerRecall | None = None
    memory: PassMemory | None = None

    def draft(self, desired: DesiredState) -> Draft:
        """Observe, judge and plan; nothing is touched."""
        now = self.now()
        memory = self.memory or PassMemory()
        observed = observe(
            self.site, desired=desired, now=now, workers=self.workers, recall=self.recall, before=memory.observed
        )
        memory.observed = observed
        verdicts = judge(desired, observed=observed, memory=memory.verdicts)
        made = plan(desired, observed=observed, verdicts=verdicts, now=now, memory=memory.plans)
        return Draft(desired=desired, observed=observed, plan=made)

    def carry_out(self, draft: Draft, *, watch: Watch) -> Mapping[str, Outcome]:
        """Carry out a draft just made, and return each action's outcome by id.

        Challenges are bound to the draft's commit from here on.
        """
        self.site.desk.publish(draft.desired.commit)
        author = Author(sign=self.sign, key_id=self.key_id, commit=draft.desired.commit, tree=draft.desired.tree)
        occasion = Occasion(desired=draft.desired, observed=draft.observed, now=self.now)
        rules = self.memory.rules if self.memory else RulesPacker()
        actuator = Actuator(self.site, author=author, occasion=occasion, rules=rules, plan=draft.plan.actions)

        def actuate(action: Action) -> Outcome:
            if self.recall is not None and isinstance(action, PowerOff | PowerOn):
                self.recall.forget(action.subject)
            return actuator.actuate(action)

        return walk(draft.plan, actuate=actuate, watch=watch, workers=self.workers)
