"""The nodes of a repository by zone and by label, kept from one commit to the next.

1. An index is of one mapping of nodes. Asked for another one, it looks at the nodes that are not the same objects
   there, and moves these: whatever it was asked before, the answer is that of an index made anew, but for the order.
2. It holds zones, and a label once that is asked for. Labels nobody asks for any longer are forgotten.
3. Mappings that were given once are never changed in place.

Nothing is decided here: who could serve is asked in ``repo.checks.serving``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from reconciler.model.kinds import Node
from reconciler.plan.changes import changed_keys
from reconciler.repo.files import Located

Nodes = Mapping[str, Located[Node]]
_Groups = dict[tuple[str, ...], dict[str, Located[Node]]]
_GroupOf = Callable[[Located[Node]], tuple[str, ...] | None]

_NOBODY: Nodes = {}


class NodeIndex:
    """One index, for a line of commits: the one slot in which it stands is overwritten by the next."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._nodes: Nodes = _NOBODY
        self._zones: _Groups | None = None
        self._labels: dict[str, _Groups] = {}

    def turn_to(self, nodes: Nodes, *, keys: Collection[str]) -> None:
        """Be about ``nodes`` from now on, of whose labels those with ``keys`` will be asked for."""
        for key in self._labels.keys() - set(keys):
            del self._labels[key]
        if nodes is self._nodes:
            return
        if self._zones is not None or self._labels:
            moved = changed_keys(self._nodes, nodes)
            gone = [self._nodes[name] for name in moved if name in self._nodes]
            come = [nodes[name] for name in moved if name in nodes]
            if self._zones is not None:
                _move(self._zones, _zone_of, gone=gone, come=come)
            for key, groups in self._labels.items():
                _move(groups, _by_label(key), gone=gone, come=come)
        self._nodes = nodes

    def in_zone(self, zone: str) -> Nodes:
        """Return every node of ``zone``."""
        if self._zones is None:
            self._zones = {}
            _move(self._zones, _zone_of, gone=(), come=self._nodes.values())
        return self._zones.get((zone,), _NOBODY)

    def with_label(self, zone: str, key: str, value: str) -> Nodes:
        """Return the nodes of ``zone`` whose label ``key`` is ``value``."""
        if key not in self._labels:
            _move(self._labels.setdefault(key, {}), _by_label(key), gone=(), come=self._nodes.values())
        return self._labels[key].get((zone, value), _NOBODY)


def _zone_of(node: Located[Node]) -> tuple[str, ...]:
    return (node.document.spec.zone,)


def _by_label(key: str) -> _GroupOf:
    def group_of(node: Located[Node]) -> tuple[str, ...] | None:
        value = node.document.metadata.labels.get(key)
        return None if value is None else (node.document.spec.zone, value)

    return group_of


def _move(groups: _Groups, group_of: _GroupOf, *, gone: Iterable[Located[Node]], come: Iterable[Located[Node]]) -> None:
    for node in gone:
        group = group_of(node)
        if group is not None:
            del groups[group][node.name]
            if not groups[group]:
                del groups[group]
    for node in come:
        group = group_of(node)
        if group is not None:
            groups.setdefault(group, {})[node.name] = node
