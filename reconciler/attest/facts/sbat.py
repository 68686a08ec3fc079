"""SBAT levels: the generations below which shim refuses components.

Source: shim's SBAT.md, "SBAT formatted variable".
"""

from __future__ import annotations

import re

from reconciler.attest.reader import MalformedError

_WHAT = "SBAT level"
_LINE = re.compile(r"([A-Za-z0-9_.+-]{1,64}),([0-9]{1,9})(?:,([0-9]{10}))?")
_MAX_LINES = 256


def parse_sbat_level(data: bytes) -> tuple[int, dict[str, int]]:
    """Return the level's date as a number (2021030218), and the least generation of each component.

    MalformedError unless the first line is SBAT's own, with a date, and every line is a component and a generation.
    """
    try:
        lines = data.decode("ascii").rstrip("\0").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError(_WHAT, "is not text") from error
    matches = [_LINE.fullmatch(line) for line in lines[:_MAX_LINES]]
    parsed = [match for match in matches if match is not None]
    generations = {match[1]: int(match[2]) for match in parsed}
    if len(parsed) != len(lines) or len(generations) != len(lines):
        raise MalformedError(_WHAT, "has a line that is no component with its generation, or a component twice")
    if parsed[0][1] != "sbat" or parsed[0][3] is None:
        raise MalformedError(_WHAT, "does not begin with SBAT's own line and its date")
    return int(parsed[0][3]), generations
