"""When a signer's signatures count: validity windows, and the dates of commits that they are held against.

Rules: dates are ``YYYYMMDD``, ``YYYYMMDDHHMM`` or ``YYYYMMDDHHMMSS``, with or without ``Z``, always UTC (ssh-keygen(1)
is run in UTC too); a window includes both its ends; a commit is not dated before its first parent, nor in the future,
except by the tolerance. Whose window applies is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

TOLERANCE_S = 300
"""By how many seconds the clocks of two people may differ."""

_DATE = re.compile(r"(?P<day>[0-9]{8})(?P<minute>[0-9]{4})?(?P<second>[0-9]{2})?Z?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when to when, in seconds since 1970; None: without that end."""

    after: int | None = None
    before: int | None = None

    def problem(self, moment: int) -> tuple[str, str] | None:
        """Return the code and the words of why ``moment`` lies outside, None if it does not."""
        if self.before is not None and moment > self.before:
            return "SignerExpired", f"is valid until {shown(self.before)} only"
        if self.after is not None and moment < self.after:
            return "SignerNotYet", f"is valid from {shown(self.after)} on only"
        return None


ALWAYS = Window()


def parse_window(options: Mapping[str, str]) -> Window | str:
    """Return the window that ``options`` of an allowed-signers line set, or what is wrong with them."""
    ends = {name: parse_date(options[name]) for name in ("valid-after", "valid-before") if name in options}
    wrong = [name for name, moment in ends.items() if moment is None]
    if wrong:
        return f'has a date in {wrong[0]} that does not exist: write {wrong[0]}="20270131Z"'
    window = Window(after=ends.get("valid-after"), before=ends.get("valid-before"))
    if window.after is not None and window.before is not None and window.after > window.before:
        return "is valid from a date on that lies after the one it is valid until"
    return window


def parse_date(text: str) -> int | None:
    """Return the moment that ``text`` names, in seconds since 1970, None if there is no such date."""
    found = _DATE.fullmatch(text)
    if not found:
        return None
    digits = f"{found['day']}{found['minute'] or '0000'}{found['second'] or '00'}"
    try:
        return int(datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def shown(moment: int) -> str:
    """Return ``moment`` as people read it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
