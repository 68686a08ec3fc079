"""Drift: where the hardware is not as the record left it, though nobody asked for a change.

1. What Ringfence itself leaves behind when it is killed half-way is no drift, as far as the two can be told apart; what
   cannot be told apart is never *foreign*.
2. What a commit asks to be changed is no drift: ports that stand as they are recorded are where they were left.
3. A deviation is *contained* if it endangers nobody: each port is known to be parked, in the node's own airlock, or (of
   a node that is on record there) where the record has it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.attest.verdict import Accepted
from reconciler.model.observed import PortMode, PowerState
from reconciler.model.phase import Phase
from reconciler.plan.plan import Drift
from reconciler.plan.receipts import has_acknowledged, has_every_key
from reconciler.plan.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How a node differs from what is on record of it.

    ``is_known`` if no fact is lacking; ``is_contained`` if it endangers nobody; ``is_foreign`` if nothing that
    Ringfence does leaves a node so, wherever it is killed.
    """

    expected: str
    found: str
    is_known: bool
    is_contained: bool
    is_foreign: bool

    @property
    def words(self) -> str:
        """Return it in words."""
        return f"should be {self.expected}, and is {self.found}"


def drift_of(scene: Scene) -> Drift | None:
    """Return how the node differs from what is on record of it, None if it does not."""
    found = deviation_of(scene)
    return Drift(subject=f"node/{scene.name}", expected=found.expected, found=found.found) if found else None


def deviation_of(scene: Scene) -> Deviation | None:
    """Return the same, with what it takes to decide what is done about it."""
    match scene.phase:
        case _ if scene.head is None:
            return None
        case Phase.FREE | Phase.REJECTED:
            return _at_rest(scene)
        case Phase.ENCLAVE if scene.head.is_parked:
            return _while_parked(scene)
        case Phase.ENCLAVE if scene.head.enclave == scene.wanted:
            return _member(scene)
        case Phase.AIRLOCK if scene.head.enclave == scene.wanted:
            return _in_airlock(scene)
        case _:
            return None


def _at_rest(scene: Scene) -> Deviation | None:
    if scene.is_at_rest():
        return None
    is_asked_for = scene.is_off() and scene.seen.assignment is None and _is_as_recorded(scene)
    is_under_way = scene.is_off() and scene.wanted is not None and scene.phase is Phase.FREE and _is_contained(scene)
    if is_asked_for or is_under_way:
        return None
    # Nothing is switched on before its assignment is on record, and nothing is free that was not seen to be off.
    is_on = scene.phase is Phase.FREE and scene.seen.power is PowerState.ON
    return _deviation(scene, "off, parked, served nothing", is_foreign=is_on or not _is_contained(scene))


def _while_parked(scene: Scene) -> Deviation | None:
    if scene.is_parked() or _is_as_recorded(scene) or (scene.is_off() and _is_contained(scene)):
        return None
    return _deviation(scene, "parked", is_foreign=not _is_contained(scene))


def _member(scene: Scene) -> Deviation | None:
    is_where_it_was = scene.is_in_enclave() or _is_as_recorded(scene)
    is_standing = scene.standing_assignment() is not None
    if (is_where_it_was and not scene.is_off()) or (_is_contained(scene) and not is_standing):
        return None
    # A member that is held has a restart before it, which may have begun.
    is_foreign = not _is_contained(scene) or (is_where_it_was and is_standing and not scene.is_held)
    return _deviation(scene, f"on, in enclave {scene.wanted}", is_foreign=is_foreign)


def _in_airlock(scene: Scene) -> Deviation | None:
    if scene.has_unknown_port() or scene.is_parked() or scene.is_in_airlock() or _is_as_recorded(scene):
        return None
    if scene.is_in_enclave():
        is_proven = isinstance(scene.verdict, Accepted) and scene.is_recorded()
        if is_proven and has_acknowledged(scene) and has_every_key(scene):
            return None  # Killed between the port's move and its record.
    is_foreign = not _is_contained(scene) and not scene.is_in_enclave()
    return _deviation(scene, "in its airlock", is_foreign=is_foreign)


def _deviation(scene: Scene, expected: str, *, is_foreign: bool) -> Deviation:
    is_known = scene.seen.power is not PowerState.UNKNOWN and not scene.has_unknown_port()
    return Deviation(
        expected=expected,
        found=_facts(scene),
        is_known=is_known,
        is_contained=_is_contained(scene),
        is_foreign=is_foreign and is_known,
    )


def _is_as_recorded(scene: Scene) -> bool:
    recorded = scene.head.ports if scene.head else None
    return bool(recorded) and recorded == {name: state.words for name, state in scene.seen.ports.items()}


def _is_contained(scene: Scene) -> bool:
    """Return whether every port is known to be in a place of the node's own."""
    parking = scene.desired.parking_vlan(scene.name)
    recorded = (scene.head.ports or {}) if scene.head and scene.phase in {Phase.AIRLOCK, Phase.ENCLAVE} else {}
    for index, interface in enumerate(scene.node.spec.interfaces):
        state = scene.seen.ports.get(interface.name)
        if state is None or state.mode is not PortMode.ACCESS:
            return False
        own = {parking, scene.node.spec.airlock.vlan} if index == 0 else {parking}
        if state.vlan not in own and state.words != recorded.get(interface.name):
            return False
    return True


def _facts(scene: Scene) -> str:
    ports = [f"{name} {state.words}" for name, state in sorted(scene.seen.ports.items())]
    served = ["an image is served"] if scene.seen.assignment else []
    return ", ".join([f"power {scene.seen.power.value.lower()}", *ports, *served])
