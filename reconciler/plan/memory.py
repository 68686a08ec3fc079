"""What a running loop need not think again: how nodes stand, who serves whom, and which nodes rest.

A memory changes how long a plan takes and nothing else: without one, the same plan comes out byte by byte.

1. A node rests if nobody wants it, nothing of it was appraised, no drift of it was put right of late, and nothing is
   to be done about it. Its course does not change with time, and depends on its document, on its zone and on what was
   seen of it, and on nothing else.
2. It rests until one of these is another object, somebody wants it, or something of it was appraised. Equal things
   that were read anew are thought through anew.
3. What is kept is what was decided, before any guard held it back.
4. A plan that was not finished leaves nothing behind.
5. Members that serve quietly (``plan.quiet``) are not thought through either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.attest.verdict import Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Node
from reconciler.model.observed import NodeObservation, ObservedState
from reconciler.plan.assign import Assignments, assign
from reconciler.plan.changes import changed_keys
from reconciler.plan.course import Course, Rest
from reconciler.plan.drift import drift_of
from reconciler.plan.fingerprint import Fingerprints
from reconciler.plan.plan import Drift
from reconciler.plan.quiet import Quiet, changed_members, is_alike_for_all, is_quiet
from reconciler.plan.scene import Scene
from reconciler.plan.spare import SparePorts, spare_ports
from reconciler.plan.standing import Standings, labels_asked


@dataclass(slots=True)
class _Resting:
    """What plans say of nodes that rest: only of those of which there is something to say."""

    names: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)
    drift: dict[str, Drift] = field(default_factory=dict)
    keys: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def forget(self, name: str) -> None:
        """Say nothing of ``name``."""
        self.names.discard(name)
        for said in (self.problems, self.drift, self.keys):
            said.pop(name, None)


class PlanMemory:
    """The memory of one planner: give it to every ``plan`` of a loop, or to none."""

    def __init__(self) -> None:
        """Remember nothing."""
        self._is_whole = False
        self._clear()

    def _clear(self) -> None:
        self._nodes: Mapping[str, Node] = {}
        self._seen: Mapping[str, NodeObservation] = {}
        self._desired: DesiredState | None = None
        self._standings = Standings(())
        self._assigned: tuple[int, Assignments] | None = None
        self._fingerprints = Fingerprints()
        self._spare: tuple[ObservedState, SparePorts] | None = None
        self._astir: set[str] = set()
        self._quiet = Quiet()
        self._enclave_of: Mapping[str, str] = {}
        self._enclave_of_now: Mapping[str, str] = {}
        self._verdicts: Mapping[str, Verdict] = {}
        self._observed: ObservedState | None = None
        self.resting = _Resting()

    def begin(
        self, desired: DesiredState, *, observed: ObservedState, verdicts: Mapping[str, Verdict], now: datetime
    ) -> Assignments:
        """Take in what a plan is made from, and return who serves whom."""
        if not self._is_whole:
            self._clear()
        self._is_whole = False
        before, self._desired = self._desired, desired
        documents = changed_keys(self._nodes, desired.nodes)
        seen = changed_keys(self._seen, observed.nodes)
        self._nodes, self._seen = desired.nodes, observed.nodes
        if before is None or changed_keys(before.zones, desired.zones):
            self._wake(list(self.resting.names))
            self._spare = None
        if before is None or any(
            changed_keys(old, new)
            for old, new in ((before.switches, desired.switches), (before.networks, desired.networks))
        ):
            self._spare = None
        self._note_standings(desired, documents | seen)
        self._fingerprints.note(observed.nodes, changed=seen)
        self._wake(documents | seen)
        assignments = self._assign(desired, before)
        self._enclave_of_now = assignments.enclave_of
        self._wake(changed_members(self._enclave_of, assignments.enclave_of))
        self._wake(changed_keys(self._verdicts, verdicts))
        self._wake(_fought(observed) if self._observed is None else _fought(self._observed) | _fought(observed))
        self._wake_members(desired, before, observed=observed, now=now)
        self._enclave_of, self._verdicts, self._observed = assignments.enclave_of, verdicts, observed
        return assignments

    def wake_quiet(self) -> bool:
        """Let every quiet member be thought through; return whether there was any."""
        names = self._quiet.all()
        self._wake(names)
        return bool(names)

    def _wake_members(
        self, desired: DesiredState, before: DesiredState | None, *, observed: ObservedState, now: datetime
    ) -> None:
        seen_before = self._observed
        if (
            before is None
            or seen_before is None
            or not is_alike_for_all(before, desired, seen_before=seen_before, seen=observed)
        ):
            self.wake_quiet()
            return
        self._wake(self._quiet.of(changed_keys(before.enclaves, desired.enclaves)))
        self._wake(self._quiet.due(now))
        heads = (self._seen[name].head for name in self._astir)
        touched = {self._enclave_of_now.get(name) for name in self._astir} | {head.enclave for head in heads if head}
        self._wake(self._quiet.of(enclave for enclave in touched if enclave))

    def astir(self) -> list[str]:
        """Return the nodes to think through, sorted."""
        return sorted(self._astir)

    def settle(self, scenes: dict[str, Scene], courses: dict[str, Course]) -> None:
        """Move the nodes that rest out of ``scenes`` and ``courses``, and keep what is to be said of them."""
        for name, course in list(courses.items()):
            scene = scenes[name]
            if isinstance(course, Rest) and scene.wanted is None and scene.verdict is None and not scene.bouts:
                self._rest(scene, course)
                del scenes[name], courses[name]

    def settle_members(
        self, scenes: Mapping[str, Scene], courses: Mapping[str, Course], *, busy: Collection[str]
    ) -> None:
        """Let members be quiet about which there is nothing to do or to say; ``busy`` are subjects of the plan."""
        for name, course in courses.items():
            if is_quiet(scenes[name], course, busy=busy):
                self._quiet.add(scenes[name])
                self._astir.discard(name)

    def fingerprint(self, observed: ObservedState) -> str:
        """Return the fingerprint of what was taken in."""
        return self._fingerprints.of(observed)

    def spare_ports(self, desired: DesiredState, observed: ObservedState, *, now: datetime) -> SparePorts:
        """Return what is to be done and said about ports of ours that no node uses."""
        if any(subject.startswith("port/") for subject in observed.bouts):
            self._spare = None  # What is said of a port that is fought over changes with time.
            return spare_ports(desired, observed, now=now)
        if self._spare is None or changed_keys(self._spare[0].spare_ports, observed.spare_ports):
            self._spare = (observed, spare_ports(desired, observed, now=now))
        return self._spare[1]

    def end(self) -> None:
        """Take note that the plan is complete: what was kept may be used for the next."""
        self._is_whole = True

    def _note_standings(self, desired: DesiredState, changed: set[str]) -> None:
        labels = labels_asked(desired.enclaves.values())
        names: Iterable[str] = changed
        if labels != self._standings.labels:
            self._standings, self._assigned = Standings(labels), None
            names = desired.nodes
        for name in sorted(names):
            if name in desired.nodes:
                seen = self._seen.get(name)
                self._standings.put(name, desired.nodes[name], seen.head if seen else None)
            else:
                self._standings.drop(name)

    def _assign(self, desired: DesiredState, before: DesiredState | None) -> Assignments:
        is_asked_anew = before is None or any(
            changed_keys(old, new)
            for old, new in ((before.enclaves, desired.enclaves), (before.networks, desired.networks))
        )
        if self._assigned is None or is_asked_anew or self._assigned[0] != self._standings.version:
            self._assigned = (self._standings.version, assign(desired, self._standings))
        return self._assigned[1]

    def _wake(self, names: Iterable[str]) -> None:
        """Let ``names`` be thought through; those of which nothing is seen are forgotten."""
        for name in names:
            if name not in self._astir:
                self.resting.forget(name)
                self._quiet.drop(name)
            if name in self._seen:
                self._astir.add(name)
            else:
                self._astir.discard(name)

    def _rest(self, scene: Scene, course: Rest) -> None:
        name, drift = scene.name, drift_of(scene)
        self._astir.discard(name)
        self.resting.names.add(name)
        if course.problem:
            self.resting.problems[name] = course.problem
        if drift is not None:
            self.resting.drift[name] = drift
        if scene.head is not None and scene.head.keys:
            self.resting.keys[name] = scene.head.keys


def _fought(observed: ObservedState) -> set[str]:
    """Return the nodes of which drift was put right of late."""
    return {subject.removeprefix("node/") for subject in observed.bouts if subject.startswith("node/")}
