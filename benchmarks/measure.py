"""What all benchmarks share: a case, how it is measured, OpenSSL's own rates, and the table.

A case is a piece of work, how much of it one call does, and its bar: a share of one of OpenSSL's rates, or a number a
second. Rounds of all cases and of OpenSSL take turns and the medians are told, because machines are shared. A figure
is of one core and one process, and its second is one of processor time, as ``openssl speed`` counts too: what else
runs on the machine takes none of it.
"""

# ruff: noqa: T201  # for scripts, which print what they measured

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import __version__ as cryptography_version

ROUNDS = 5
ROUND_S = 0.5
OPENSSL = {
    "rsa2048": "RSA-2048 verifications",
    "ecdsap256": "P-256 verifications",
    "sha256": "SHA-256 of 64 bytes",
}
"""What ``openssl speed`` is asked for, and what it counts."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to measure: ``work`` does ``amount`` of ``unit``, and is told beside the OpenSSL rate ``beside``.

    ``share`` is the least share of that rate, ``least`` the least number a second; without either it is told only.
    """

    name: str
    unit: str
    work: Callable[[], object]
    amount: int = 1
    beside: str | None = None
    share: float | None = None
    least: float | None = None


def rate(case: Case) -> float:
    """Return how many of the case's units one second of work, in processor time, does."""
    done, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < ROUND_S:
        case.work()
        done += case.amount
    return done / spent


def openssl_rate(algorithm: str) -> float:
    """Return how much a second ``openssl speed`` tells for ``algorithm``, a key of OPENSSL."""
    what = ["-bytes", "64", "-evp", algorithm] if algorithm == "sha256" else [algorithm]
    command = ["openssl", "speed", "-mr", "-seconds", "1", *what]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    # +F (digests): an index, the name, and the bytes a second. +F2 (RSA) and +F4 (ECDSA): an index, the key's bits, and
    # the seconds or rates of signing and of verifying.
    pattern = r"^\+F:\d+:[^:]*:([0-9.e+-]+)$" if algorithm == "sha256" else r"^\+F[24]:\d+:\d+:[^:]+:([0-9.e+-]+)$"
    match = re.search(pattern, told, re.MULTILINE)
    if match is None:
        raise SystemExit(f"error: openssl speed {algorithm}: its output is not understood")
    value = float(match[1])
    if algorithm == "sha256":
        return value / 64
    return value if value > 1 else 1 / value


def run(cases: Sequence[Case], *, rounds: int = ROUNDS, core: int | None = None) -> bool:
    """Measure ``cases`` on one core, beside OpenSSL, and print the table; return whether all bars are reached."""
    # OpenSSL's process inherits the core.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if core is None else core})
    asked = [algorithm for algorithm in OPENSSL if any(case.beside == algorithm for case in cases)]
    rates: dict[str, list[float]] = {name: [] for name in (*asked, *(case.name for case in cases))}
    for _ in range(rounds):
        for algorithm in (*asked, None):
            if algorithm is not None:
                rates[algorithm].append(openssl_rate(algorithm))
            for case in (case for case in cases if case.beside == algorithm):
                rates[case.name].append(rate(case))
    return _tell(cases, rates)


def _tell(cases: Sequence[Case], rates: dict[str, list[float]]) -> bool:
    program = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True, timeout=60).stdout
    print(f"{program.split(' (')[0]}; cryptography {cryptography_version}; Python {sys.version.split()[0]}; one core")
    print(f"{'case':<44}{'ours/s':>12}  {'openssl speed/s':<36}{'ratio':>7}  bar")
    reached = [_tell_case(case, rates) for case in cases]
    return all(reached)


def _tell_case(case: Case, rates: dict[str, list[float]]) -> bool:
    ours, beside, share = statistics.median(rates[case.name]), "", None
    if case.beside is not None:
        theirs = rates[case.beside]
        beside = f"{statistics.median(theirs):,.0f} {OPENSSL[case.beside]}"
        # Each round is compared with OpenSSL's of the same round: what disturbs one disturbs the other.
        share = statistics.median(one / other for one, other in zip(rates[case.name], theirs, strict=True))
    bar, is_reached = "", True
    if case.share is not None and share is not None:
        bar, is_reached = f"{case.share:.0%}", share >= case.share
    elif case.least is not None:
        bar, is_reached = f"{case.least:,.0f} {case.unit}/s", ours >= case.least
    verdict = "" if not bar else ": reached" if is_reached else ": NOT reached"
    ratio = "" if share is None else f"{share:.1%}"
    print(f"{case.name:<44}{ours:>12,.0f}  {beside:<36}{ratio:>7}  {bar}{verdict}")
    return is_reached
