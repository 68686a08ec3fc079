"""Verdicts, computed again: from the raw evidence, by the recorded rules, as fresh as the chain says.

What recurs (rules, enrolments, logs, and what follows from them) is remembered within bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.attest.appraiser import Appraiser
from reconciler.attest.expectation import Attempt, Expectation, expect, rules_for
from reconciler.attest.memory import Memory
from reconciler.attest.verdict import Accepted, Verdict
from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.audit.archive import Archive
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import RawReader
from reconciler.evidence.report import describe
from reconciler.evidence.rules import RulesReader, pack_rules
from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.desired import DesiredState
from reconciler.model.record import Clock, Head
from reconciler.model.submission import BootClock, Evidence

if TYPE_CHECKING:
    from reconciler.evidence.audit.blobs import BlobKeeper

_KEPT = 4096
Key = tuple[str, str, str, str, str | None]


class Verdicts:
    """Computes recorded verdicts again."""

    def __init__(self, archive: Archive, *, blobs: BlobKeeper, found: Findings) -> None:
        """Remember nothing yet."""
        self._archive = archive
        self._blobs = blobs
        self._found = found
        self._raw = RawReader(blobs)
        self._rules = RulesReader(blobs)
        self._expected: Memory[Key, str] = Memory(_KEPT)
        self._appraiser = Appraiser()

    def check(self, path: str, record: Record, appraisal: Appraisal, *, head: Head | None) -> None:
        """Compare what ``record`` says of its verdict with the verdict; ``head`` is the sum of the records before."""
        submitted = appraisal.evidence
        self._blobs.name(submitted.enrolment, submitted.pcrs, submitted.event_log, appraisal.rules)
        self._blobs.name(submitted.ima.link if submitted.ima else None)
        self._check_rules(path, record, appraisal)
        try:
            evidence, rules = self._raw.read(submitted), self._rules.read(appraisal.rules)
            attempt = attempt_of(record, appraisal, evidence.received_at)
        except RingfenceError as error:
            self._found.refuse(path, error)
            return
        verdict = self._appraiser.appraise(evidence, expectation=rules.hold(attempt))
        self._found.checked.verdicts += 1
        told = describe(verdict)
        who = f"node {record.node}, record {record.sequence}"
        if (appraisal.verdict_digest, appraisal.verdict or told) != (digest(canonical(told)), told):
            message = f"{who}: its verdict, computed again, is another one: {told['verdict']}"
            self._found.add(path, "VerdictDiffers", message)
        if not _is_borne_out(record, verdict, evidence):
            message = f"{who}: nonce, clock or times of acceptance are not those of the verdict ({told['verdict']})"
            self._found.add(path, "AcceptanceDiffers", message)
        if not _is_fresh(record, appraisal, head=head):
            message = f"{who}: it was held against another clock, boot or commit than the records before it say"
            self._found.add(path, "FreshnessDiffers", message)
        if record.recorded_at < evidence.received_at:
            message = f"{who}: it is dated before its evidence came, {evidence.received_at.isoformat()}"
            self._found.add(path, "RecordBackdated", message)

    def _check_rules(self, path: str, record: Record, appraisal: Appraisal) -> None:
        key = (record.commit, record.node, appraisal.policy, appraisal.image, appraisal.image_commit)
        try:
            expected = self._expected.get(key, lambda: self._rules_of(record, appraisal))
        except RingfenceError as error:
            self._found.refuse(path, error)
            return
        if expected != appraisal.rules:
            message = f"node {record.node}, record {record.sequence}: it was held against other rules than its commit's"
            self._found.add(path, "RulesDiffer", message)

    def _rules_of(self, record: Record, appraisal: Appraisal) -> str:
        desired = judged_under(record, appraisal, desired=self._archive.desired)
        _check_known(record, appraisal, desired)
        measurements = desired.images[appraisal.image].spec.measurements
        rules = rules_for(desired, node=record.node, policy=appraisal.policy, measurements=measurements)
        return pack_rules(rules).digest


def _is_borne_out(record: Record, verdict: Verdict, evidence: Evidence) -> bool:
    """Return whether the record counts as accepted exactly if the verdict does, with what the evidence says."""
    own = (record.nonce, record.accepted_at, clock_of(record.clock))
    if not isinstance(verdict, Accepted):
        return (*own, record.contacted_at) == (None, None, None, None)
    is_in_time = record.contacted_at is not None and record.contacted_at <= evidence.received_at
    return is_in_time and own == (evidence.nonce.hex(), evidence.received_at, verdict.clock)


def _is_fresh(record: Record, appraisal: Appraisal, *, head: Head | None) -> bool:
    """Return whether clock, boot and commit that the evidence was held against follow from the records before it."""
    own = (appraisal.previous, appraisal.must_be_same_boot, appraisal.evidence.commit)
    if head is None or head.clock is None:
        return own == (None, False, record.commit)
    is_same_attempt = head.attempt == record.attempt and head.nonce is not None
    if is_same_attempt and head.nonce == appraisal.evidence.nonce:  # Accepted before, and judged again by other rules.
        if record.clock is not None:
            return False  # What is accepted once more is not recorded once more.
        before = head.clock_before
        is_same_boot = before is not None and _boot(before) == _boot(head.clock)
        return own == (before, is_same_boot, head.proven_commit)
    return own == (head.clock, is_same_attempt, record.commit)


def _boot(clock: Clock) -> tuple[int, int]:
    return clock.reset_count, clock.restart_count


def clock_of(clock: Clock | None) -> BootClock | None:
    """Return a recorded clock in the verifier's form."""
    if clock is None:
        return None
    return BootClock(
        reset_count=clock.reset_count,
        restart_count=clock.restart_count,
        clock=clock.clock,
        firmware_version=clock.firmware_version,
    )


