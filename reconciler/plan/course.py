"""The course of a node: what is to become of it, decided from known facts, in this order.

1. A rejection that stands keeps a node out, whatever else is true.
2. Rejected evidence, or a member's silence, withdraws trust.
3. Drift is answered as it is declared; where somebody else is at work on the same hardware, trust is withdrawn.
4. A node that nobody wants leaves, and rests.
5. A node that another enclave wants leaves first.
6. A node that is wanted joins, proves itself, or serves.

Unknown facts hold a node where it is: they never move it forward.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.attest.explain import place_of
from reconciler.attest.verdict import Accepted, Reason, Rejected
from reconciler.model.observed import PowerState
from reconciler.model.phase import Phase
from reconciler.plan.drift import Deviation, deviation_of
from reconciler.plan.fights import calm_at, recent
from reconciler.plan.receipts import has_acknowledged, has_every_key, is_present
from reconciler.plan.scene import Scene
from reconciler.plan.standing import is_barred


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing is to be done; ``problem`` says what is not known, if anything.

    ``is_held`` if something would be, and waits (``plan.guards``).
    """

    problem: str = ""
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The node goes back to the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expel:
    """Trust is withdrawn; no ``causes`` means that the rejection is recorded already."""

    causes: tuple[str, ...] = ()
    rejected: Rejected | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The node starts a fresh attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """The node is up in its airlock in the recorded attempt; ``accepted`` once its evidence verified."""

    accepted: Accepted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """The node is a member; ``accepted`` if newer evidence of it verified."""

    accepted: Accepted | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secure:
    """The node may not go on where it is and not start over yet: it is off, parked and served nothing until then."""


Course = Rest | Leave | Expel | Join | Prove | Serve | Secure


def decide(scene: Scene) -> Course:
    """Return what is to become of the node."""
    if is_barred(scene.node, scene.head):
        return _barred(scene)
    causes = _lost_trust(scene)
    if causes:
        return Expel(causes=causes, rejected=scene.verdict if isinstance(scene.verdict, Rejected) else None)
    deviation = deviation_of(scene)
    answer = _answer(scene, deviation) if deviation else None
    if answer is not None:
        return answer
    if scene.wanted is None:
        return _unwanted(scene)
    if scene.phase in {Phase.AIRLOCK, Phase.ENCLAVE} and scene.head and scene.head.enclave != scene.wanted:
        return Leave()
    return _wanted(scene)


def _barred(scene: Scene) -> Course:
    """Return what becomes of a rejected node: put to rest, unless that was undone too often of late."""
    deviation = deviation_of(scene)
    is_left = deviation is not None and deviation.is_known and scene.is_fought() and scene.seen.assignment is None
    if deviation is None or not is_left:
        return Rest() if scene.is_settled() else Expel()
    until = calm_at(scene.bouts, fights=scene.fights, now=scene.now)
    message = f"{_fought(scene, deviation)}; nothing is written to it before {until:%Y-%m-%dT%H:%M:%SZ}"
    return Rest(problem=message)


def _answer(scene: Scene, deviation: Deviation) -> Course | None:
    """Return what drift is answered with; None if the node goes the way of every node, which puts it right."""
    if scene.is_fought() and deviation.is_known:
        return Expel(causes=(f"Fought: {_fought(scene, deviation)}",))
    declared = scene.drift_policy()
    if declared == "quarantine" and deviation.is_foreign:
        return Expel(causes=(f"Drift: {deviation.words}",))
    is_idle = scene.wanted is None and scene.seen.assignment is None
    if declared == "report" and is_idle and deviation.is_contained:
        return Rest(problem=f"drift is reported only: {deviation.words}")
    return None


def _fought(scene: Scene, deviation: Deviation) -> str:
    """Return in words that somebody else is at work on the same hardware."""
    times = recent(scene.bouts, fights=scene.fights, now=scene.now)
    return f"put right {len(times)} times since {times[0]:%Y-%m-%dT%H:%M:%SZ}, and again: {deviation.words}"


