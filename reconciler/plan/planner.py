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
from reconciler.plan.actions import Action, Park, Port, PowerOff, RecordEvidence, ReleaseKeys, ReturnToPool, RotateKey
from reconciler.plan.assign import assign_nodes
from reconciler.plan.course import Course, Expel, Join, Prove, Rest, Serve, decide
from reconciler.plan.fingerprint import fingerprint
from reconciler.plan.graph import in_order
from reconciler.plan.plan import Drift, Plan, Problem
from reconciler.plan.scene import Scene
from reconciler.plan.steps import steps_for


def plan(desired: DesiredState, *, observed: ObservedState, verdicts: Mapping[str, Verdict], now: datetime) -> Plan:
    """Return what is to be done so that the site becomes ``desired``.

    ``verdicts`` are about the newest evidence in ``observed``, by node. Nothing is waited for: a node whose evidence
    has not come has an ``Attest`` action, and what depends on it.
    """
    assignments = assign_nodes(desired, {name: seen.head for name, seen in observed.nodes.items()})
    scenes = {
        name: Scene(
            name=name,
            wanted=assignments.enclave_of.get(name),
            desired=desired,
            seen=seen,
            verdict=verdicts.get(name),
            listening_since=observed.listening_since,
            now=now,
        )
        for name, seen in sorted(observed.nodes.items())
    }
    courses = {name: decide(scene) for name, scene in scenes.items()}
    rotations = _rotations(scenes, courses, observed)
    versions = dict(observed.key_versions) | {name: past + 1 for name, past in rotations.items()}
    actions = [action for name, s in scenes.items() for action in steps_for(s, courses[name], versions=versions)]
    problems = [
        Problem(subject=f"enclave/{s.enclave}", message=f"{s.given} of {s.wanted} nodes: {s.why}")
        for s in assignments.shortfalls
    ]
    problems += [
        Problem(subject=f"node/{n}", message=c.problem)
        for n, c in courses.items()
        if isinstance(c, Rest | Serve) and c.problem
    ]
    return Plan(
        commit=desired.commit,
        observation=fingerprint(observed),
        made_at=now,
        actions=in_order(_bind(actions, rotations, scenes, courses) + _spare_ports(desired, observed)),
        drift=tuple(drift for scene in scenes.values() for drift in _drift(scene)),
        problems=tuple(problems),
    )


def _rotations(scenes: Mapping[str, Scene], courses: Mapping[str, Course], observed: ObservedState) -> dict[str, int]:
    entitled: dict[str, set[str]] = {}
    for name, course in courses.items():
        if isinstance(course, Join | Prove | Serve):
            for key in scenes[name].enclave.spec.keys:
                entitled.setdefault(key, set()).add(name)
    known = {name: head.keys for name, head in observed.former.items()}
    known |= {name: scene.head.keys for name, scene in scenes.items() if scene.head}
    # A member that rests (its switch or BMC is silent) keeps what it has: nothing is known against it.
    for name, course in courses.items():
        if isinstance(course, Rest) and course.problem and scenes[name].wanted and name in known:
            del known[name]
    return due_rotations(known, entitled=entitled, versions=observed.key_versions)


def _bind(
    actions: list[Action],
    rotations: Mapping[str, int],
    scenes: Mapping[str, Scene],
    courses: Mapping[str, Course],
) -> list[Action]:
    """Return all actions with the rotations among them.

    A rotation follows the parking of those it shuts out, comes before their power goes (if trust was lost) or
    before they are free (if they leave), and before anybody is given the key again.
    """
    ids = {action.id for action in actions}
    rotating: list[Action] = []
    for key, past in rotations.items():
        losers = [name for name, s in scenes.items() if s.head and key in s.head.keys]
        parks = tuple(f"park/{n}" for n in losers if isinstance(courses[n], Expel) and f"park/{n}" in ids)
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


def _spare_ports(desired: DesiredState, observed: ObservedState) -> list[Action]:
    """Return a parking for every port of ours that no node uses and that is not known to be parked."""
    actions: list[Action] = []
    for (switch, port), state in sorted(observed.spare_ports.items()):
        vlan = desired.zones[desired.switches[switch].spec.zone].spec.parking_vlan
        if not state.is_access(vlan):
            spare = Port(interface=port, switch=switch, port=port, vlan=vlan)
            actions.append(Park(subject=f"{switch}:{port}", why="no node uses this port", ports=(spare,)))
    return actions


def _drift(scene: Scene) -> list[Drift]:
    """Return where the hardware is not as the record left it, though nobody asked for a change."""
    phase = scene.phase
    subject = f"node/{scene.name}"
    if phase in {Phase.FREE, Phase.REJECTED}:
        expected = "" if scene.is_at_rest() or scene.head is None else "off, parked, served nothing"
    elif phase is Phase.ENCLAVE and scene.wanted and scene.head and scene.head.enclave == scene.wanted:
        expected = "" if scene.is_at(scene.enclave_ports()) and not scene.is_off() else f"on, in enclave {scene.wanted}"
    else:
        expected = ""
    return [Drift(subject=subject, expected=expected, found=_facts(scene))] if expected else []


def _facts(scene: Scene) -> str:
    ports = [
        f"{name} {state.mode.value.lower()} {state.vlan or ''}".strip()
        for name, state in sorted(scene.seen.ports.items())
    ]
    served = ["an image is served"] if scene.seen.assignment else []
    return ", ".join([f"power {scene.seen.power.value.lower()}", *ports, *served])
