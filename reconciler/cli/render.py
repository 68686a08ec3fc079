"""Plans, progress and tables as people read them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from reconciler.cli.error_text import error_lines
from reconciler.cli.words import describe
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import RingfenceError
from reconciler.execute.outcome import Blocked, Done, Failed, Outcome, Waiting
from reconciler.execute.passes import Draft
from reconciler.model.desired import DesiredState
from reconciler.plan.actions import Action
from reconciler.plan.graph import to_mermaid
from reconciler.plan.plan import Plan


def plan_text(plan: Plan, desired: DesiredState) -> str:
    """Return ``plan`` for a terminal."""
    lines = [f"plan for commit {plan.commit[:12]}"]
    for subject, actions in _by_subject(plan.actions):
        lines += ["", f"{subject}: {actions[0].why}"]
        lines += [f"  {number}. {describe(action, desired)}" for number, action in enumerate(actions, start=1)]
    remarks = _remarks(plan)
    lines += ["", *remarks] if remarks else []
    nodes = {action.subject for action in plan.actions} & desired.nodes.keys()
    total = f"{len(plan.actions)} actions on {len(nodes)} nodes" if plan.actions else "nothing to do"
    return "\n".join([*lines, "", total])


def plan_markdown(plan: Plan, desired: DesiredState) -> str:
    """Return ``plan`` for a pull request: a table for each node, and the graph."""
    lines = [f"### Plan for `{plan.commit[:12]}`", ""]
    if plan.is_empty():
        lines.append("Nothing to do.")
    for subject, actions in _by_subject(plan.actions):
        lines += [f"**{subject}**: {actions[0].why}", "", "| # | action | hardware |", "|---|---|---|"]
        lines += [f"| {n} | `{action.id}` | {describe(action, desired)} |" for n, action in enumerate(actions, start=1)]
        lines.append("")
    lines += [f"- {remark}" for remark in _remarks(plan)]
    if plan.actions:
        lines += [
            "",
            "<details><summary>Graph</summary>",
            "",
            "```mermaid",
            to_mermaid(plan.actions) + "```",
            "",
            "</details>",
        ]
    return "\n".join(lines)


def _by_subject(actions: Iterable[Action]) -> list[tuple[str, list[Action]]]:
    groups: dict[str, list[Action]] = {}
    for action in actions:
        groups.setdefault(action.subject if action.verb != "rotate-key" else f"key {action.subject}", []).append(action)
    return list(groups.items())


def _remarks(plan: Plan) -> list[str]:
    drift = [f"drift: {d.subject} should be {d.expected}, and is {d.found}" for d in plan.drift]
    taken = [str(p) for p in plan.preemptions]
    held = [f"held: {h.subject} waits {h.due}: {h.why}" for h in plan.held]
    return taken + drift + [f"problem: {p.subject}: {p.message}" for p in plan.problems] + held


class Progress:
    """Prints what happens, a line an event, with the seconds since the start."""

    def __init__(self) -> None:
        """Start the clock."""
        self._start = time.monotonic()
        self._desired: DesiredState | None = None
        self._said: set[str] = set()

    def pass_begins(self, sight: Sight, draft: Draft) -> None:
        """Say which refusals and problems are new."""
        self._desired = draft.desired
        for refusal in sight.refusals:
            self.trouble(refusal)
        for remark in _remarks(draft.plan):
            self._once(remark)

    def action(self, action: Action, outcome: Outcome | None) -> None:
        """Say how an action ended, and once what is waited for."""
        what = describe(action, self._desired) if self._desired else action.id
        match outcome:
            case Done():
                self._say(f"{action.subject:<14} {what}")
            case Waiting():
                self._once(f"{action.subject:<14} waiting for {outcome.what}")
            case Failed():
                self._say(f"{action.subject:<14} FAILED: {what}")
                self.trouble(outcome.error)
            case Blocked() | None:
                pass

    def trouble(self, error: RingfenceError) -> None:
        """Say what is wrong, once."""
        for line in error_lines(error):
            self._once(line)

    def _once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def _say(self, line: str) -> None:
        print(f"{time.monotonic() - self._start:7.2f} s  {line}", flush=True)
