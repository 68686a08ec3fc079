"""Claims on nodes: generated inventories, what enclaves ask for, and what is on record of each node, without a world.

Rules: what is generated could have passed validation (no node is named twice); heads are such as records leave behind,
though no world has been there. ``moved`` is what a pass makes of a record when everything goes well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from reconciler.model.desired import DesiredState
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.assign import Assignments
from tests.support.sites import ENCLAVES, EnclaveShape, NodeShape, site

GONE = "purple"
"""An enclave that nodes may still serve, and that no commit asks for."""

REJECTION = 4


def head_of(node: str, **changes: Any) -> Head:  # noqa: ANN401 - Head's own fields
    """Return a head of ``node``, free unless ``changes`` say otherwise."""
    fields: dict[str, Any] = {"node": node, "sequence": 9, "digest": "sha256:" + "1" * 64, "commit": "c" * 40}
    return Head(**(fields | {"phase": Phase.FREE} | changes))


def serving(node: str, enclave: str, phase: Phase = Phase.ENCLAVE) -> Head:
    """Return the head of a node that serves ``enclave``, or joins it."""
    return head_of(node, phase=phase, enclave=enclave)


def rejected_from(node: str, enclave: str) -> Head:
    """Return the head of a node that was rejected while it served ``enclave``."""
    return head_of(node, phase=Phase.REJECTED, enclave=enclave, rejection=REJECTION)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """A desired state in few words, and what is on record; it prints short."""

    nodes: tuple[NodeShape, ...]
    enclaves: tuple[EnclaveShape, ...]
    heads: Mapping[str, Head | None]

    @property
    def desired(self) -> DesiredState:
        """Return the desired state."""
        return site(nodes=self.nodes, enclaves=self.enclaves)


@st.composite
def claims(draw: st.DrawFn, *, max_nodes: int = 7) -> Claims:
    """Return claims of up to three enclaves on so many nodes at most."""
    shape = st.builds(
        NodeShape,
        size=st.sampled_from(("small", "large")),
        rack=st.sampled_from((None, "r1", "r2", "r3")),
        cleared=st.sampled_from((0, 0, REJECTION)),
    )
    nodes = tuple(draw(st.lists(shape, min_size=1, max_size=max_nodes)))
    names = [f"n{index}" for index in range(1, len(nodes) + 1)]
    unnamed, enclaves = list(names), []
    for name in draw(st.lists(st.sampled_from(ENCLAVES), unique=True, max_size=len(ENCLAVES))):
        picked = None
        if draw(st.integers(0, 3)) == 0:
            picked = tuple(draw(st.lists(st.sampled_from(unnamed), unique=True, max_size=2)) if unnamed else ())
            unnamed = [node for node in unnamed if node not in picked]
        is_counted = picked is None
        enclaves.append(
            EnclaveShape(
                name=name,
                names=picked,
                count=draw(st.integers(0, len(nodes))) if is_counted else None,
                size=draw(st.sampled_from((None, None, "small", "large", "huge"))) if is_counted else None,
                spread=draw(st.sampled_from((None, "rack"))) if is_counted else None,
                priority=draw(st.sampled_from((0, 10, 10, 100))),
                preemptible=draw(st.booleans()),
                suspend=draw(st.integers(0, 5)) == 5,
            )
        )
    return Claims(nodes=nodes, enclaves=tuple(enclaves), heads={name: draw(_heads(name)) for name in names})


def _heads(node: str) -> st.SearchStrategy[Head | None]:
    enclave = st.sampled_from((*ENCLAVES, GONE))
    phase = st.sampled_from((Phase.AIRLOCK, Phase.ENCLAVE, Phase.ENCLAVE))
    return st.one_of(
        st.none(),
        st.just(head_of(node)),
        st.builds(lambda e, p: serving(node, e, p), enclave, phase),
        st.builds(lambda e, p: serving(node, e, p), enclave, phase),
        st.builds(lambda e: rejected_from(node, e), enclave),
    )


def moved(node: str, head: Head | None, assignments: Assignments, *, is_barred: bool) -> Head | None:
    """Return what is on record of ``node`` after it came one step nearer to what ``assignments`` say."""
    wanted = assignments.enclave_of.get(node)
    phase = head.phase if head else Phase.FREE
    if is_barred or head is None or phase is Phase.FREE:
        return head if is_barred or wanted is None else serving(node, wanted, Phase.AIRLOCK)
    if phase is Phase.REJECTED or head.enclave != wanted:
        return head_of(node)
    return serving(node, head.enclave or "", Phase.ENCLAVE)
