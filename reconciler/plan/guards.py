"""Guards: what a freeze, a suspension, a window or a budget holds back of what the nodes' courses would do.

Rules, in this order:

1. Withdrawing trust is never held, and neither is anything that follows it: rotations, strays put to rest.
2. Freeze (all nodes) and suspend (those of an enclave, and those that would join or leave it): nothing widens. Members
   serve on and prove themselves as before. What may not go on where it is, is secured; the rest waits where it is.
3. Windows: a running member is disturbed of our own will only while its enclave's and the repository's are open.
4. Budgets: so that no more than ``maxUnavailable`` of an enclave's members are missing, those count that are missing
   already; the others wait for their turn, by name.

A member is held only while it can be kept proven: under its own enclave, which must still be there, against the image
that it was assigned, which must still be known, and by the policy of today. Unknown never means that it may stay.
Deadlines are not moved: a node that is silent loses trust, held or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.model.desired import DesiredState
from reconciler.model.phase import Phase
from reconciler.plan.course import Course, Expel, Join, Leave, Rest, Secure, Serve, decide
from reconciler.plan.plan import Held
from reconciler.plan.scene import Scene
from reconciler.plan.windows import is_open, next_opening

_IN_USE = frozenset({Phase.AIRLOCK, Phase.ENCLAVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What is left of the courses, and what waits; a held node's scene is that of the enclave that it is kept in."""

    scenes: Mapping[str, Scene]
    courses: Mapping[str, Course]
    held: tuple[Held, ...]


def hold(
    courses: Mapping[str, Course], *, scenes: Mapping[str, Scene], desired: DesiredState, now: datetime
) -> Guarded:
    """Return ``courses`` (by node, as ``scenes``) with everything held back that has to wait at ``now``."""
    kept: dict[str, tuple[Scene, Course]] = {name: (scenes[name], course) for name, course in courses.items()}
    held: dict[str, Held] = {}
    for name, (scene, course) in kept.items():
        why = _stopped(scene, desired)
        if why:
            kept[name] = _stop(scene, course)
            held |= _remark(scene, course, kept[name], why)
    disturbed: dict[str, Scene] = {}
    for name, (scene, course) in kept.items():
        match _left_alone(scene, course):
            case (alone, Serve()):
                disturbed[name] = alone
            case (alone, Expel() as lost) if isinstance(course, Join):
                kept[name] = (alone, lost)  # It fell silent while it waited for its restart.
            case _:
                pass
    waiting = _outside_windows(disturbed, desired, now)
    waiting |= _over_budget({n: s for n, s in disturbed.items() if n not in waiting}, kept, scenes, desired)
    for name, why in waiting.items():
        scene, course = kept[name]
        kept[name] = (disturbed[name], decide(disturbed[name]))
        held |= _remark(scene, course, kept[name], why)
    return Guarded(
        scenes={name: scene for name, (scene, _) in kept.items()},
        courses={name: course for name, (_, course) in kept.items()},
        held=tuple(held[name] for name in sorted(held)),
    )


def _stopped(scene: Scene, desired: DesiredState) -> str:
    """Return why nothing may widen around this node; empty if it may."""
    freeze = desired.repository.spec.freeze
    if freeze is not None:
        return f"the repository is frozen: {freeze.reason}"
    head = scene.head.enclave if scene.head and scene.phase in _IN_USE else None
    for name in (head, scene.wanted):
        enclave = desired.enclaves.get(name or "")
        if enclave is not None and enclave.spec.suspend:
            return f"enclave {name} is suspended"
    return ""


def _stop(scene: Scene, course: Course) -> tuple[Scene, Course]:
    """Return what goes on of ``course`` while nothing may widen."""
    match course:
        case Expel() | Rest() | Secure():
            return scene, course
        case Serve():
            return replace(scene, is_frozen=True), course
        case _:
            return _stay(scene, course)


def _stay(scene: Scene, course: Course) -> tuple[Scene, Course]:
    if scene.phase is Phase.FREE:
        # Whatever a free node does that is not at rest, it is put to rest.
        return (scene, Rest(is_held=True)) if scene.is_settled() else (scene, _unwanted(scene))
    if scene.phase is Phase.REJECTED:
        return scene, Rest(is_held=True) if scene.is_settled() else Secure()
    alone = _in_its_enclave(scene)
    if alone is None:
        return scene, course  # Its enclave is gone, and with it everything that it could be proven by: it leaves.
    alone = replace(alone, is_frozen=True)
    found = decide(alone)
    if isinstance(found, Expel | Serve | Rest):
        return alone, found
    is_parked = alone.is_parked() and not alone.lacks_parking_record()
    is_isolated = alone.phase is Phase.AIRLOCK and (is_parked or alone.is_in_airlock())
    return alone, Rest(is_held=True) if is_isolated or alone.is_settled() else Secure()


