"""Facts as a document: stable, for tools to read and for people to copy into a policy.

The same facts give the same document; sets are sorted, lists keep the order in which things were measured. Labels
are texts that nothing measured.
"""

from __future__ import annotations

from typing import Any

from reconciler.attest.facts.values import Fact, Facts, FactValue, Problem
from reconciler.model.facts import FACTS


def facts_document(facts: Facts) -> dict[str, Any]:
    """Return ``facts`` as JSON has it: ``family``, ``overlays``, ``bank``, ``quoted``, ``facts`` and ``problems``."""
    return {
        "family": str(facts.family),
        "overlays": [str(overlay) for overlay in facts.overlays],
        "bank": facts.bank,
        "quoted": list(facts.quoted),
        "facts": {name: _fact(facts.found[name]) for name in FACTS if name in facts.found},
        "problems": [_problem(problem) for problem in facts.problems],
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "kind": str(FACTS[fact.name].kind),
        "value": _value(fact.value),
        "pcr": fact.pcr,
        "bank": fact.bank,
        "events": list(fact.events),
        "verified": fact.verified,
        "labels": list(fact.labels),
    }


def _value(value: FactValue) -> Any:  # noqa: ANN401 - one of JSON's own types
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "facts": list(problem.facts),
        "pcr": problem.pcr,
        "event": problem.event,
        "message": problem.message,
    }
