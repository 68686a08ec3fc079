"""What targets hold besides raising nothing foreign."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from reconciler.attest.verdict import Reason
from reconciler.errors.taxonomy import RingfenceError

T = TypeVar("T")


def told(document: object) -> str:
    """Fail unless ``document`` can be printed, as a command does: as JSON, in UTF-8."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    text.encode()
    return text


def codes(reasons: Iterable[Reason]) -> str:
    """Return the codes of ``reasons``, each of which can be printed."""
    found = list(reasons)
    for reason in found:
        told([reason.message, reason.expected, reason.found])
    return " ".join(sorted({reason.code for reason in found}))


def judged(judge: Callable[[], T]) -> T:
    """Return what ``judge`` returns: it gives reasons, and raises nothing at all, not even our own errors."""
    try:
        return judge()
    except RingfenceError as error:
        raise AssertionError(f"{error!r} was raised where reasons are given") from error