def _unwanted(scene: Scene) -> Course:
    return decide(replace(scene, wanted=None))


def _in_its_enclave(scene: Scene) -> Scene | None:
    """Return the scene as if the node's own enclave went on asking for it; None if that is gone."""
    enclave = scene.head.enclave if scene.head else None
    if enclave is None or enclave not in scene.desired.enclaves:
        return None
    return replace(scene, wanted=enclave, is_held=True)


def _left_alone(scene: Scene, course: Course) -> tuple[Scene, Course] | None:
    """Return what would become of a member that is to leave or to start over, if its enclave went on as it is."""
    if not isinstance(course, Leave | Join) or scene.phase is not Phase.ENCLAVE:
        return None
    alone = _in_its_enclave(scene)
    return None if alone is None else (alone, decide(alone))


def _outside_windows(disturbed: Mapping[str, Scene], desired: DesiredState, now: datetime) -> dict[str, str]:
    waiting: dict[str, str] = {}
    for name, alone in disturbed.items():
        owners = ((f"of {alone.wanted}", alone.enclave.spec), ("of the repository", desired.repository.spec))
        for whose, spec in owners:
            if not is_open(spec.maintenance, now=now):
                opening = next_opening(spec.maintenance, now=now)
                waiting[name] = f"the next maintenance window {whose} begins at {opening:%a %Y-%m-%d %H:%M} UTC"
    return waiting


def _over_budget(
    disturbed: Mapping[str, Scene],
    kept: Mapping[str, tuple[Scene, Course]],
    scenes: Mapping[str, Scene],
    desired: DesiredState,
) -> dict[str, str]:
    waiting: dict[str, str] = {}
    for enclave in sorted({alone.wanted or "" for alone in disturbed.values()}):
        spec = desired.enclaves[enclave].spec
        budget, asked = spec.disruption.max_unavailable, spec.nodes.count or len(spec.nodes.names or ())
        if budget is None:
            continue
        wanted = {name for name, scene in scenes.items() if scene.wanted == enclave}
        serving = {name for name in kept if _is_serving(name, enclave, kept, disturbed)}
        for name in sorted(name for name, alone in disturbed.items() if alone.wanted == enclave):
            # A member that comes back is missing meanwhile; one that leaves is not, but takes what it does with it.
            others = (serving & wanted if name in wanted else serving) - {name}
            if len(others) >= asked - budget:
                serving.discard(name)
                continue
            missing = sorted(wanted - serving) + ["a place that nobody fills"] * (len(wanted) < asked)
            waiting[name] = f"the disruption budget of {enclave} is {budget}; missing: {', '.join(missing)}"
    return waiting


def _is_serving(
    name: str, enclave: str, kept: Mapping[str, tuple[Scene, Course]], disturbed: Mapping[str, Scene]
) -> bool:
    """Return whether a node is a member of ``enclave`` that called from inside, and serves until it is disturbed."""
    scene, course = kept[name]
    head = scene.head
    is_member = head is not None and head.enclave == enclave and head.confirmed_at is not None
    return is_member and (isinstance(course, Serve) or name in disturbed)


def _remark(scene: Scene, course: Course, kept: tuple[Scene, Course], why: str) -> dict[str, Held]:
    """Return what is said of a node that waits, by its name; nothing if nothing waits."""
    due = _due(scene, course, kept)
    return {scene.name: Held(subject=f"node/{scene.name}", due=due, why=why)} if due else {}


def _due(scene: Scene, course: Course, kept: tuple[Scene, Course]) -> str:
    alone, found = kept
    if isinstance(found, Serve) and alone.withheld_keys() and isinstance(course, Serve):
        return f"to be given {', '.join(alone.withheld_keys())}"
    if found == course or isinstance(found, Expel):
        return ""
    own = scene.head.enclave if scene.head and scene.phase in _IN_USE else None
    if isinstance(course, Leave):
        return f"to leave enclave {own}" if own else "to return to the pool"
    return f"to start over in enclave {own}" if own and isinstance(course, Join) else f"to join enclave {scene.wanted}"
