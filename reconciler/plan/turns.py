"""What a plan means for people: which node joins, leaves, moves, restarts; which key is rotated, and for whom.

Rules: read off a plan and what it was made from, never decided here. A node that is to change and has no step in the
plan yet is told all the same, with what holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_PORT, NodeObservation, ObservedState, PortMode, PortState
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.actions import Action, ReleaseKeys, RotateKey
from reconciler.plan.assign import assign_nodes
from reconciler.plan.pin import is_change
from reconciler.plan.plan import Plan


class Turn(StrEnum):
    """What becomes of a node."""

    JOINS = "joins"
    LEAVES = "leaves"
    MOVES = "moves"
    RESTARTS = "restarts"
    EXPELLED = "is expelled"
    RESTS = "is put to rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTurn:
    """What becomes of one node, between the enclaves ``before`` and ``after``.

    ``vlan_before`` is what its first port was seen on, in words; ``vlan_after`` where that port ends. ``held`` says why
    the plan has no step for it, if it has none.
    """

    node: str
    turn: Turn
    before: str | None
    after: str | None
    reboots: bool
    vlan_before: str
    vlan_after: int
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTurn:
    """What becomes of one key: rotated past version ``past`` (None: it is only given out), who knew it, who gets it.

    ``aged`` says how old it is, if that is why it is rotated: nobody is shut out.
    """

    key: str
    past: int | None
    knew: tuple[str, ...]
    gets: tuple[str, ...]
    aged: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Everything that a plan means, by node and by key."""

    nodes: Mapping[str, NodeTurn]
    keys: Mapping[str, KeyTurn]


def turns_of(plan: Plan, *, desired: DesiredState, observed: ObservedState) -> Turns:
    """Return what ``plan``, made from ``desired`` and ``observed``, means for each node and key that it concerns."""
    by_node: dict[str, list[Action]] = {}
    for action in plan.actions:
        by_node.setdefault(action.subject, []).append(action)
    wanted = assign_nodes(desired, {name: seen.head for name, seen in observed.nodes.items()}).enclave_of
    held = {problem.subject.removeprefix("node/"): problem.message for problem in plan.problems}
    nodes = {}
    for name, seen in observed.nodes.items():
        actions = by_node.get(name, [])
        turn = _turn(seen, wanted=wanted.get(name), verbs={action.verb for action in actions if is_change(action)})
        if turn is not None:
            found = _node_turn(seen, turn=turn, wanted=wanted.get(name), actions=actions, desired=desired)
            has_steps = any(is_change(action) for action in actions)
            nodes[name] = found if has_steps else replace(found, held=held.get(name) or "no step of this plan")
    return Turns(nodes=nodes, keys=_keys(plan, observed))


def enclave_of(head: Head | None) -> str | None:
    """Return the enclave that a record says a node is in, or is on its way to."""
    return head.enclave if head is not None and head.phase in {Phase.AIRLOCK, Phase.ENCLAVE} else None


def _turn(seen: NodeObservation, *, wanted: str | None, verbs: set[str]) -> Turn | None:
    before = enclave_of(seen.head)
    found: Turn | None
    if "record-rejection" in verbs:
        found = Turn.EXPELLED
    elif before is None:
        found = Turn.JOINS if wanted else Turn.RESTS if verbs else None
    elif wanted != before:
        found = Turn.MOVES if wanted else Turn.LEAVES
    elif seen.head is not None and seen.head.phase is Phase.ENCLAVE:
        found = Turn.RESTARTS if "power-on" in verbs else None
    else:
        found = Turn.JOINS if verbs else None
    return found


def _node_turn(
    seen: NodeObservation, *, turn: Turn, wanted: str | None, actions: list[Action], desired: DesiredState
) -> NodeTurn:
    after = None if turn in {Turn.EXPELLED, Turn.LEAVES, Turn.RESTS} else wanted
    first = desired.nodes[seen.node].spec.interfaces[0].name
    return NodeTurn(
        node=seen.node,
        turn=turn,
        before=enclave_of(seen.head),
        after=after,
        reboots=turn is Turn.MOVES or any(action.verb == "power-on" for action in actions),
        vlan_before=describe_vlan(seen.ports.get(first, UNKNOWN_PORT)),
        vlan_after=desired.enclave_vlan(after) if after else desired.parking_vlan(seen.node),
    )


def describe_vlan(state: PortState) -> str:
    """Return where a port is, in a word."""
    return str(state.vlan) if state.mode is PortMode.ACCESS else {PortMode.OTHER: "a trunk"}.get(state.mode, "unknown")


def _keys(plan: Plan, observed: ObservedState) -> dict[str, KeyTurn]:
    knowing = {name: seen.head.keys for name, seen in observed.nodes.items() if seen.head}
    knowing |= {name: head.keys for name, head in observed.former.items()}
    gets: dict[str, list[str]] = {}
    for action in plan.actions:
        if isinstance(action, ReleaseKeys):
            for key in action.keys:
                gets.setdefault(key, []).append(action.subject)
    rotations = [action for action in plan.actions if isinstance(action, RotateKey)]
    past = {action.subject: action.past for action in rotations}
    aged = {action.subject: action.why for action in rotations if action.is_aged}
    return {
        key: KeyTurn(
            key=key,
            past=past.get(key),
            knew=tuple(sorted(name for name, keys in knowing.items() if key in keys)),
            gets=tuple(sorted(gets.get(key, ()))),
            aged=aged.get(key, ""),
        )
        for key in sorted(past.keys() | gets.keys())
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What another desired state changes: ``new`` is due to it, ``pending`` is due anyway, ``dropped`` no longer is."""

    new: Turns
    pending: Turns
    dropped: Turns

    def is_empty(self) -> bool:
        """Return whether nothing is due to the change."""
        return not (self.new.nodes or self.new.keys or self.dropped.nodes or self.dropped.keys)


def difference(base: Turns, head: Turns) -> Difference:
    """Return what ``head`` means beyond ``base``."""

    def only(found: Turns, other: Turns, *, same: bool) -> Turns:
        return Turns(
            nodes={name: turn for name, turn in found.nodes.items() if (other.nodes.get(name) == turn) is same},
            keys={name: turn for name, turn in found.keys.items() if (other.keys.get(name) == turn) is same},
        )

    gone = Turns(
        nodes={name: turn for name, turn in base.nodes.items() if name not in head.nodes},
        keys={name: turn for name, turn in base.keys.items() if name not in head.keys},
    )
    return Difference(new=only(head, base, same=False), pending=only(head, base, same=True), dropped=gone)
