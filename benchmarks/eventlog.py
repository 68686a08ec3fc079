"""How many event logs a second: parsed and replayed cold, step by step, and from the cache.

Run as ``python -m benchmarks.eventlog [FILE …]``; without files it makes a log of about 50 KB
with the shape of a real one (120 events, two banks). One process, one thread; the best of
several rounds is printed, because whatever else runs on the machine only ever slows it down.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reconciler.attest.eventlog import log as eventlog
from reconciler.attest.eventlog.grammar import check_grammar
from reconciler.attest.eventlog.log import parse_log, replay, replay_log

ROUNDS = 5
ROUND_S = 0.3
EVENTS = 120
EVENT_DATA = 330
BANK = "sha256"


def synthetic() -> bytes:
    """Return a crypto-agile log of two banks, with as many events as a server's."""
    named = struct.pack("<HHHH", 4, 20, 0xB, 32)
    body = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 2) + named + b"\0"
    records = [struct.pack("<II20xI", 0, 3, len(body)) + body]
    for index in range(EVENTS):
        data = index.to_bytes(2, "little") * (EVENT_DATA // 2)
        sha1 = hashlib.sha1(data, usedforsecurity=False).digest()
        digests = struct.pack("<H20sH32s", 4, sha1, 0xB, hashlib.sha256(data).digest())
        records.append(struct.pack("<III", index % 10, 0xD, 2) + digests + struct.pack("<I", len(data)) + data)
    return b"".join(records)


def rate(work: Callable[[], object]) -> float:
    """Return how often ``work`` can be done in a second, by the best of ROUNDS."""
    best = 0.0
    for _ in range(ROUNDS):
        done, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < ROUND_S:
            work()
            done += 1
        best = max(best, done / passed)
    return best


def measure(name: str, data: bytes) -> dict[str, float]:
    """Print the rates for the log ``data`` and return them."""
    bank = BANK if BANK in parse_log(data).algorithms else "sha1"
    parsed = parse_log(data)
    events = parsed.bank(bank)
    replayed = replay(events)
    rates = {
        "cold parse": rate(lambda: eventlog.parse_uncached(data)),
        "read one bank": rate(lambda: parsed.bank(bank)),
        "replay": rate(lambda: replay(events)),
        "cold parse and replay": rate(lambda: replay(eventlog.parse_uncached(data).bank(bank))),
        # A copy each time: the same bytes come from a file or a message, not from the same object.
        "cached parse and replay": rate(lambda: replay_log(bytes(bytearray(data)), bank=bank)),
        "grammar": rate(lambda: list(check_grammar(replayed, quoted=range(8), bank=bank))),
    }
    sys.stdout.write(f"{name}: {len(data)} bytes, {len(parsed.records)} records, {bank}\n")
    for what, per_second in rates.items():
        sys.stdout.write(f"  {what:<24} {per_second:>10,.0f} /s\n")
    return rates


def main() -> None:
    """Measure the logs that are named, or the made one."""
    files = [Path(name) for name in sys.argv[1:]]
    logs = [(path.name, path.read_bytes()) for path in files] or [("made log", synthetic())]
    for name, data in logs:
        measure(name, data)


if __name__ == "__main__":
    main()
