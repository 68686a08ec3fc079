"""The phases of a node's life and every legal step between them.

The picture in the documentation is drawn from ``STEPS``; anything that is not in it
raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from reconciler.errors.taxonomy import InvariantError


class Phase(StrEnum):
    """Where a node stands."""

    FREE = "FREE"
    AIRLOCK = "AIRLOCK"
    ENCLAVE = "ENCLAVE"
    RETURNING = "RETURNING"
    REJECTED = "REJECTED"


STEPS: Mapping[tuple[Phase, Phase], str] = MappingProxyType(
    {
        (Phase.FREE, Phase.AIRLOCK): "asked for",
        (Phase.FREE, Phase.REJECTED): "drift, where that means quarantine",
        (Phase.AIRLOCK, Phase.ENCLAVE): "proven, keyed, admitted",
        (Phase.AIRLOCK, Phase.REJECTED): "evidence rejected, or silence past the deadline",
        (Phase.AIRLOCK, Phase.RETURNING): "no longer asked for",
        (Phase.AIRLOCK, Phase.AIRLOCK): "started again in a fresh boot",
        (Phase.ENCLAVE, Phase.AIRLOCK): "boot lost, to be proven again",
        (Phase.ENCLAVE, Phase.REJECTED): "trust lost",
        (Phase.ENCLAVE, Phase.RETURNING): "no longer asked for",
        (Phase.RETURNING, Phase.FREE): "keys rotated, powered off, parked",
        (Phase.RETURNING, Phase.REJECTED): "trust lost while leaving",
        (Phase.REJECTED, Phase.FREE): "cleared by a commit",
    }
)


def check_step(before: Phase, after: Phase) -> Phase:
    """Return ``after`` if a node may go there from ``before``; raise InvariantError otherwise."""
    if before is after or (before, after) in STEPS:
        return after
    raise InvariantError(
        "phase",
        f"no step leads from {before} to {after}",
        reason="IllegalPhaseStep",
        hint="this is a bug in ringfence; isolation is kept as it is",
    )


def to_mermaid() -> str:
    """Return the state diagram of the documentation, one line a step."""
    lines = ["stateDiagram-v2", "    [*] --> FREE"]
    lines += [f"    {before} --> {after}: {why}" for (before, after), why in STEPS.items()]
    return "\n".join(lines) + "\n"
