"""Verdicts of a bundle, computed again from the raw evidence and the rules in it.

1. The verdict is the recorded one, byte for byte.
2. The record says of it what it says: accepted or not, for which challenge, at which clock and time.
3. It was asked for as much freshness as the records before it make due.
4. The rules are about the node that the statement is about.
Whether they were the repository's rules is asked where its commits are (``authority``).
"""

from __future__ import annotations

from reconciler.attest.appraise import appraise
from reconciler.attest.expectation import Attempt, Rules
from reconciler.attest.verdict import Accepted, Rejected
from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import Blobs
from reconciler.evidence.bundle.reading import Shown
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import RawReader
from reconciler.evidence.report import describe
from reconciler.evidence.rules import read_rules
from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.record import Clock, Head
from reconciler.model.submission import BootClock, Evidence

_KEPT = 16
"""How many logs are kept in memory: a bundle can name many that are far larger together than it is itself."""


class Judge:
    """Computes verdicts again; evidence and rules that recur are read once."""

    def __init__(self, blobs: Blobs) -> None:
        """Read from ``blobs``."""
        self._blobs = blobs
        self._reader = RawReader(blobs, kept=_KEPT)
        self._rules: dict[str, Rules] = {}

    def check(self, shown: Shown, *, before: Head, is_clock_known: bool) -> None:
        """Raise TrustError unless the recorded verdict is what comes of its evidence.

        ``before`` is the node's head at the time; ``is_clock_known`` says whether its clock is, or began unseen.
        """
        record = shown.record
        appraisal = record.appraisal
        if appraisal is None or record.enclave is None or record.attempt is None:
            raise TrustError(f"node {record.node}", "an appraisal without a verdict", reason="StatementMalformed")
        evidence = self._reader.read(appraisal.evidence)
        rules = self._read_rules(appraisal.rules)
        if shown.endorsement is not None and rules.endorsement != f"sha256:{shown.endorsement}":  # 4
            raise TrustError(f"node {record.node}", "its rules are about another TPM", reason="RecordStray")
        attempt = Attempt(
            node=record.node,
            enclave=record.enclave,
            commit=appraisal.evidence.commit,
            attempt=record.attempt,
            previous=_boot_clock(appraisal.previous),
            must_be_same_boot=appraisal.must_be_same_boot,
            judged_at=evidence.received_at,
        )
        verdict = appraise(evidence, expectation=rules.hold(attempt))
        told = describe(verdict)
        if (appraisal.verdict_digest, appraisal.verdict or told) != (digest(canonical(told)), told):  # 1
            raise TrustError(
                f"node {record.node}", "its verdict, computed again, is another one", reason="VerdictDiffers"
            )
        if _said(record) != _found(verdict, evidence):  # 2
            raise TrustError(f"node {record.node}", "it says something else than its verdict", reason="VerdictDiffers")
        if not _is_fresh(appraisal, record, before=before, is_clock_known=is_clock_known):  # 3
            message = "its evidence was not asked to be as fresh as it had to be"
            raise TrustError(f"node {record.node}", message, reason="FreshnessSkipped")

    def _read_rules(self, name: str) -> Rules:
        if name not in self._rules:
            rules = read_rules(self._blobs, name)
            if {type(rules.endorsement), type(rules.profile)} != {str}:
                raise TrustError("rules", "recorded rules are not what ringfence writes", reason="BlobMalformed")
            self._rules[name] = rules
        return self._rules[name]


def _said(record: Record) -> tuple[object, ...]:
    return (record.nonce, _boot_clock(record.clock), record.accepted_at)


def _found(verdict: Accepted | Rejected, evidence: Evidence) -> tuple[object, ...]:
    match verdict:
        case Accepted():
            return (verdict.nonce.hex(), verdict.clock, evidence.received_at)
        case Rejected():  # pragma: no branch  # mypy: the match is exhaustive
            return (None, None, None)


def _is_fresh(appraisal: Appraisal, record: Record, *, before: Head, is_clock_known: bool) -> bool:
    """Return whether the quote had to be newer than the last accepted one, and of the same boot where one is proven.

    Evidence that was accepted before and is judged again, by another policy, is held against what it was then.
    """
    previous, is_proven = before.clock, before.attempt == record.attempt and before.nonce is not None
    if is_proven and appraisal.evidence.nonce == before.nonce:
        earlier, clock = _boot_clock(before.clock_before), _boot_clock(before.clock)
        is_same = earlier is not None and clock is not None and earlier.is_same_boot_as(clock)
        return (appraisal.previous, appraisal.must_be_same_boot) == (before.clock_before, is_same)
    return appraisal.must_be_same_boot == is_proven and (not is_clock_known or appraisal.previous == previous)


def _boot_clock(clock: Clock | None) -> BootClock | None:
    return None if clock is None else BootClock(**clock.model_dump())
