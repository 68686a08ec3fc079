"""Facts as a document for tools and as lines for people.

Both are stable: the same facts give the same bytes; sets are sorted, lists keep the order in which things were
measured. Labels are texts that nothing measured, and stand in the document only.
"""

from __future__ import annotations

from typing import Any

from reconciler.attest.facts.values import Fact, Facts, FactValue, Problem
from reconciler.model.facts import FACTS

_MAX_ENTRIES = 4


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


def facts_text(facts: Facts) -> str:
    """Return ``facts`` as lines: name, value, place; longer lists by their length; then what is left open."""
    lines = []
    for name in FACTS:
        if name in facts.found:
            fact = facts.found[name]
            doubt = "" if fact.verified else ", not verified"
            lines.append(f"{name}: {_line(fact.value)} [PCR {fact.pcr}{_events(fact.events)}{doubt}]")
    for problem in facts.problems:
        place = "" if problem.event is None else f", event {problem.event}"
        lines.append(f"not proven: {', '.join(problem.facts)}: {problem.message} [PCR {problem.pcr}{place}]")
    return "".join(f"{line}\n" for line in lines)


def _line(value: FactValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in sorted(value.items())) or "none"
    if isinstance(value, tuple | frozenset):
        entries = sorted(value) if isinstance(value, frozenset) else list(value)
        return f"{len(entries)} entries" if len(entries) > _MAX_ENTRIES else ", ".join(entries) or "none"
    return str(value)


def _events(events: tuple[int, ...]) -> str:
    if not events:
        return ""
    shown = f"{events[0]}" if len(events) == 1 else f"{events[0]} to {events[-1]}"
    return f", event {shown}"


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
