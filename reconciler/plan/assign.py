"""Which node serves which enclave: deterministic, sticky, and every choice with its reason.

1. A node that a rejection bars serves nobody.
2. A named node belongs to the enclave that names it, whatever the priorities are. If two name it, the one that comes
   first has it. Enclaves come in order of priority, the highest first, and of name among equals.
3. A node that serves and still fits stays, as long as its enclave asks for so many. Of too many, those that are proven
   stay before those that only join.
4. A selection that is empty (``names: []``, or labels that no node of the inventory has) empties nothing: whoever
   serves stays. ``count: 0`` says that an enclave is to be empty.
5. What is lacking then is given in order of enclaves: free nodes, then nodes that leave somebody who needs them no
   more, then nodes of enclaves that have to give them up (``preemption``). An enclave that is suspended keeps whoever
   serves it and is given nobody.
6. With ``spread`` each next node is of the label value that has fewest; nodes without the label are one value. Who
   serves is not moved for it. Among equals the name decides.

Choosing is greedy: an enclave that comes first may take the only node that a later one could have used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Enclave
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan import decisions as say
from reconciler.plan.decisions import Choice, Decision
from reconciler.plan.pool import Pool, Value, by_group
from reconciler.plan.preemption import Preemption, Victims
from reconciler.plan.standing import Group, Standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """An enclave that asks for more than can be given."""

    enclave: str
    wanted: int
    given: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignments:
    """The enclave of each serving node, and by enclave what was decided and why.

    ``preemptions`` are of nodes that still serve the enclave they are taken from.
    """

    enclave_of: Mapping[str, str]
    decisions: Mapping[str, Decision]
    preemptions: tuple[Preemption, ...]

    @property
    def shortfalls(self) -> tuple[Shortfall, ...]:
        """Return what could not be given, in the order in which enclaves come."""
        return tuple(
            Shortfall(enclave=d.enclave, wanted=d.wanted, given=d.given, why=why)
            for d in self.decisions.values()
            for why in d.short
        )


def assign_nodes(desired: DesiredState, heads: Mapping[str, Head | None]) -> Assignments:
    """Return who serves whom under ``desired``, given each node's head."""
    return assign(desired, Standings.build(desired, heads))


def assign(desired: DesiredState, standings: Standings) -> Assignments:
    """Return who serves whom under ``desired``; ``standings`` are of its inventory, by the labels it asks about."""
    order = sorted(desired.enclaves.items(), key=lambda item: (-item[1].spec.priority, item[0]))
    draft = _Draft(desired, standings)
    named = [draft.name(name, enclave) for name, enclave in order if enclave.spec.nodes.names]
    asking = [(name, enclave) for name, enclave in order if not enclave.spec.nodes.names]
    for name, enclave in asking:
        draft.keep(name, enclave)
    rest = [draft.fill(name, enclave) for name, enclave in asking]
    return Assignments(
        enclave_of=dict(sorted(draft.taken.items())),
        decisions={decision.enclave: decision for decision in (*named, *rest)},
        preemptions=tuple(draft.preemptions),
    )