def _lost_trust(scene: Scene) -> tuple[str, ...]:
    if isinstance(scene.verdict, Rejected):
        return tuple(describe_reason(reason) for reason in scene.verdict.reasons)
    if scene.wanted is None or (isinstance(scene.verdict, Accepted) and not scene.is_recorded()):
        return ()
    since = scene.silence_since()
    if since is not None and scene.standing_assignment():
        return (f"Silent: no evidence since {since:%Y-%m-%dT%H:%M:%SZ}",)
    return ()


def describe_reason(reason: Reason) -> str:
    """Return one line for one reason: the code, the place in the evidence, and what was expected and found."""
    place = place_of(reason)
    text = f"{reason.code}: {reason.message}" + (f" [{place}]" if place else "")
    if reason.expected is not None or reason.found is not None:
        text += f" (expected {reason.expected or 'nothing'}, found {reason.found or 'nothing'})"
    return text


def _unwanted(scene: Scene) -> Course:
    if scene.phase is not Phase.FREE:
        return Leave()
    if scene.is_settled():
        return Rest()
    if scene.seen.power is PowerState.UNKNOWN and scene.is_parked() and scene.seen.assignment is None:
        return Rest(problem="its power state is not known")
    if scene.has_unknown_port() and scene.is_off() and scene.seen.assignment is None:
        return Rest(problem="the state of its switch port is not known")
    return Leave()


def _wanted(scene: Scene) -> Course:
    if scene.has_unknown_port():
        return Rest(problem="the state of its switch port is not known")
    if scene.seen.power is PowerState.UNKNOWN and scene.phase is not Phase.ENCLAVE:
        return Rest(problem="its power state is not known")
    standing = scene.standing_assignment()
    if standing is None or scene.is_off():
        return Join()
    if scene.is_in_enclave():
        return _in_enclave(scene)
    if scene.is_in_airlock() and scene.phase is Phase.AIRLOCK:
        return _in_airlock(scene)
    return Join()


def _in_enclave(scene: Scene) -> Course:
    accepted = scene.verdict if isinstance(scene.verdict, Accepted) else None
    if scene.phase is Phase.ENCLAVE:
        if scene.head is not None and scene.head.is_parked:
            return Join()  # It was parked, and not by us it came back.
        return _late(scene) or Serve(accepted=accepted, problem=_power_problem(scene))
    if accepted is not None and scene.is_recorded() and has_acknowledged(scene) and has_every_key(scene):
        return Prove(accepted=accepted)  # Killed between the port's move and its record: finish it.
    return Join()


def _in_airlock(scene: Scene) -> Course:
    accepted = scene.verdict if isinstance(scene.verdict, Accepted) else None
    if has_acknowledged(scene) and (not has_every_key(scene) or _is_stuck(scene)):
        return Join()  # Only a fresh attempt gets an enclave's new set of keys, or another chance to show its receipts.
    return _late(scene) or Prove(accepted=accepted)


def _is_stuck(scene: Scene) -> bool:
    """Return whether a node that acknowledged its keys could not be admitted for long."""
    answered_at = scene.answered_at()
    return answered_at is not None and scene.now - answered_at > scene.desired.repository.spec.boot_deadline


def _late(scene: Scene) -> Expel | None:
    """Return the expulsion of a node that let a deadline pass."""
    head, limits = scene.head, scene.desired.repository.spec
    if head is None or scene.listening_since is None:
        return None
    if scene.phase is Phase.AIRLOCK and head.assigned_at is not None:
        start = max(head.assigned_at, scene.listening_since, scene.answered_at() or head.assigned_at)
        limit = limits.boot_deadline
        late = not scene.is_our_turn() and not has_acknowledged(scene)
        cause = "BootTimeout: it was not proven in time"
    elif head.admitted_at is not None and head.confirmed_at is None:
        start, limit = max(head.admitted_at, scene.listening_since), limits.confirm_deadline
        late = not is_present(scene)
        cause = "ConfirmTimeout: it did not call from inside the enclave's network in time"
    else:
        return None
    return Expel(causes=(cause,)) if late and scene.now - start > limit else None


def _power_problem(scene: Scene) -> str:
    return "its power state is not known" if scene.seen.power is PowerState.UNKNOWN else ""
