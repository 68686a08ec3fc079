"""How many event logs a second: parsed and replayed cold, from the cache, and judged by the grammar.

Run as ``python -m benchmarks.eventlog [FILE …]``; without files it makes a log of about 50 KB with the shape of a real
one. ``make bench-verify`` measures the made log among the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Case, run
from reconciler.attest.eventlog.grammar import check_grammar
from reconciler.attest.eventlog.log import parse_log, parse_uncached, replay, replay_log
from tests.support.eventlogs import new, spec_id

EVENTS = 120
EVENT_DATA = 330
BANK = "sha256"
BAR = 2_500
EV_IPL = 0xD


def made_log() -> bytes:
    """Return a crypto-agile log of two banks and about 50 KB, with as many events as a server's."""
    banks = ("sha1", BANK)
    contents = (index.to_bytes(2, "little") * (EVENT_DATA // 2) for index in range(EVENTS))
    return spec_id(*banks) + b"".join(
        new(*banks, pcr=index % 10, kind=EV_IPL, data=content) for index, content in enumerate(contents)
    )


def eventlog_cases(name: str, data: bytes) -> Iterator[Case]:
    """Yield what is done with the log ``data``, called ``name``."""
    bank = BANK if BANK in parse_log(data).algorithms else "sha1"
    replayed = replay(parse_log(data).bank(bank))
    label = f"{name}, {len(data) // 1000} KB"
    yield Case(
        name=f"{label}: cold parse and replay",
        unit="logs",
        work=lambda: replay(parse_uncached(data).bank(bank)),
        least=BAR,
    )
    yield Case(
        name=f"{label}: cached parse and replay",
        unit="logs",
        # A copy each time: the same bytes come from a file or a message, not from the same object.
        work=lambda: replay_log(bytes(bytearray(data)), bank=bank),
        least=BAR,
    )
    yield Case(
        name=f"{label}: grammar",
        unit="logs",
        work=lambda: list(check_grammar(replayed, quoted=range(8), bank=bank)),
    )


def main() -> int:
    """Measure the logs that are named, or the made one."""
    files = [Path(name) for name in sys.argv[1:]]
    logs = [(path.name, path.read_bytes()) for path in files] or [("event log", made_log())]
    return int(not run([case for name, data in logs for case in eventlog_cases(name, data)]))


if __name__ == "__main__":
    sys.exit(main())
