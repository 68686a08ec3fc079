"""Generated worlds: inventories, histories of commits, faults and misfortunes, as Hypothesis strategies.

Rules: what is generated could have passed validation (no node is named twice, every name exists); small cases come
first, so that a failing example shrinks to a short story. Nobody's drift is only reported: then a world would not
settle.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from reconciler.model.desired import DesiredState
from tests.support.sites import ENCLAVES, IMAGES, EnclaveShape, NodeShape, site
from tests.support.softtpm import Lie
from tests.support.world import MISFORTUNES
from tests.support.world_agent import Malice
from tests.support.world_line import FOREVER, Fault, FaultKind

KEYS = ("common", "disk", "overlay")

_TRANSIENT = (FaultKind.TRANSIENT, FaultKind.HANG)
_LOST = (*_TRANSIENT, FaultKind.HALF)
_READS = (*_TRANSIENT, FaultKind.REFUSED, FaultKind.UNKNOWN, FaultKind.STALE)
_WRITES = (*_LOST, FaultKind.REFUSED, FaultKind.OLD, FaultKind.LIE, FaultKind.UNKNOWN)
_CALLS: tuple[tuple[str, str, tuple[FaultKind, ...]], ...] = (
    ("switch/*", "apply", _WRITES),
    ("switch/*", "read_ports", _READS),
    ("power/*", "turn_o*", _WRITES),
    ("power/*", "status", _READS),
    ("boot", "assign", _LOST),
    ("boot", "withdraw", _LOST),
    ("boot", "assignments", _TRANSIENT),
    ("desk", "answer", _LOST),
    ("desk", "publish", _LOST),
    ("desk", "sessions", _TRANSIENT),
    ("custodian", "*", (*_LOST, FaultKind.REFUSED)),
    ("ledger", "append", _LOST),
    ("ledger", "heads", _TRANSIENT),
    ("ledger", "journal_head", _TRANSIENT),
)

EVIDENCE_LIES = (
    Lie.WRONG_NONCE,
    Lie.OTHER_NODE,
    Lie.OTHER_ENCLAVE,
    Lie.OTHER_COMMIT,
    Lie.OTHER_EPHEMERAL,
    Lie.OTHER_AK,
    Lie.UNSAFE_CLOCK,
    Lie.FEWER_PCRS,
    Lie.RELABELLED,
    Lie.CLAIMED_PCR,
    Lie.NOT_A_QUOTE,
    Lie.FLIPPED_QUOTE,
    Lie.FLIPPED_SIGNATURE,
    Lie.CHANGED_EVENT,
    Lie.RETYPED_EVENT,
    Lie.DROPPED_EVENT,
    Lie.EMPTY_LOG,
)
"""The lies that a node can tell after it enrolled."""

MALICES = (Malice.TAMPERED, Malice.FORGED_LOG, Malice.SILENT, Malice.ABSENT, Malice.MUTE)


def inventories(*, max_nodes: int = 4) -> st.SearchStrategy[tuple[NodeShape, ...]]:
    """Return nodes, with one or two network cards each, of two sizes, in two racks or in none."""
    shape = st.builds(
        NodeShape,
        interfaces=st.sampled_from((1, 1, 2)),
        size=st.sampled_from(("small", "large")),
        rack=st.sampled_from((None, "r1", "r2")),
        drift=st.sampled_from(("heal", "heal", "quarantine")),
    )
    return st.lists(shape, min_size=1, max_size=max_nodes).map(tuple)


@st.composite
def enclave_sets(draw: st.DrawFn, *, nodes: int) -> tuple[EnclaveShape, ...]:
    """Return what is asked for on ``nodes`` nodes, at one commit."""
    unnamed = [f"n{index}" for index in range(1, nodes + 1)]
    shapes = []
    for name in draw(st.lists(st.sampled_from(ENCLAVES), unique=True, max_size=len(ENCLAVES))):
        names = None
        if draw(st.booleans()):
            names = tuple(draw(st.lists(st.sampled_from(unnamed), unique=True, max_size=2)) if unnamed else ())
            unnamed = [node for node in unnamed if node not in names]
        shapes.append(
            EnclaveShape(
                name=name,
                names=names,
                count=None if names is not None else draw(st.integers(0, nodes)),
                size=None if names is not None else draw(st.sampled_from((None, None, "small", "large"))),
                image=draw(st.sampled_from(IMAGES)),
                policy=draw(st.sampled_from(("measured-boot", "pinned"))),
                keys=tuple(draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=2))),
                priority=draw(st.sampled_from((0, 0, 10, 100))),
                preemptible=draw(st.booleans()),
                spread="rack" if names is None and draw(st.booleans()) else None,
                drift=draw(st.sampled_from(("heal", "heal", "quarantine"))),
            )
        )
    return tuple(shapes)


@dataclass(frozen=True, kw_only=True)
class History:
    """Desired states over one inventory; it prints short."""

    nodes: tuple[NodeShape, ...]
    enclaves: tuple[tuple[EnclaveShape, ...], ...]
    switches: int = 1

    @property
    def commits(self) -> tuple[DesiredState, ...]:
        """Return the states, oldest first, each another commit."""
        return tuple(
            site(nodes=self.nodes, enclaves=enclaves, switches=self.switches, revision=revision)
            for revision, enclaves in enumerate(self.enclaves)
        )


@st.composite
def histories(draw: st.DrawFn, *, max_nodes: int = 4, max_commits: int = 3) -> History:
    """Return a history of at most so many commits on at most so many nodes."""
    nodes = draw(inventories(max_nodes=max_nodes))
    sets = draw(st.lists(enclave_sets(nodes=len(nodes)), min_size=1, max_size=max_commits))
    return History(nodes=nodes, enclaves=tuple(sets), switches=draw(st.integers(1, 2)))


@st.composite
def busy_sites(draw: st.DrawFn, *, max_nodes: int = 3) -> History:
    """Return one commit in which an enclave asks for at least one node and has at least one key."""
    nodes = draw(inventories(max_nodes=max_nodes))
    blue = EnclaveShape(
        name="blue",
        count=draw(st.integers(1, len(nodes))),
        keys=tuple(draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1, max_size=2))),
        policy=draw(st.sampled_from(("measured-boot", "pinned"))),
    )
    return History(nodes=nodes, enclaves=((blue,),), switches=draw(st.integers(1, 2)))


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """Return one fault that a device may really have."""
    device, operation, kinds = draw(st.sampled_from(_CALLS))
    return Fault(
        device=device,
        operation=operation,
        kind=draw(st.sampled_from(kinds)),
        skip=draw(st.integers(0, 6)),
        times=draw(st.sampled_from((1, 1, 2, 5, FOREVER))),
    )


@dataclass(frozen=True, kw_only=True)
class Misfortune:
    """Something that happens to a machine between two passes."""

    what: str
    node: int


def misfortunes() -> st.SearchStrategy[Misfortune]:
    """Return things that happen to the n-th machine (modulo the number of machines)."""
    return st.builds(Misfortune, what=st.sampled_from(MISFORTUNES), node=st.integers(0, 7))
