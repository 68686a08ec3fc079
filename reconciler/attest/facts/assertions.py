"""Whether facts are what a policy asserts.

1. An assertion that is for other families or profiles is not asked; a profile that is not known is asked. 2. The fact
exists on this machine and its PCRs were quoted. 3. The log is clear about it. 4. There is a fact. 5. It is verified.
6. It has the value. Whatever fails of 2 to 5 is a reason, even where the value would have been right; only ``absent``
holds without a fact, and it, too, needs 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest

from reconciler.attest.facts.values import Fact, Facts, FactValue
from reconciler.attest.verdict import Reason
from reconciler.model.facts import FACTS, FactAssertion, Operand, is_fact_of

_MAX_REASONS = 16
_MAX_TEXT = 256

_Difference = tuple[str | None, str | None, int | None]
"""What was expected and found, and the place in the fact's list where it was found."""


def check_facts(facts: Facts, assertions: Iterable[FactAssertion], *, profile: str | None = None) -> Iterator[Reason]:
    """Yield what speaks against ``facts``, of a node with the firmware ``profile``; at most 16 for each assertion."""
    for assertion in assertions:
        # 1. For whom it is.
        is_of_family = assertion.families is None or facts.family in assertion.families
        if is_of_family and (profile is None or assertion.profiles is None or profile in assertion.profiles):
            yield from _check(facts, assertion=assertion)


def _check(facts: Facts, *, assertion: FactAssertion) -> Iterator[Reason]:
    name = assertion.fact
    operator, operand = assertion.operator
    fact = facts.found.get(name)
    known = FACTS[name]
    # 2. It exists, and was quoted.
    missing = ""
    unquoted = sorted(set(known.pcrs) - set(facts.quoted))
    if not is_fact_of(name, scopes=facts.scopes):
        missing = f"there is no fact {name} in family {facts.family}"
    elif unquoted:
        missing = f"{name} needs PCR {', '.join(map(str, unquoted))}, which is not quoted"
    # 4. There is one.
    elif fact is None and operator != "absent" and not facts.problems_of(name):
        missing = f"no event of PCR {known.pcrs[0]} proves {name}"
    if missing:
        yield Reason(
            code="FactMissing",
            message=missing,
            pcr=known.pcrs[0],
            bank=facts.bank,
            expected=_short(f"{operator} {_text(operand)}"),
        )
        return
    # 3. The log is clear about it.
    for problem in facts.problems_of(name)[:_MAX_REASONS]:
        yield Reason(
            code="FactAmbiguous",
            message=f"{name}: {problem.message}",
            pcr=problem.pcr,
            bank=facts.bank,
            event=problem.event,
            expected=_short(f"{operator} {_text(operand)}"),
        )
    if fact is None:
        return
    # 5. It is verified.
    if not fact.verified:
        yield Reason(
            code="FactUnverified",
            message=f"{name} is told by an event whose digest is not that of its data",
            pcr=fact.pcr,
            bank=fact.bank,
            event=_event(fact, place=0),
            expected=_short(f"{operator} {_text(operand)}"),
            found=_short(_text(fact.value)),
        )
        return
    # 6. It has the value.
    for expected, found, place in islice(_differences(fact.value, operator=operator, operand=operand), _MAX_REASONS):
        yield Reason(
            code="FactMismatch",
            message=f"{name} is not as the policy asserts: {operator}",
            pcr=fact.pcr,
            bank=fact.bank,
            event=_event(fact, place=place),
            expected=None if expected is None else _short(expected),
            found=None if found is None else _short(found),
        )


def _differences(value: FactValue, *, operator: str, operand: Operand) -> Iterator[_Difference]:
    """Yield each difference; ``operator`` and ``operand`` fit the value, which the assertion itself has seen to."""
    if operator == "absent":
        yield from _present(value)
    elif isinstance(value, tuple | frozenset) or isinstance(operand, tuple):
        yield from _of_lists(value, operator=operator, operand=operand)
    elif isinstance(value, dict) and isinstance(operand, dict):
        yield from _of_maps(dict(value), operator=operator, operand=dict(operand))
    elif operator == "atLeast" and isinstance(value, int) and isinstance(operand, int):
        if value < operand:
            yield f"at least {operand}", str(value), 0
    elif type(value) is not type(operand) or value != operand:
        yield _text(operand), _text(value), 0


def _entries(value: FactValue) -> list[str]:
    """Return the entries of a list in their order and those of a set sorted; anything else is its own entry."""
    if isinstance(value, tuple):
        return list(value)
    return sorted(value) if isinstance(value, frozenset | dict) else [_text(value)]


def _present(value: FactValue) -> Iterator[_Difference]:
    for place, entry in enumerate(_entries(value)):
        yield "nothing", entry, place if isinstance(value, tuple) else None


def _of_lists(value: FactValue, *, operator: str, operand: Operand) -> Iterator[_Difference]:
    found = _entries(value)
    asserted = [str(entry) for entry in operand] if isinstance(operand, tuple) else [_text(operand)]
    if operator == "equals" and isinstance(value, tuple):
        for place, (expected, entry) in enumerate(zip_longest(asserted, found)):
            if expected != entry:
                yield expected, entry, None if entry is None else place
        return
    if operator != "includes":
        for place, entry in enumerate(found):
            if entry not in asserted:
                yield _choice(asserted), entry, place if isinstance(value, tuple) else None
    if operator != "within":
        for expected in asserted:
            if expected not in found:
                yield expected, None, None


def _of_maps(value: dict[str, str | int], *, operator: str, operand: dict[str, str | int]) -> Iterator[_Difference]:
    for name, expected in operand.items():
        found = value.get(name)
        is_enough = operator == "atLeast" and isinstance(found, int) and isinstance(expected, int) and found >= expected
        if found != expected and not is_enough:
            yield f"{name} {expected}", None if found is None else f"{name} {found}", None
    if operator == "equals":
        for name in value.keys() - operand.keys():
            yield None, f"{name} {value[name]}", None


def _choice(allowed: list[str]) -> str:
    return "nothing" if not allowed else allowed[0] if len(allowed) == 1 else f"one of {len(allowed)} that are allowed"


def _event(fact: Fact, *, place: int | None) -> int | None:
    """Return the event of the entry at ``place``, or the fact's only event."""
    if place is not None and place < len(fact.events):
        return fact.events[place]
    return fact.events[0] if len(fact.events) == 1 else None


def _text(value: FactValue | Operand) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in sorted(value.items()))
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(value) if isinstance(value, frozenset) else value) or "nothing"
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
