"""How every node of the inventory stands before anybody is given one, indexed so that no enclave looks at all of them.

A group is a zone and the values of those labels that some enclave asks about; free nodes are kept by group, sorted by
name. Who was given what is not known here.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Enclave, Node
from reconciler.model.phase import Phase
from reconciler.model.record import Head


class Group(NamedTuple):
    """What the nodes of one group have in common; ``values`` are those of the index's labels, None for a lack of it."""

    zone: str
    values: tuple[str | None, ...]


class Standing(NamedTuple):
    """How one node stands. ``enclave`` is the one it serves, or was rejected from."""

    group: Group
    is_barred: bool
    phase: Phase
    enclave: str | None

    @property
    def is_free(self) -> bool:
        """Return whether the node could start for anybody at once."""
        return self.phase is Phase.FREE and not self.is_barred

    def serves(self) -> str | None:
        """Return the enclave that the node serves or joins, None if there is none."""
        return self.enclave if self.phase in _SERVING else None


_SERVING = frozenset({Phase.AIRLOCK, Phase.ENCLAVE})
_NOBODY: frozenset[Group] = frozenset()


def is_barred(node: Node, head: Head | None) -> bool:
    """Return whether a rejection of ``node`` stands that no commit has cleared."""
    return head is not None and head.rejection is not None and head.rejection > node.spec.cleared


def labels_asked(enclaves: Iterable[Enclave]) -> tuple[str, ...]:
    """Return the labels that any of ``enclaves`` selects or spreads by, sorted."""
    nodes = [enclave.spec.nodes for enclave in enclaves]
    return tuple(sorted({key for each in nodes for key in each.select} | {n.spread for n in nodes if n.spread}))


class Standings:
    """Every node's standing. ``version`` grows whenever one changes, so that what was decided can be used again."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Index by ``labels``; nobody is known yet."""
        self.labels = labels
        self.version = 0
        self.of: dict[str, Standing] = {}
        self.free: dict[Group, list[str]] = {}
        self.serving: dict[str, set[str]] = {}
        self.engaged: set[str] = set()
        self.rejected: dict[str, set[str]] = {}
        self._population: dict[Group, int] = {}
        self._tables: dict[tuple[str, ...], dict[Group, set[Group]]] = {}

    @classmethod
    def build(cls, desired: DesiredState, heads: Mapping[str, Head | None]) -> Standings:
        """Return the standing of every node of ``desired``, given each node's head."""
        standings = cls(labels_asked(desired.enclaves.values()))
        for name, node in sorted(desired.nodes.items()):
            standings.put(name, node, heads.get(name))
        return standings

    def put(self, name: str, node: Node, head: Head | None) -> None:
        """Note how ``name`` stands now."""
        labels = node.metadata.labels
        standing = Standing(
            group=Group(zone=node.spec.zone, values=tuple([labels.get(label) for label in self.labels])),
            is_barred=is_barred(node, head),
            phase=head.phase if head else Phase.FREE,
            enclave=head.enclave if head else None,
        )
        if self.of.get(name) == standing:
            return
        self.drop(name)
        self.version += 1
        self.of[name] = standing
        if standing.group not in self._population:
            self._tables.clear()
        self._population[standing.group] = self._population.get(standing.group, 0) + 1
        if standing.is_free:
            insort(self.free.setdefault(standing.group, []), name)
        elif standing.is_barred:
            self.rejected.setdefault(standing.enclave or "", set()).add(name)
        else:
            self.engaged.add(name)
            self.serving.setdefault(standing.serves() or "", set()).add(name)

    def drop(self, name: str) -> None:
        """Forget ``name``; a node that is not known is none."""
        standing = self.of.pop(name, None)
        if standing is None:
            return
        self.version += 1
        self._population[standing.group] -= 1
        if not self._population[standing.group]:
            del self._population[standing.group]
            self._tables.clear()
        if standing.is_free:
            names = self.free[standing.group]
            del names[bisect_left(names, name)]
        elif standing.is_barred:
            self.rejected[standing.enclave or ""].discard(name)
        else:
            self.engaged.discard(name)
            self.serving[standing.serves() or ""].discard(name)

    def matching(self, zone: str, select: Mapping[str, str]) -> AbstractSet[Group]:
        """Return the groups in ``zone`` whose nodes have all labels of ``select``; an inventory node is in each."""
        labels = tuple(sorted(select))
        table = self._tables.get(labels)
        if table is None:
            places = [self.labels.index(label) for label in labels]
            table = self._tables[labels] = {}
            for group in self._population:
                key = Group(zone=group.zone, values=tuple([group.values[place] for place in places]))
                table.setdefault(key, set()).add(group)
        return table.get(Group(zone=zone, values=tuple([select[label] for label in labels])), _NOBODY)

    def value(self, group: Group, label: str | None) -> str | None:
        """Return the value of ``label`` in ``group``; None if its nodes lack it, or if no label is asked about."""
        return None if label is None else group.values[self.labels.index(label)]
