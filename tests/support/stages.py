"""A simulated site, brought to a certain stage of a node's life: for tests that need values as they really occur.

Rules: one enclave ``blue`` with one key, one node ``n1`` in it; each stage is reached by real passes on a simulated
world, so every head, session and verdict is one that the reconciler itself would see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

from reconciler.attest.verdict import Accepted, Rejected, Verdict
from reconciler.execute.judge import judge
from reconciler.execute.passes import Draft
from reconciler.model.desired import DesiredState
from reconciler.model.observed import NodeObservation
from reconciler.plan.scene import Scene
from tests.support.runner import Runner
from tests.support.sites import EnclaveShape, site
from tests.support.world import World

BLUE = EnclaveShape(name="blue", count=1)
BOOT_S = 40
STEP_S = 5


class Stage(IntEnum):
    """How far ``n1`` has come."""

    FRESH = 0
    """Nothing was done yet."""
    BOOTING = 1
    """It is powered on in its airlock; it has said nothing."""
    PROVEN = 2
    """Its evidence has come; nobody has judged it."""
    KEYED = 3
    """It was accepted, and has acknowledged its keys; its port is in the airlock still."""
    ADMITTED = 4
    """Its port was moved, and it has called from inside; that is not on record."""
    MEMBER = 5
    """It is a confirmed member."""


def at_stage(stage: Stage, *, desired: DesiredState | None = None) -> Runner:
    """Return a reconciler on a world in which ``n1`` has come as far as ``stage``."""
    runner = Runner(World(desired or site(nodes=2, enclaves=[BLUE])))
    for until, seconds in ((Stage.BOOTING, 0), (Stage.PROVEN, BOOT_S), (Stage.KEYED, STEP_S), (Stage.ADMITTED, STEP_S)):
        if stage >= until:
            if until is not Stage.PROVEN:
                runner.run()
            runner.world.tick(seconds)
    if stage is Stage.MEMBER:
        runner.run()
    return runner


def scene_of(draft: Draft, node: str = "n1", *, wanted: str | None = "blue", **changes: Any) -> Scene:  # noqa: ANN401 - Scene's own fields
    """Return the scene of ``node`` in ``draft``, with ``changes``."""
    scene = Scene(
        name=node,
        wanted=wanted,
        desired=draft.desired,
        seen=draft.observed.nodes[node],
        verdict=verdicts_of(draft).get(node),
        listening_since=draft.observed.listening_since,
        now=draft.observed.observed_at,
    )
    return replace(scene, **changes)


def verdicts_of(draft: Draft) -> Mapping[str, Verdict]:
    """Return the verdicts on what ``draft`` observed."""
    return judge(draft.desired, observed=draft.observed)


def seen_with(scene: Scene, **changes: Any) -> Scene:  # noqa: ANN401 - NodeObservation's own fields
    """Return ``scene`` with changes to what is seen."""
    return replace(scene, seen=replace(scene.seen, **changes))


def with_head(seen: NodeObservation, **changes: Any) -> NodeObservation:  # noqa: ANN401 - Head's own fields
    """Return ``seen`` with changes to its head."""
    assert seen.head is not None
    return replace(seen, head=seen.head.model_copy(update=changes))


def accepted(draft: Draft, node: str = "n1") -> Accepted:
    """Return the acceptance of ``node``, which there must be."""
    verdict = verdicts_of(draft)[node]
    assert isinstance(verdict, Accepted)
    return verdict


def rejected(draft: Draft, node: str = "n1") -> Rejected:
    """Return the rejection of ``node``, which there must be."""
    verdict = verdicts_of(draft)[node]
    assert isinstance(verdict, Rejected)
    return verdict
