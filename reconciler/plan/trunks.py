"""Trunks: what they carry against what is declared. They are told of, and nothing else is done about them."""

from __future__ import annotations

from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_TRUNK, ObservedState
from reconciler.plan.plan import Drift, Problem


def trunk_drift(desired: DesiredState, observed: ObservedState) -> tuple[Drift, ...]:
    """Return how declared trunks differ from what is declared, in order; one that is not known does not."""
    return tuple(drift for drift in _compared(desired, observed) if drift.found != UNKNOWN_TRUNK)


def trunk_problems(desired: DesiredState, observed: ObservedState) -> tuple[Problem, ...]:
    """Return what an operator has to mend, or to find out, about declared trunks, in order."""
    return tuple(
        Problem(
            subject=drift.subject,
            message="what it carries is not known"
            if drift.found == UNKNOWN_TRUNK
            else f"should carry {drift.expected}, and has {drift.found}; mend it at the switch, or in its document",
        )
        for drift in _compared(desired, observed)
    )


def _compared(desired: DesiredState, observed: ObservedState) -> list[Drift]:
    declared = [
        (name, trunk.port, trunk.carried().words)
        for name, switch in sorted(desired.switches.items())
        for trunk in sorted(switch.spec.trunks, key=lambda trunk: trunk.port)
    ]
    return [
        Drift(subject=f"trunk/{switch}:{port}", expected=expected, found=found)
        for switch, port, expected in declared
        if (found := observed.trunks.get((switch, port), UNKNOWN_TRUNK)) != expected
    ]
