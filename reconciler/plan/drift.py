"""Drift: where the hardware is not as the record left it, though nobody asked for a change."""

from __future__ import annotations

from reconciler.model.phase import Phase
from reconciler.plan.plan import Drift
from reconciler.plan.scene import Scene


def drift_of(scene: Scene) -> Drift | None:
    """Return how the node differs from what is on record of it, None if it does not."""
    phase = scene.phase
    if phase in {Phase.FREE, Phase.REJECTED}:
        expected = "" if scene.is_at_rest() or scene.head is None else "off, parked, served nothing"
    elif phase is Phase.ENCLAVE and scene.head and scene.head.is_parked:
        expected = "" if scene.is_parked() else "parked"
    elif phase is Phase.ENCLAVE and scene.wanted and scene.head and scene.head.enclave == scene.wanted:
        expected = "" if scene.is_in_enclave() and not scene.is_off() else f"on, in enclave {scene.wanted}"
    else:
        expected = ""
    return Drift(subject=f"node/{scene.name}", expected=expected, found=_facts(scene)) if expected else None


def _facts(scene: Scene) -> str:
    ports = [
        f"{name} {state.mode.value.lower()} {state.vlan or ''}".strip()
        for name, state in sorted(scene.seen.ports.items())
    ]
    served = ["an image is served"] if scene.seen.assignment else []
    return ", ".join([f"power {scene.seen.power.value.lower()}", *ports, *served])