class _Draft:
    """An assignment in the making: ``taken`` says whose a node is, ``seats`` (by enclave, then node) why."""

    def __init__(self, desired: DesiredState, standings: Standings) -> None:
        self.taken: dict[str, str] = {}
        self.preemptions: list[Preemption] = []
        self._seats: dict[str, dict[str, str]] = {name: {} for name in desired.enclaves}
        self._desired = desired
        self._standings = standings
        self._free = Pool(standings.free, taken=self.taken)
        self._leaving: Pool | None = None
        self._victims = Victims(desired.enclaves, standings=standings, seats=self._seats)

    def name(self, name: str, enclave: Enclave) -> Decision:
        """Give a named enclave what it names."""
        short = []
        for node in enclave.spec.nodes.names or ():
            standing = self._standings.of.get(node)
            if standing is None:
                short.append(f"node {node} is not in the inventory")
            elif standing.is_barred:
                short.append(f"node {node} is rejected")
            elif node in self.taken:
                short.append(f"node {node} is named by {self.taken[node]} as well")
            else:
                self._seat(node, name, why=say.NAMED)
        return self._decision(name, enclave, short=tuple(short))

    def keep(self, name: str, enclave: Enclave) -> None:
        """Leave an enclave who serves it, as far as they fit and it asks for so many."""
        staying = self._staying(name, enclave)
        count = enclave.spec.nodes.count
        self._keep(name, enclave, staying, limit=len(staying) if count is None or enclave.spec.suspend else count)

    def fill(self, name: str, enclave: Enclave) -> Decision:
        """Give an enclave what it lacks, as far as there is any."""
        seats, count, short = self._seats[name], enclave.spec.nodes.count or 0, ""
        if len(seats) < count:
            if not enclave.spec.suspend:
                self._give(name, enclave, count=count)
            short = self._lack(name, enclave)
        notice = "" if self._groups(enclave) or not seats else say.empty_notice(enclave, staying=len(seats))
        return self._decision(name, enclave, short=(short,) if len(seats) < count else (), notice=notice)

    def _staying(self, name: str, enclave: Enclave) -> list[str]:
        """Return who serves ``enclave``, is nobody else's and fits; all in its zone if its selection is empty."""
        of, zone, groups = self._standings.of, self._zone(enclave), self._groups(enclave)
        may_be_any = enclave.spec.suspend or not groups
        serving = [node for node in self._standings.serving.get(name, ()) if node not in self.taken]
        return [n for n in serving if of[n].group in groups or (may_be_any and of[n].group.zone == zone)]

    def _keep(self, name: str, enclave: Enclave, staying: list[str], *, limit: int) -> None:
        seats, of = self._seats[name], self._standings.of
        if len(seats) + len(staying) <= limit:
            chosen = staying
        else:
            chosen = []
            tally, value_of = self._tally(name, enclave), self._value_of(enclave)
            for is_member in (True, False):
                names = [node for node in staying if (of[node].phase is Phase.ENCLAVE) == is_member]
                groups = by_group(names, group_of=lambda node: of[node].group)
                lack = limit - len(seats) - len(chosen)
                found = Pool(groups, taken=()).take(lack, groups=groups.keys(), value_of=value_of, tally=tally)
                chosen += [node for node, _ in found]
        for node in chosen:
            self._seat(node, name, why=say.SERVES)

    def _give(self, name: str, enclave: Enclave, *, count: int) -> None:
        # Some that it had may have been taken from it: whoever was one too many before is none now.
        self._keep(name, enclave, self._staying(name, enclave), limit=count)
        seats, groups, spread = self._seats[name], self._groups(enclave), enclave.spec.nodes.spread
        tally, value_of = self._tally(name, enclave), self._value_of(enclave)
        for node, value in self._free.take(count - len(seats), groups=groups, value_of=value_of, tally=tally):
            self._seat(node, name, why=say.spread_reason(spread, value) if spread else say.FIRST)
        if len(seats) == count:
            return
        leaving = self._pool_of_leaving()
        for node, _ in leaving.take(count - len(seats), groups=groups, value_of=value_of, tally=tally):
            self._seat(node, name, why=say.leaving_reason(self._standings.of[node]))
        limit = count - len(self._standings.rejected.get(name, ()))
        for source in self._victims.below(enclave.spec.priority) if len(seats) < limit else ():
            lack = limit - len(seats)
            for node in self._victims.take(lack, source=source, groups=groups, value_of=value_of, tally=tally):
                self._preempt(node, source=source, target=name)

    def _preempt(self, node: str, *, source: str, target: str) -> None:
        enclaves = self._desired.enclaves
        del self._seats[source][node]
        self._seat(node, target, why=f"taken from {source}")
        self.preemptions.append(
            Preemption(
                node=node,
                source=source,
                source_priority=enclaves[source].spec.priority,
                target=target,
                target_priority=enclaves[target].spec.priority,
            )
        )

    def _lack(self, name: str, enclave: Enclave) -> str:
        if enclave.spec.suspend:
            return "it is suspended, so it is given nobody"
        if not self._groups(enclave):
            return f"no node of the inventory matches {say.describe_select(enclave)}"
        if self._standings.rejected.get(name) and self._victims.below(enclave.spec.priority):
            return "no other free node matches; a place lost to a rejection is not filled by preemption"
        return "no other free node matches"

    def _decision(self, name: str, enclave: Enclave, *, short: tuple[str, ...], notice: str = "") -> Decision:
        nodes = enclave.spec.nodes
        choices = tuple(Choice(node=node, why=why) for node, why in sorted(self._seats[name].items()))
        wanted = nodes.count if nodes.count is not None else len(nodes.names or ())
        return Decision(enclave=name, wanted=wanted, choices=choices, short=short, notice=notice)

    def _seat(self, node: str, name: str, *, why: str) -> None:
        self.taken[node] = name
        self._seats[name][node] = why

    def _pool_of_leaving(self) -> Pool:
        """Return the nodes that are neither free nor anybody's; nobody else gets any once these are handed out."""
        if self._leaving is None:
            of = self._standings.of
            names = [node for node in self._standings.engaged if node not in self.taken]
            self._leaving = Pool(by_group(names, group_of=lambda node: of[node].group), taken=self.taken)
        return self._leaving

    def _groups(self, enclave: Enclave) -> AbstractSet[Group]:
        """Return the groups whose nodes fit; none for an enclave that names no node."""
        if enclave.spec.nodes.names is not None:
            return frozenset()
        return self._standings.matching(self._zone(enclave), enclave.spec.nodes.select)

    def _zone(self, enclave: Enclave) -> str:
        return self._desired.networks[enclave.spec.networks[0]].spec.zone

    def _value_of(self, enclave: Enclave) -> Callable[[Group], Value]:
        spread = enclave.spec.nodes.spread
        return lambda group: self._standings.value(group, spread)

    def _tally(self, name: str, enclave: Enclave) -> dict[Value, int]:
        tally: dict[Value, int] = {}
        value_of = self._value_of(enclave)
        for node in self._seats[name]:
            value = value_of(self._standings.of[node].group)
            tally[value] = tally.get(value, 0) + 1
        return tally