def attempt_of(record: Record, appraisal: Appraisal, judged_at: datetime) -> Attempt:
    """Return the attempt that a recorded appraisal is about; TrustError if it is about none."""
    if record.enclave is None or record.attempt is None:
        raise _stray(record)
    return Attempt(
        node=record.node,
        enclave=record.enclave,
        commit=appraisal.evidence.commit,
        attempt=record.attempt,
        previous=clock_of(appraisal.previous),
        must_be_same_boot=appraisal.must_be_same_boot,
        judged_at=judged_at,
    )


def judged_under(record: Record, appraisal: Appraisal, *, desired: Callable[[str], DesiredState]) -> DesiredState:
    """Return the state that a recorded appraisal was made under, with the image that it was held against.

    ``desired`` is as in ``Archive``. That image is an earlier commit's for a member that waited for its restart.
    """
    then = desired(record.commit)
    if appraisal.image_commit is None:
        return then
    image = desired(appraisal.image_commit).images.get(appraisal.image)
    if image is None:
        raise _stray(record)
    return replace(then, images={**then.images, appraisal.image: image})


def expectation_of(record: Record, appraisal: Appraisal, desired: DesiredState, judged_at: datetime) -> Expectation:
    """Return what a recorded appraisal is to be held against at ``desired``; TrustError if that lacks a document."""
    _check_known(record, appraisal, desired)
    measurements = desired.images[appraisal.image].spec.measurements
    attempt = attempt_of(record, appraisal, judged_at)
    return expect(desired, attempt=attempt, policy=appraisal.policy, measurements=measurements)


def _check_known(record: Record, appraisal: Appraisal, desired: DesiredState) -> None:
    known = (record.node in desired.nodes, appraisal.policy in desired.policies, appraisal.image in desired.images)
    if not all(known):
        raise _stray(record)


def _stray(record: Record) -> TrustError:
    return TrustError(f"node {record.node}", "its record names what its commit does not hold", reason="RecordStray")
