"""Members that serve quietly: nothing is to be done about them, and nothing to be said, until something changes.

1. A member is quiet if its plan was empty: it serves its enclave as it is recorded, its newest evidence is judged,
   recorded and answered, it knows the enclave's keys and no others, it called from inside, and no guard touched it.
2. It stays quiet while its document, what is seen of it, its verdict, its enclave, and what all members are judged by
   are the same objects as before, and until the moment at which its silence would count against it.
3. Budgets and rotations look at all members of an enclave or of a key: whoever thinks about one thinks about all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.model.phase import Phase
from reconciler.plan.course import Course, Serve
from reconciler.plan.drift import drift_of
from reconciler.plan.scene import Scene

_COMMON = ("repository", "zones", "switches", "networks", "images", "policies", "keys", "former_images")
"""What of the desired state bears on members of every enclave."""


class Quiet:
    """The members that serve quietly, by enclave, and until when."""

    def __init__(self) -> None:
        """Know of none."""
        self._until: dict[str, datetime | None] = {}
        self._enclave: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}
        self._first: datetime | None = None

    def __contains__(self, name: object) -> bool:
        """Return whether ``name`` is quiet."""
        return name in self._enclave

    def all(self) -> list[str]:
        """Return every quiet member."""
        return list(self._enclave)

    def of(self, enclaves: Iterable[str]) -> list[str]:
        """Return the quiet members of ``enclaves``."""
        return [name for enclave in enclaves for name in self._members.get(enclave, ())]

    def due(self, now: datetime) -> list[str]:
        """Return those whose silence may count against them at ``now``."""
        if self._first is None or now <= self._first:
            return []
        found = [name for name, until in self._until.items() if until is not None and now > until]
        self._first = min((until for n, until in self._until.items() if until and n not in found), default=None)
        return found

    def add(self, scene: Scene) -> None:
        """Take note that the node of ``scene`` serves quietly."""
        name, enclave, until = scene.name, scene.wanted or "", scene.silent_after()
        self._until[name], self._enclave[name] = until, enclave
        self._members.setdefault(enclave, set()).add(name)
        if until is not None:
            self._first = until if self._first is None else min(self._first, until)

    def drop(self, name: str) -> None:
        """Take note that ``name`` is to be thought about."""
        enclave = self._enclave.pop(name, None)
        if enclave is not None:
            del self._until[name]
            self._members[enclave].discard(name)


def is_alike_for_all(
    before: DesiredState, desired: DesiredState, *, seen_before: ObservedState, seen: ObservedState
) -> bool:
    """Return whether nothing changed that bears on every member."""
    is_same = all(getattr(before, name) is getattr(desired, name) for name in _COMMON)
    return (
        is_same
        and seen_before.listening_since == seen.listening_since
        and seen_before.key_versions == seen.key_versions
        and seen_before.former == seen.former
    )


def is_quiet(scene: Scene, course: Course, *, busy: Collection[str]) -> bool:
    """Return whether the node of ``scene`` serves quietly; ``busy`` are the subjects of actions and remarks."""
    head, session = scene.head, scene.seen.session
    if not isinstance(course, Serve) or course.problem or scene.name in busy or head is None:
        return False
    if head.phase is not Phase.ENCLAVE or head.enclave != scene.wanted or head.confirmed_at is None:
        return False
    if (
        scene.is_held
        or scene.is_frozen
        or scene.bouts
        or drift_of(scene) is not None
        or head.keys.keys() != set(scene.enclave.spec.keys)
    ):
        return False
    return session is None or session.evidence is None or head.nonce == session.evidence.nonce.hex()


def changed_members(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """Return the nodes that serve another enclave than before, or none any more."""
    if before is after:
        return set()
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
