"""How fast the verifier is, beside ``openssl speed`` on the same core in the same run: ``make bench-verify``.

Quotes, event logs (a made one, and those that are named) and IMA lists, in one table (``benchmarks.measure``). Bars
decide the exit code only with ``--strict``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from benchmarks.eventlog import eventlog_cases, made_log
from benchmarks.ima import ima_cases
from benchmarks.measure import ROUNDS, Case, run
from reconciler.attest.tpm.quote import enrol, judge_quote
from reconciler.attest.tpm.selection import require
from reconciler.attest.tpm.signature import parse_signature
from tests.support.quotes import Case as Quote
from tests.support.quotes import Sign, bank_values, ecc_key_and_sign, quote_over, rsa_key_and_sign

PCRS = (0, 1, 2, 3, 4, 5, 7, 9, 11, 12)
QUOTES = 64
BAR = 0.8
_WHOLE = 2


def quote_cases() -> Iterator[Case]:
    """Yield quotes by RSA and P-256 with checks 1 to 10, and what the signature alone costs in ``cryptography``."""
    for key, beside in (
        (rsa_key_and_sign(hash_name="sha256"), "rsa2048"),
        (ecc_key_and_sign(curve="p256", hash_name="sha256"), "ecdsap256"),
    ):
        quotes = [_quote(key, number) for number in range(QUOTES)]
        label = "RSA-2048" if beside == "rsa2048" else "P-256"
        yield Case(
            name=f"quote, {label}, checks 1-10",
            unit="quotes",
            work=_judging(quotes),
            amount=QUOTES,
            beside=beside,
            share=BAR,
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


def all_cases(logs: list[Path]) -> list[Case]:
    """Return the cases in the order in which they are told: of IMA only the whole, in its two forms."""
    named = [case for path in logs for case in eventlog_cases(path.name, path.read_bytes())]
    return [*quote_cases(), *eventlog_cases("event log", made_log()), *named, *islice(ima_cases(), _WHOLE)]


def main() -> int:
    """Measure and print; return 1 if a bar is not reached and ``--strict`` was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="*", type=Path, metavar="FILE", help="an event log to measure as well")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--core", type=int, help="the last one by default")
    parser.add_argument("--strict", action="store_true", help="end with 1 if a bar is not reached")
    asked = parser.parse_args()
    is_reached = run(all_cases(asked.logs), rounds=asked.rounds, core=asked.core)
    return int(asked.strict and not is_reached)


if __name__ == "__main__":
    sys.exit(main())
