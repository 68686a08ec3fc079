"""Preemption: an enclave that lacks nodes takes serving ones from a lower one that allows it. Data, not an action.

1. Only from an enclave of lower priority with ``preemptible: true`` that is not suspended and asks by count: a named
   node belongs to whoever names it.
2. The lowest priority gives first (by name among equals), and within it a node that only joins before one that serves.
3. A place that was lost to a rejection is never filled this way: one bad image would eat its way through every enclave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from reconciler.model.kinds import Enclave
from reconciler.model.phase import Phase
from reconciler.plan.pool import Pool, Value, by_group
from reconciler.plan.standing import Group, Standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """``node`` serves ``source`` and is wanted for ``target``, which comes first; it leaves before it joins."""

    node: str
    source: str
    source_priority: int
    target: str
    target_priority: int

    def __str__(self) -> str:
        """Return it as a sentence."""
        source = f"{self.source} (priority {self.source_priority})"
        return f"{self.node} is taken from {source} for {self.target} (priority {self.target_priority})"

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return {
            "node": self.node,
            "from": self.source,
            "fromPriority": self.source_priority,
            "to": self.target,
            "toPriority": self.target_priority,
        }


def may_be_taken_from(enclave: Enclave) -> bool:
    """Return whether enclaves of higher priority may take nodes from ``enclave``."""
    return enclave.spec.preemptible and not enclave.spec.suspend and enclave.spec.nodes.count is not None


class Victims:
    """The enclaves that nodes can be taken from, in the order in which they give."""

    def __init__(
        self, enclaves: Mapping[str, Enclave], *, standings: Standings, seats: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Take from ``enclaves`` what sits in ``seats`` (enclave, then node) when it is first asked for."""
        order = sorted((e.spec.priority, name) for name, e in enclaves.items() if may_be_taken_from(e))
        self._order = order
        self._standings = standings
        self._seats = seats
        self._pools: dict[str, tuple[Pool, Pool]] = {}

    def below(self, priority: int) -> list[str]:
        """Return who may have to give to an enclave of ``priority``, first to last."""
        return [name for lower, name in self._order if lower < priority]

    def take(
        self,
        count: int,
        *,
        source: str,
        groups: AbstractSet[Group],
        value_of: Callable[[Group], Value],
        tally: MutableMapping[Value, int],
    ) -> list[str]:
        """Return at most ``count`` nodes that ``source`` has to give up."""
        if source not in self._pools:
            self._pools[source] = self._open(source)
        taken: list[str] = []
        for pool in self._pools[source]:
            found = pool.take(count - len(taken), groups=groups, value_of=value_of, tally=tally)
            taken += [name for name, _ in found]
        return taken

    def _open(self, source: str) -> tuple[Pool, Pool]:
        of = self._standings.of
        joining = [name for name in self._seats[source] if of[name].phase is not Phase.ENCLAVE]
        members = [name for name in self._seats[source] if of[name].phase is Phase.ENCLAVE]
        first, last = (Pool(by_group(names, group_of=lambda n: of[n].group), taken=()) for names in (joining, members))
        return first, last
