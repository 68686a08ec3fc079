"""Keys that are rotated for their age: which, why, what holds them back, and their place in a plan.

1. It is voluntary. A freeze holds it back, and so does the suspension of an enclave that lists the key. Rotation after
   a loss is never held, and stands in for one because of age.
2. It disturbs nobody. Members get the new version with their next proof, so that no window and no budget is asked.
3. Whoever is given the key in the same plan is given it afterwards, however the rotation ended: one that fails leaves
   the version that there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.keys.rotation import Aged, aged_keys
from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.plan.actions import Action, RecordEvidence, ReleaseKeys, RotateKey
from reconciler.plan.plan import Held

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))
_SECOND = ("second", timedelta(seconds=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aging:
    """The keys to rotate for their age, by name, and those that wait."""

    due: Mapping[str, Aged]
    held: tuple[Held, ...]

    @property
    def past(self) -> dict[str, int]:
        """Return the version that each key is rotated past."""
        return {name: aged.past for name, aged in self.due.items()}


def aging(desired: DesiredState, *, observed: ObservedState, now: datetime, anyway: Collection[str]) -> Aging:
    """Return which keys are too old at ``now``; those that are rotated ``anyway`` are left out."""
    rotations = {n: key.spec.rotation for n, key in desired.keys.items() if key.spec.rotation and n not in anyway}
    found = aged_keys(rotations, versions=observed.key_versions, made_at=observed.key_made_at, now=now)
    stopped = {name: why for name in found if (why := _stopped(name, desired))}
    held = [Held(subject=f"key/{name}", due="to be rotated", why=why) for name, why in stopped.items()]
    return Aging(due={name: aged for name, aged in found.items() if name not in stopped}, held=tuple(held))


def _stopped(key: str, desired: DesiredState) -> str:
    """Return why a key may not be rotated of our own will; empty if it may."""
    freeze = desired.repository.spec.freeze
    if freeze is not None:
        return f"the repository is frozen: {freeze.reason}"
    suspended = sorted(n for n, e in desired.enclaves.items() if e.spec.suspend and key in e.spec.keys)
    return f"enclave {suspended[0]} is suspended" if suspended else ""


def with_aged(actions: Iterable[Action], aging: Aging) -> list[Action]:
    """Return all actions with the rotations among them."""
    rotating = [
        RotateKey(subject=name, why=_why(aged), past=aged.past, is_aged=True) for name, aged in aging.due.items()
    ]
    return [_after(action, aging) for action in actions] + rotating


def _after(action: Action, aging: Aging) -> Action:
    match action:
        case RecordEvidence() | ReleaseKeys():
            waits = tuple(f"rotate-key/{key}" for key in action.keys if key in aging.due)
            return replace(action, follows=(*action.follows, *waits))
        case _:
            return action


def _why(aged: Aged) -> str:
    unit = next((unit for unit in _UNITS if aged.rotation % unit[1] == timedelta(0)), _SECOND)
    rotation = f"its rotation is {_count(aged.rotation, unit)}"
    if aged.age is None:
        return f"nobody knows how old it is; {rotation}"
    return f"it is {_count(aged.age, unit)} old; {rotation}"


def _count(span: timedelta, unit: tuple[str, timedelta]) -> str:
    word, size = unit
    number = span // size
    return f"{number} {word}" + ("" if number == 1 else "s")
