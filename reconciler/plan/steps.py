"""From a node's course to its actions, in order; steps whose goal is known to be reached are left out.

Each function returns the actions of one node. What binds nodes together (rotations)
is in ``planner``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.attest.verdict import Accepted
from reconciler.model.kinds import Enclave
from reconciler.model.phase import Phase
from reconciler.plan.actions import (
    Action,
    Admit,
    AskAgain,
    AssignImage,
    Attest,
    Confirm,
    EnterAirlock,
    Park,
    PowerOff,
    PowerOn,
    RecordEvidence,
    RecordRejection,
    ReleaseKeys,
    ReturnToPool,
    Withdraw,
)
from reconciler.plan.course import (
    Course,
    Expel,
    Join,
    Leave,
    Prove,
    Rest,
    Secure,
    Serve,
)
from reconciler.plan.receipts import has_acknowledged, is_answered, is_present
from reconciler.plan.scene import Scene


def steps_for(scene: Scene, course: Course, *, versions: Mapping[str, int]) -> list[Action]:
    """Return the actions that ``course`` means for the node; ``versions`` are the custodian's current ones."""
    match course:
        case Rest():
            return []
        case Leave() | Secure():
            return _chain(_leave(scene) if isinstance(course, Leave) else _secure(scene))
        case Expel():
            return _sequence(_expel(scene, course))
        case Join():
            return _chain(_join(scene))
        case Prove():
            return _chain(_prove(scene, course.accepted))
        case Serve():  # pragma: no branch  # mypy: the match is exhaustive
            return _chain(_serve(scene, course, versions))


def _chain(actions: list[Action]) -> list[Action]:
    """Return ``actions`` so that each needs the success of the one before."""
    linked = actions[:1]
    for action in actions[1:]:
        linked.append(replace(action, after=(*action.after, linked[-1].id)))
    return linked


def _sequence(actions: list[Action]) -> list[Action]:
    """Return ``actions`` so that each waits for the end of the one before, however it ends."""
    linked = actions[:1]
    for action in actions[1:]:
        linked.append(replace(action, follows=(*action.follows, linked[-1].id)))
    return linked


def _power_off(scene: Scene, why: str) -> list[Action]:
    return [] if scene.is_off() else [PowerOff(subject=scene.name, why=why)]


def _park(scene: Scene, why: str) -> list[Action]:
    """Return the parking of a node that is not known to be parked, or that is not recorded as parked.

    A node that nothing is recorded of is left as it is: a fresh site has nothing to be done.
    """
    if scene.is_parked():
        if not scene.lacks_parking_record():
            return []
        why = "it is parked, and that is not on record"
    return [Park(subject=scene.name, why=why, ports=scene.parked_ports())]


def _withdraw(scene: Scene, why: str) -> list[Action]:
    return [Withdraw(subject=scene.name, why=why)] if scene.seen.assignment else []


def _down(scene: Scene, why: str) -> list[Action]:
    """Return how the node is brought down: a member loses its power first, a stranger its network."""
    if scene.phase in {Phase.AIRLOCK, Phase.ENCLAVE}:
        return _power_off(scene, why) + _park(scene, why)
    return _park(scene, why) + _power_off(scene, why)


def _leave(scene: Scene) -> list[Action]:
    why = _why_it_leaves(scene)
    actions = _down(scene, why) + _withdraw(scene, why)
    if scene.phase is not Phase.FREE:
        actions.append(ReturnToPool(subject=scene.name, why=why))
    return actions


def _why_it_leaves(scene: Scene) -> str:
    left = scene.head.enclave if scene.head else None
    if left is None:
        return "nobody asks for it"
    return f"it leaves enclave {left} for {scene.wanted}" if scene.wanted else f"enclave {left} no longer asks for it"


def _secure(scene: Scene) -> list[Action]:
    why = "it cannot be proven where it is, and may not start over yet"
    return _down(scene, why) + _withdraw(scene, why)


def _expel(scene: Scene, course: Expel) -> list[Action]:
    why = course.causes[0] if course.causes else "an earlier rejection stands"
    actions, withdraw = _park(scene, why) + _power_off(scene, why), _withdraw(scene, why)
    if course.causes:
        rejection = RecordRejection(subject=scene.name, why=why, causes=course.causes, rejected=course.rejected)
        actions.append(rejection)
        # The evidence goes with the sessions: whoever is not on record as rejected would start over without it.
        withdraw = [replace(action, after=(rejection.id,)) for action in withdraw]
    return actions + withdraw


