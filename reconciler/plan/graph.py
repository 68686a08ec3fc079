"""The plan as a graph: checked order, and the picture that people look at. The home of networkx."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from reconciler.errors.taxonomy import InvariantError
from reconciler.plan.actions import Action

if TYPE_CHECKING:
    import networkx as nx


def to_graph(actions: Iterable[Action]) -> nx.DiGraph[str]:
    """Return the graph of ``actions``; ``hard`` edges are ``after``, the others ``follows``."""
    import networkx as nx  # A pass that finds nothing to do does not wait for it.

    graph: nx.DiGraph[str] = nx.DiGraph()
    actions = tuple(actions)
    for action in actions:
        graph.add_node(action.id)
    for action in actions:
        graph.add_edges_from(((before, action.id) for before in action.follows), hard=False)
        graph.add_edges_from(((before, action.id) for before in action.after), hard=True)
    return graph


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """Return ``actions`` in a stable order in which each comes after what it waits for.

    Raises InvariantError for a cycle, a duplicate or an edge that leads nowhere.
    """
    by_id = {}
    for action in actions:
        if action.id in by_id:
            raise _broken(f"action {action.id} stands twice in the plan")
        by_id[action.id] = action
    waits_for = {action.id: (*action.after, *action.follows) for action in by_id.values()}
    stray = sorted({before for befores in waits_for.values() for before in befores} - set(by_id))
    if stray:
        raise _broken(f"an action waits for {stray[0]}, which is not in the plan")
    sorter = TopologicalSorter(waits_for)
    try:
        sorter.prepare()
    except CycleError:
        raise _broken("its actions wait for each other in a circle") from None
    place = {id_: index for index, id_ in enumerate(by_id)}
    order: list[Action] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order += [by_id[id_] for id_ in ready]
        sorter.done(*ready)
    return tuple(order)


def to_mermaid(actions: Iterable[Action]) -> str:
    """Return a Mermaid flow chart of ``actions``, without the edges that others imply."""
    import networkx as nx

    graph = nx.transitive_reduction(to_graph(actions))
    places = {id_: index for index, id_ in enumerate(graph)}
    names = {id_: f"a{index}" for id_, index in places.items()}
    edges = sorted(graph.edges, key=lambda edge: (places[edge[0]], places[edge[1]]))
    lines = ["flowchart LR"]
    lines += [f'    {names[id_]}["{id_.replace("/", " ")}"]' for id_ in graph]
    lines += [f"    {names[before]} --> {names[after]}" for before, after in edges]
    return "\n".join(lines) + "\n"


def _broken(message: str) -> InvariantError:
    return InvariantError("plan", message, reason="PlanBroken", hint="this is a bug in ringfence; nothing was touched")
