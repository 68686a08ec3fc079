"""Assertions that a known good boot suggests, for somebody to review and put into a policy.

Only verified facts are suggested, each so that it goes on holding where machines of one kind may differ: revocations
may grow, generations may rise, and what every node has of its own is left out. A suggestion is not a judgement; a bad
boot suggests itself just as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.attest.facts.values import Fact, Facts
from reconciler.model.facts import FACTS as TABLE
from reconciler.model.facts import FactAssertion, Kind

_ITS_OWN = frozenset({"firmwareConfig", "driverConfig", "gpt", "gptDisks", "luksHeaders", "runtimeData"})
_GROWING = frozenset({"dbx"})


def suggest_assertions(facts: Facts) -> Iterator[FactAssertion]:
    """Yield an assertion for each verified fact that is not a node's own, in the table's order."""
    for name in TABLE:
        fact = facts.found.get(name)
        if fact is not None and fact.verified and name not in _ITS_OWN:
            yield _suggest(fact)


def _suggest(fact: Fact) -> FactAssertion:
    kind = TABLE[fact.name].kind
    value = tuple(sorted(fact.value)) if isinstance(fact.value, frozenset) else fact.value
    if fact.name == "sbatLevel" or (kind is Kind.LEVELS and value):
        return FactAssertion(fact=fact.name, at_least=value)
    if fact.name in _GROWING and value:
        return FactAssertion(fact=fact.name, includes=value)
    return FactAssertion(fact=fact.name, equals=value)
