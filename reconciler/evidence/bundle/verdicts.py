"""Verdicts of a bundle, computed again from the raw evidence and the rules in it.

1. The verdict is the recorded one, byte for byte.
2. The record says of it what it says: accepted or not, for which challenge, at which clock and time.
3. It was asked for as much freshness as the records before it make due.
4. The rules are about the node that the statement is about.
Whether they were the repository's rules is asked where its commits are (``authority``).
"""

from __future__ import annotations

from reconciler.attest.appraiser import Appraiser
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

_KEPT = 4
"""How many logs are kept in memory: a bundle can name many that are far larger together than it is itself."""
MAX_IMA_LOG = 64 << 20
"""How many bytes an IMA log may have that is put together from its segments."""


class Judge:
    """Computes verdicts again; evidence and rules that recur are read once."""

    def __init__(self, blobs: Blobs) -> None:
        """Read from ``blobs``."""
        self._blobs = blobs
        self._reader = RawReader(blobs, kept=_KEPT)
        self._rules: dict[str, Rules] = {}
        self._appraiser = Appraiser()

    def check(self, shown: Shown, *, before: Head, is_clock_known: bool) -> None:
        """Raise TrustError unless the recorded verdict is what comes of its evidence.

        ``before`` is the node's head at the time; ``is_clock_known`` says whether its clock is, or began unseen.
        """
        record = shown.record
        appraisal = record.appraisal
        if appraisal is None or record.enclave is None or record.attempt is None:
            raise TrustError(f"node {record.node}", "an appraisal without a verdict", reason="StatementMalformed")
        if appraisal.evidence.ima is not None and appraisal.evidence.ima.size > MAX_IMA_LOG:
            raise TrustError(f"node {record.node}", "its IMA log is too large", reason="BlobMalformed")
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
        verdict = self._appraiser.appraise(evidence, expectation=rules.hold(attempt))
        told = describe(verdict)
        if (appraisal.verdict_digest, appraisal.verdict or told) != (digest(canonical(told)), told):  # 1
            raise TrustError(
                f"node {record.node}", "its verdict, computed again, is another one", reason="VerdictDiffers"
            )
        if not _is_borne_out(record, verdict, evidence):  # 2
            message = "it says something else than its verdict"
            raise TrustError(f"node {record.node}", message, reason="AcceptanceDiffers")
        if record.recorded_at < evidence.received_at:
            raise TrustError(f"node {record.node}", "it is dated before its evidence came", reason="RecordBackdated")
        if not _is_fresh(record, appraisal, before=before, is_clock_known=is_clock_known):  # 3
            message = "its evidence was held against another clock, boot or commit than was due"
            raise TrustError(f"node {record.node}", message, reason="FreshnessDiffers")

    def _read_rules(self, name: str) -> Rules:
        if name not in self._rules:
            rules = read_rules(self._blobs, name)
            if {type(rules.endorsement), type(rules.profile)} != {str}:
                raise TrustError("rules", "recorded rules are not what ringfence writes", reason="BlobMalformed")
            self._rules[name] = rules
        return self._rules[name]


def _is_borne_out(record: Record, verdict: Accepted | Rejected, evidence: Evidence) -> bool:
    """Return whether the record counts as accepted exactly if the verdict does, with what the evidence says."""
    own = (record.nonce, record.accepted_at, _boot_clock(record.clock))
    if not isinstance(verdict, Accepted):
        return (*own, record.contacted_at) == (None, None, None, None)
    is_in_time = record.contacted_at is not None and record.contacted_at <= evidence.received_at
    return is_in_time and own == (verdict.nonce.hex(), evidence.received_at, verdict.clock)


def _is_fresh(record: Record, appraisal: Appraisal, *, before: Head, is_clock_known: bool) -> bool:
    """Return whether the quote had to be newer than the last accepted one, and of the same boot where one is proven.

    Evidence that was accepted before and is judged again, by another policy, is held against what it was then.
    """
    is_proven = before.attempt == record.attempt and before.nonce is not None
    own = (appraisal.previous, appraisal.must_be_same_boot, appraisal.evidence.commit)
    if is_proven and appraisal.evidence.nonce == before.nonce:
        earlier, clock = _boot_clock(before.clock_before), _boot_clock(before.clock)
        is_same = earlier is not None and clock is not None and earlier.is_same_boot_as(clock)
        return own == (before.clock_before, is_same, before.proven_commit)
    # What was proven before the first record here is not shown, so that its clock is the word of the signer.
    previous = before.clock if is_clock_known else appraisal.previous
    return own == (previous, is_proven, record.commit)


def _boot_clock(clock: Clock | None) -> BootClock | None:
    return None if clock is None else BootClock(**clock.model_dump())