def _join(scene: Scene) -> list[Action]:
    enclave = scene.enclave
    why = f"enclave {scene.wanted} asks for it"
    image = scene.desired.images[enclave.spec.image]
    policy = scene.desired.policies[enclave.spec.policy]
    in_airlock = scene.phase is Phase.AIRLOCK and scene.is_in_airlock()
    actions = _power_off(scene, why) if in_airlock else _down(scene, why)
    if scene.phase is Phase.REJECTED:
        actions.append(ReturnToPool(subject=scene.name, why="a commit cleared its rejection"))
    if not in_airlock:
        actions.append(EnterAirlock(subject=scene.name, why=why, ports=scene.airlock_ports()))
    assign = AssignImage(
        subject=scene.name,
        why=why,
        enclave=scene.wanted or "",
        image=enclave.spec.image,
        digest=image.spec.digest,
        pcrs=policy.spec.pcrs,
    )
    return [*actions, assign, PowerOn(subject=scene.name, why=why), *_proof(scene, None, release=True)]


def _prove(scene: Scene, accepted: Accepted | None) -> list[Action]:
    return _ask_again(scene) + _proof(scene, accepted, release=not has_acknowledged(scene))


def _ask_again(scene: Scene) -> list[Action]:
    """Return the request for newer evidence, if what came was made under an older commit."""
    session = scene.seen.session
    if scene.verdict is not None or session is None or session.evidence is None:
        return []
    if session.answered is not None and session.answered.nonce == session.evidence.nonce:
        return []
    return [
        AskAgain(
            subject=scene.name,
            why="its evidence was made for an older commit",
            session=session.session,
            nonce=session.evidence.nonce,
        )
    ]


def _proof(scene: Scene, accepted: Accepted | None, *, release: bool) -> list[Action]:
    """Return what lies between a running node in its airlock and a confirmed member."""
    enclave, name = scene.enclave, scene.wanted or ""
    why = f"enclave {name} asks for it"
    keys = enclave.spec.keys
    actions: list[Action] = []
    if accepted is None:
        actions.append(Attest(subject=scene.name, why="nothing proves it yet"))
    if accepted is None or not scene.is_recorded():
        actions.append(RecordEvidence(subject=scene.name, why=why, enclave=name, keys=keys, accepted=accepted))
    if release:
        actions.append(_release(scene, enclave, keys, accepted, why))
    ports = scene.enclave_ports()
    admit = Admit(subject=scene.name, why=why, ports=ports, enclave=name, keys=keys, accepted=accepted)
    return [*actions, admit, Confirm(subject=scene.name, why=why, network=enclave.spec.networks[0])]


def _release(scene: Scene, enclave: Enclave, keys: tuple[str, ...], accepted: Accepted | None, why: str) -> ReleaseKeys:
    return ReleaseKeys(
        subject=scene.name,
        why=why,
        enclave=scene.wanted or "",
        keys=keys,
        reattest_s=int(enclave.spec.reattest.total_seconds()),
        accepted=accepted,
    )


def _serve(scene: Scene, course: Serve, versions: Mapping[str, int]) -> list[Action]:
    enclave, name = scene.enclave, scene.wanted or ""
    outdated = scene.outdated_keys(versions)
    accepted = course.accepted
    actions = _ask_again(scene)
    if accepted is not None and not scene.is_recorded():
        why = "it proved itself again"
        actions.append(RecordEvidence(subject=scene.name, why=why, enclave=name, keys=outdated, accepted=accepted))
        actions.append(_release(scene, enclave, outdated, accepted, why))
    elif accepted is not None and not is_answered(scene):
        actions.append(_release(scene, enclave, scene.keys, accepted, "it has not been answered yet"))
    elif outdated:
        why = f"{outdated[0]} was rotated"
        actions.append(Attest(subject=scene.name, why=why))
        actions.append(RecordEvidence(subject=scene.name, why=why, enclave=name, keys=outdated, accepted=None))
        actions.append(_release(scene, enclave, outdated, None, why))
    head = scene.head
    if head is not None and head.confirmed_at is None:
        why = "it was admitted" if is_present(scene) else "it has not called from inside the network yet"
        actions.append(Confirm(subject=scene.name, why=why, network=enclave.spec.networks[0]))
    return actions
