"""plan(desired, observed, verdicts, now) -> Plan. Pure and deterministic: same input, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.attest.verdict import Verdict
from reconciler.keys.rotation import due_rotations
from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.model.phase import Phase
from reconciler.plan.actions import Action, PowerOff, RecordEvidence, ReleaseKeys, ReturnToPool, RotateKey
from reconciler.plan.aging import aging, with_aged
from reconciler.plan.assign import Assignments
from reconciler.plan.course import Course, Expel, Join, Prove, Rest, Secure, Serve, decide
from reconciler.plan.drift import drift_of
from reconciler.plan.fingerprint import fingerprint
from reconciler.plan.graph import in_order
from reconciler.plan.guards import hold
from reconciler.plan.memory import PlanMemory
from reconciler.plan.plan import Drift, Plan, Problem
from reconciler.plan.scene import Scene
from reconciler.plan.steps import steps_for
from reconciler.plan.trunks import trunk_drift, trunk_problems

__all__ = ["fingerprint", "plan"]


def plan(
    desired: DesiredState,
    *,
    observed: ObservedState,
    verdicts: Mapping[str, Verdict],
    now: datetime,
    memory: PlanMemory | None = None,
) -> Plan:
    """Return what is to be done so that the site becomes ``desired``.

    ``verdicts`` are about the newest evidence in ``observed``, by node. Nothing is waited for: a node whose evidence
    has not come has an ``Attest`` action, and what depends on it. With ``memory``, what has not changed since the last
    plan is not thought through again; the plan is the same.
    """
    memory = PlanMemory() if memory is None else memory
    assignments = memory.begin(desired, observed=observed, verdicts=verdicts, now=now)
    made = None
    while made is None:
        made = _plan(desired, assignments, memory, observed=observed, verdicts=verdicts, now=now)
    memory.end()
    return made


def _plan(  # noqa: PLR0913 - what a plan is made from, and what was made of it so far
    desired: DesiredState,
    assignments: Assignments,
    memory: PlanMemory,
    *,
    observed: ObservedState,
    verdicts: Mapping[str, Verdict],
    now: datetime,
) -> Plan | None:
    """Return the plan; None if a key is rotated and members who know it are to be thought through first."""
    astir = {
        name: Scene(
            name=name,
            wanted=assignments.enclave_of.get(name),
            desired=desired,
            seen=observed.nodes[name],
            verdict=verdicts.get(name),
            listening_since=observed.listening_since,
            now=now,
            bouts=observed.bouts.get(f"node/{name}", ()),
        )
        for name in memory.astir()
    }
    decided = {name: decide(scene) for name, scene in astir.items()}
    memory.settle(astir, decided)
    # From here on ``scenes`` and ``courses`` are those of nodes that do not rest; the memory has what was decided, not
    # what guards make of it.
    guarded = hold(decided, scenes=astir, desired=desired, now=now)
    scenes, courses = guarded.scenes, guarded.courses
    rotations = _rotations(scenes, courses, observed, resting=memory.resting.keys)
    old = aging(desired, observed=observed, now=now, anyway=rotations)
    if (rotations or old.due) and memory.wake_quiet():
        return None
    versions = dict(observed.key_versions) | {name: past + 1 for name, past in (rotations | old.past).items()}
    actions = [action for name, s in scenes.items() for action in steps_for(s, courses[name], versions=versions)]
    actions = with_aged(_bind(actions, rotations, scenes, courses, resting=memory.resting.keys), old)
    spare = memory.spare_ports(desired, observed, now=now)
    made = Plan(
        commit=desired.commit,
        observation=memory.fingerprint(observed),
        made_at=now,
        actions=in_order(actions + list(spare.actions)),
        drift=(*_drift(scenes, memory), *spare.drift, *trunk_drift(desired, observed)),
        problems=(
            *_enclave_problems(assignments),
            *_node_problems(courses, memory),
            *spare.problems,
            *trunk_problems(desired, observed),
        ),
        preemptions=assignments.preemptions,
        held=(*guarded.held, *old.held),
    )
    busy = {action.subject for action in made.actions} | {held.subject.partition("/")[2] for held in made.held}
    if not rotations and not old.due:
        memory.settle_members(scenes, courses, busy=busy)
    return made


def _enclave_problems(assignments: Assignments) -> list[Problem]:
    """Return which enclaves lack nodes, and which selections are empty."""
    problems = [
        Problem(subject=f"enclave/{s.enclave}", message=f"{s.given} of {s.wanted} nodes: {s.why}")
        for s in assignments.shortfalls
    ]
    notices = [Problem(subject=f"enclave/{d.enclave}", message=d.notice) for d in assignments.decisions.values()]
    return problems + [notice for notice in notices if notice.message]


def _node_problems(courses: Mapping[str, Course], memory: PlanMemory) -> list[Problem]:
    """Return what is not known of nodes, in order of their names."""
    problems = dict(memory.resting.problems)
    problems |= {n: c.problem for n, c in courses.items() if isinstance(c, Rest | Serve) and c.problem}
    return [Problem(subject=f"node/{name}", message=message) for name, message in sorted(problems.items())]


def _drift(scenes: Mapping[str, Scene], memory: PlanMemory) -> tuple[Drift, ...]:
    """Return the drift of all nodes, in order of their names."""
    found = dict(memory.resting.drift)
    for name, scene in scenes.items():
        drift = drift_of(scene)
        if drift is not None:
            found[name] = drift
    return tuple(drift for _, drift in sorted(found.items()))


def _rotations(
    scenes: Mapping[str, Scene],
    courses: Mapping[str, Course],
    observed: ObservedState,
    *,
    resting: Mapping[str, Mapping[str, int]],
) -> dict[str, int]:
    """Return which keys are due; ``resting`` are the ones that nodes know which rest."""
    entitled: dict[str, set[str]] = {}
    for name, course in courses.items():
        if isinstance(course, Join | Prove | Serve) or _keeps_its_place(scenes[name], course):
            for key in scenes[name].enclave.spec.keys:
                entitled.setdefault(key, set()).add(name)
    known = {name: head.keys for name, head in observed.former.items()} | dict(resting)
    known |= {name: scene.head.keys for name, scene in scenes.items() if scene.head}
    # A member that rests (its switch or BMC is silent) keeps what it has: nothing is known against it.
    for name, course in courses.items():
        if isinstance(course, Rest) and course.problem and scenes[name].wanted and name in known:
            del known[name]
    return due_rotations(known, entitled=entitled, versions=observed.key_versions)


def _keeps_its_place(scene: Scene, course: Course) -> bool:
    """Return whether a node that is held goes on knowing what its enclave's members know."""
    is_held = isinstance(course, Secure) or (isinstance(course, Rest) and course.is_held)
    return is_held and scene.wanted is not None and scene.phase is not Phase.REJECTED


