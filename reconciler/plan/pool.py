"""Names on hand, by group: each is given out once, evenly over a label's values, and by name among equals."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet

from reconciler.plan.standing import Group

Value = str | None
"""A label's value; None stands for all nodes that lack the label."""


class Pool:
    """Names that can be given out. Whoever is in ``taken`` by the time its turn comes is passed over."""

    def __init__(self, names: Mapping[Group, Sequence[str]], *, taken: Container[str]) -> None:
        """Hold ``names``, sorted within each group."""
        self._names = names
        self._taken = taken
        self._at: dict[Group, int] = {}

    def take(
        self,
        count: int,
        *,
        groups: AbstractSet[Group],
        value_of: Callable[[Group], Value],
        tally: MutableMapping[Value, int],
    ) -> list[tuple[str, Value]]:
        """Return at most ``count`` names from ``groups``, each with its value, in the order in which they were chosen.

        The next is always of the value that has fewest in ``tally``, which is kept up to date; the first by name among
        equals.
        """
        rows = self._rows(groups, value_of=value_of) if count > 0 else {}
        heap = [(tally.get(value, 0), row[0][0], value) for value, row in rows.items()]
        heapq.heapify(heap)
        chosen: list[tuple[str, Value]] = []
        while heap and len(chosen) < count:
            _, name, value = heapq.heappop(heap)
            row = rows[value]
            _, group = heapq.heappop(row)
            self._at[group] = self._at.get(group, 0) + 1
            chosen.append((name, value))
            tally[value] = tally.get(value, 0) + 1
            following = self._next(group)
            if following is not None:
                heapq.heappush(row, (following, group))
            if row:
                heapq.heappush(heap, (tally[value], row[0][0], value))
        return chosen

    def _rows(
        self, groups: AbstractSet[Group], *, value_of: Callable[[Group], Value]
    ) -> dict[Value, list[tuple[str, Group]]]:
        """Return by value a heap of the first name of each group; their order is no matter, since names are unique."""
        rows: dict[Value, list[tuple[str, Group]]] = {}
        for group in groups if len(groups) < len(self._names) else [own for own in self._names if own in groups]:
            name = self._next(group)
            if name is not None:
                rows.setdefault(value_of(group), []).append((name, group))
        for row in rows.values():
            heapq.heapify(row)
        return rows

    def _next(self, group: Group) -> str | None:
        names, at = self._names.get(group, ()), self._at.get(group, 0)
        while at < len(names) and names[at] in self._taken:
            at += 1
        self._at[group] = at
        return names[at] if at < len(names) else None


def by_group(names: Iterable[str], *, group_of: Callable[[str], Group]) -> dict[Group, list[str]]:
    """Return ``names`` by group, sorted."""
    groups: dict[Group, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(group_of(name), []).append(name)
    return groups
