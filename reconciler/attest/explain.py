"""A verdict's reasons as text for people: what, where, expected, found, and what next.

It renders what the verifier said and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.attest.codes import CODES
from reconciler.attest.verdict import Reason


def explain(reasons: Iterable[Reason]) -> str:
    """Return ``reasons`` as lines of text, each with its hint and its page; codes of other releases have neither."""
    return "".join(f"{line}\n" for reason in reasons for line in _lines(reason))


def place_of(reason: Reason) -> str:
    """Return where ``reason`` was found: PCR, bank and event, or an empty string."""
    parts = []
    if reason.pcr is not None:
        parts.append(f"PCR {reason.pcr}" + (f" ({reason.bank})" if reason.bank else ""))
    if reason.event is not None:
        parts.append(f"event {reason.event}" + (f" {reason.event_type}" if reason.event_type else ""))
    return ", ".join(parts)


def page_of(code: str) -> str:
    """Return where the page on ``code`` stands in this project; only codes in ``CODES`` have one."""
    return f"docs/reasons/{code}.md"


def _lines(reason: Reason) -> Iterator[str]:
    place = place_of(reason)
    yield f"{reason.code}: {reason.message}" + (f" [{place}]" if place else "")
    if reason.expected is not None:
        yield f"  expected: {reason.expected}"
    if reason.found is not None:
        yield f"  found:    {reason.found}"
    code = CODES.get(reason.code)
    if code is not None:
        yield f"  hint: {code.hint}"
        yield f"  page: {page_of(reason.code)}"
