"""How fast the verifier is, beside ``openssl speed`` on the same core in the same run: ``make bench-verify``.

A case is a piece of work, how much of it one call does, and its bar: a share of one of OpenSSL's rates, or a number
a second. Rounds of all cases and of OpenSSL take turns and the medians are told, because machines are shared. A figure
is of one core and one process. Bars decide the exit code only with ``--strict``.
"""

# ruff: noqa: T201  # a script, not a package; it prints what it measured

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from cryptography import __version__ as cryptography_version
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from reconciler.attest.tpm.quote import enrol, judge_quote
from reconciler.attest.tpm.selection import require
from reconciler.attest.tpm.signature import parse_signature
from tests.support.quotes import Case as Quote
from tests.support.quotes import Sign, bank_values, ecc_key_and_sign, quote_over, rsa_key_and_sign

PCRS = (0, 1, 2, 3, 4, 5, 7, 9, 11, 12)
QUOTES = 64
ROUND_S = 1.0
OPENSSL = {"rsa2048": "RSA-2048", "ecdsap256": "P-256"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to measure: ``work`` does ``amount`` of ``unit``; ``beside`` is the OpenSSL rate that it is a share of.

    Without ``beside`` the bar is a number a second; without a bar it is told for comparison only.
    """

    name: str
    unit: str
    work: Callable[[], object]
    amount: int = 1
    beside: str | None = None
    bar: float | None = None


def quote_cases() -> Iterator[Case]:
    """Yield quotes by RSA and P-256 with checks 1 to 10, and what the signature alone costs in ``cryptography``."""
    for key, beside in (
        (rsa_key_and_sign(hash_name="sha256"), "rsa2048"),
        (ecc_key_and_sign(curve="p256", hash_name="sha256"), "ecdsap256"),
    ):
        quotes = [_quote(key, number) for number in range(QUOTES)]
        label = OPENSSL[beside]
        yield Case(
            name=f"quote, {label}, checks 1-10",
            unit="quotes",
            work=_judging(quotes),
            amount=QUOTES,
            beside=beside,
            bar=0.8,
        )
        yield Case(
            name=f"quote, {label}, signature alone",
            unit="quotes",
            work=_verifying(quotes),
            amount=QUOTES,
            beside=beside,
        )


def _quote(key: tuple[bytes, Sign], number: int) -> Quote:
    return quote_over({"sha256": bank_values("sha256", PCRS)}, key=key, hash_name="sha256", nonce=number.to_bytes(32))


def _judging(quotes: list[Quote]) -> Callable[[], None]:
    """Return the judging of all ``quotes``; the key and the policy are made ready once, as for a node that is known."""
    key = enrol(quotes[0].ak, qualified_signer=quotes[0].signer)
    requirement, after = require(quotes[0].selection), quotes[0].before
    given = [(quote.message, quote.signature, quote.nonce, quote.values) for quote in quotes]

    def work() -> None:
        for message, signature, nonce, values in given:
            reasons = judge_quote(
                message,
                signature=signature,
                key=key,
                extra_data=nonce,
                requirement=requirement,
                values=values,
                after=after,
            )
            if reasons:
                raise AssertionError(reasons)

    work()
    changed = replace(quotes[0], nonce=b"another")
    if changed.codes() != {"QualifyingDataMismatch"}:
        raise AssertionError("a quote for another challenge is not refused: nothing is measured")
    return work


def _verifying(quotes: list[Quote]) -> Callable[[], None]:
    public, parts = quotes[0].ak.key, [parse_signature(quote.signature).parts for quote in quotes]
    algorithm = hashes.SHA256()
    calls: list[Callable[[], None]]
    if isinstance(public, rsa.RSAPublicKey):
        scheme = padding.PKCS1v15()
        calls = [
            partial(public.verify, part[0], quote.message, scheme, algorithm)
            for quote, part in zip(quotes, parts, strict=True)
        ]
    else:
        ecdsa = ec.ECDSA(algorithm)
        calls = [
            partial(public.verify, encode_dss_signature(*map(int.from_bytes, part)), quote.message, ecdsa)
            for quote, part in zip(quotes, parts, strict=True)
        ]

    def work() -> None:
        for call in calls:
            call()

    return work


def all_cases() -> list[Case]:
    """Return the cases in the order in which they are told; a new section is one more line."""
    return [*quote_cases()]


def measure(case: Case) -> float:
    """Return how many of the case's units one second of work does."""
    done, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < ROUND_S:
        case.work()
        done += case.amount
    return done / spent


def openssl_rate(algorithm: str) -> float:
    """Return the verifications a second that ``openssl speed`` tells for ``algorithm``."""
    command = ["openssl", "speed", "-mr", "-seconds", "1", algorithm]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    # +F2 (RSA) and +F4 (ECDSA): an index, the key's bits, and the seconds or rates of signing and of verifying.
    match = re.search(r"^\+F[24]:\d+:\d+:([0-9.e+-]+):([0-9.e+-]+)$", told, re.MULTILINE)
    if match is None:
        raise SystemExit(f"error: openssl speed {algorithm}: its output is not understood")
    value = float(match[2])
    return value if value > 1 else 1 / value


def main() -> int:
    """Measure and print; return 1 if a bar is not reached and ``--strict`` was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--strict", action="store_true", help="end with 1 if a bar is not reached")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {asked.core})  # OpenSSL's process inherits it.
    cases = all_cases()
    rates: dict[str, list[float]] = {name: [] for name in (*OPENSSL, *(case.name for case in cases))}
    for _ in range(asked.rounds):
        for algorithm in OPENSSL:
            rates[algorithm].append(openssl_rate(algorithm))
            for case in (case for case in cases if case.beside in {algorithm, None}):
                rates[case.name].append(measure(case))
    return _tell(cases, rates, strict=asked.strict)


def _tell(cases: list[Case], rates: dict[str, list[float]], *, strict: bool) -> int:
    middle = {name: statistics.median(found) for name, found in rates.items()}
    program = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True, timeout=60).stdout
    print(f"{program.split(' (')[0]}; cryptography {cryptography_version}; Python {sys.version.split()[0]}")
    for algorithm, label in OPENSSL.items():
        print(f"  {'openssl speed, ' + label:<36} {middle[algorithm]:>10,.0f} verifications/s")
    is_short = False
    for case in cases:
        rate = middle[case.name]
        # Each round is compared with OpenSSL's of the same round: what disturbs one disturbs the other.
        share = (
            None
            if case.beside is None
            else statistics.median(
                ours / theirs for ours, theirs in zip(rates[case.name], rates[case.beside], strict=True)
            )
        )
        line = f"  {case.name:<36} {rate:>10,.0f} {case.unit}/s"
        if share is not None:
            line += f"  {share:>6.1%} of OpenSSL"
        if case.bar is not None:
            is_met = (rate if share is None else share) >= case.bar
            is_short |= not is_met
            line += f"  bar {case.bar:.0%}" if share is not None else f"  bar {case.bar:,.0f}/s"
            line += ": reached" if is_met else ": NOT reached"
        print(line)
    return int(is_short and strict)


if __name__ == "__main__":
    sys.exit(main())
