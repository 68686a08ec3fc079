"""The two forms of time in certificates and revocation lists.

Seconds and ``Z`` are required, fractions and offsets refused, as RFC 5280 has it.

Source: RFC 5280, 4.1.2.5.
"""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.attest.endorsement import der
from reconciler.attest.reader import MalformedError

_YEAR_DIGITS = {der.UTC_TIME: 2, der.GENERALIZED_TIME: 4}
_AFTER_YEAR = 11  # Month, day, hour, minute and second of two digits each, and Z.
_PIVOT = 50


def parse_time(tag: int, content: bytes, *, what: str) -> datetime:
    """Return the time in an element's ``content``; raise MalformedError unless it is one in a form of RFC 5280."""
    digits = _YEAR_DIGITS.get(tag)
    if digits is None or len(content) != digits + _AFTER_YEAR or content[-1:] != b"Z" or not content[:-1].isdigit():
        raise MalformedError(what, "a time is not in one of its two forms")
    year = int(content[:digits])
    if tag == der.UTC_TIME:
        # RFC 5280, 4.1.2.5.1: two-digit years reach from 1950 to 2049.
        year += 1900 if year >= _PIVOT else 2000
    month, day, hour, minute, second = (int(content[at : at + 2]) for at in range(digits, digits + 10, 2))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise MalformedError(what, "a time is not in the calendar") from error