def _bind(
    actions: list[Action],
    rotations: Mapping[str, int],
    scenes: Mapping[str, Scene],
    courses: Mapping[str, Course],
    *,
    resting: Mapping[str, Mapping[str, int]],
) -> list[Action]:
    """Return all actions with the rotations among them.

    A rotation follows the parking of those it shuts out, comes before their power goes (if trust was lost) or
    before they are free (if they leave), and before anybody is given the key again.
    """
    ids = {action.id for action in actions}
    rotating: list[Action] = []
    for key, past in rotations.items():
        losers = sorted(
            [name for name, keys in resting.items() if key in keys]
            + [name for name, s in scenes.items() if s.head and key in s.head.keys]
        )
        parks = tuple(f"park/{n}" for n in losers if isinstance(courses.get(n), Expel) and f"park/{n}" in ids)
        why = f"{', '.join(losers) or 'a former node'} knew it"
        rotating.append(RotateKey(subject=key, why=why, past=past, follows=parks))
    return [_after_rotations(action, rotations, scenes, courses) for action in actions] + rotating


def _after_rotations(
    action: Action,
    rotations: Mapping[str, int],
    scenes: Mapping[str, Scene],
    courses: Mapping[str, Course],
) -> Action:
    name = action.subject
    head = scenes[name].head
    knew = tuple(f"rotate-key/{key}" for key in rotations if head and key in head.keys)
    match action:
        case ReturnToPool():
            return replace(action, after=(*action.after, *knew))
        case PowerOff() if isinstance(courses[name], Expel):
            return replace(action, follows=(*action.follows, *knew))
        case RecordEvidence() | ReleaseKeys():
            return replace(action, after=(*action.after, *(f"rotate-key/{k}" for k in action.keys if k in rotations)))
        case _:
            return action
