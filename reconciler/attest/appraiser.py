"""An appraiser that remembers: parts that depend on recurring inputs are computed once; the verdict is the same.

1. A part is taken from memory only for the same inputs: bytes that are equal, rules that are the same objects.
2. An endorsement that was accepted holds until a date comes that could make a difference: the beginning or end of any
   certificate that might be on a path, or the day that a revocation list is due. One that was refused is judged anew.
3. The memory is bounded, and what is held by it is held as long as it is remembered, so that no object takes
   another's place.

What is new each time (challenge, quote, signature, clock) is judged each time, by ``appraise`` itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciler.attest.appraise import appraise
from reconciler.attest.boot import BootJudgement
from reconciler.attest.endorsement.anchors import Anchors
from reconciler.attest.endorsement.ek import EndorsementCheck
from reconciler.attest.expectation import Expectation
from reconciler.attest.memory import Memory
from reconciler.attest.parts import KeyCheck, Parts
from reconciler.attest.tpm.public import PublicKey
from reconciler.attest.tpm.selection import Requirement
from reconciler.attest.verdict import Reason, Vector, Verdict
from reconciler.model.policy import AppraisalPolicySpec
from reconciler.model.submission import Evidence

KEPT = 2048
"""How many answers of each kind are remembered: a few for each of a thousand nodes."""
_RULES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    """What follows from a policy alone; ``vector`` is that of evidence against which nothing speaks."""

    policy: AppraisalPolicySpec
    lacks: tuple[Reason, ...]
    weakenings: tuple[str, ...]
    vector: Vector
    requirement: Requirement


class Appraiser:
    """Judges evidence as ``appraise`` does, with a memory. Not to be shared between threads."""

    def __init__(self, *, kept: int = KEPT) -> None:
        """Remember nothing yet, and at most ``kept`` answers of each kind."""
        self._parts = _Remembered(kept)

    def appraise(self, evidence: Evidence, *, expectation: Expectation) -> Verdict:
        """Return the verdict on ``evidence``: what ``appraise`` says of it."""
        return appraise(evidence, expectation=expectation, parts=self._parts)


class _Remembered(Parts):
    """The parts, from memory where they are known."""

    def __init__(self, kept: int) -> None:
        self._policies: Memory[int, _Policy] = Memory(_RULES)
        self._dates: Memory[int, tuple[Anchors, tuple[datetime, ...]]] = Memory(_RULES)
        self._endorsements: Memory[tuple[Any, ...], tuple[Anchors, EndorsementCheck]] = Memory(kept)
        self._keys: Memory[tuple[Any, ...], KeyCheck] = Memory(kept)
        self._activations: Memory[tuple[Any, ...], tuple[Reason, ...]] = Memory(kept)
        self._boots: Memory[tuple[Any, ...], tuple[object, BootJudgement]] = Memory(kept)

    def lacks(self, policy: AppraisalPolicySpec) -> tuple[Reason, ...]:
        return self._policy(policy).lacks

    def weakenings(self, policy: AppraisalPolicySpec) -> tuple[str, ...]:
        return self._policy(policy).weakenings

    def vector(self, reasons: Collection[Reason], *, policy: AppraisalPolicySpec) -> Vector:
        return super().vector(reasons, policy=policy) if reasons else self._policy(policy).vector

    def requirement(self, policy: AppraisalPolicySpec) -> Requirement:
        return self._policy(policy).requirement

    def _policy(self, policy: AppraisalPolicySpec) -> _Policy:
        known = self._policies.find(id(policy))
        if known is None:
            known = _Policy(
                policy=policy,
                lacks=super().lacks(policy),
                weakenings=super().weakenings(policy),
                vector=super().vector((), policy=policy),
                requirement=super().requirement(policy),
            )
            self._policies.put(id(policy), known)
        return known

    def endorsement(self, evidence: Evidence, *, expectation: Expectation) -> EndorsementCheck:
        anchors, at = self.anchors(expectation), expectation.judged_at
        dates = self._dates.get(id(anchors), lambda: (anchors, _dates_of(anchors)))[1]
        # Between two dates, and on each of them, every comparison with a date comes out the same.
        age = bisect_left(dates, at), bisect_right(dates, at)
        key = (evidence.ek_certificate, id(anchors), expectation.endorsement, age)
        known = self._endorsements.find(key)
        if known is not None and (before := _dated(known[1], at=at)) is not None:
            return before
        found = super().endorsement(evidence, expectation=expectation)
        if found.endorsement is not None:
            self._endorsements.put(key, (anchors, found))
        return found

    def attestation_key(self, evidence: Evidence, *, ek: PublicKey | None) -> KeyCheck:
        key = (evidence.ak_public, None if ek is None else evidence.ek_certificate)
        return self._keys.get(key, lambda: Parts.attestation_key(self, evidence, ek=ek))

    def activation(self, evidence: Evidence, *, ak_name: bytes | None) -> tuple[Reason, ...]:
        key = (evidence.activation, ak_name)
        return self._activations.get(key, lambda: Parts.activation(self, evidence, ak_name=ak_name))

    def boot(self, evidence: Evidence, *, expectation: Expectation) -> BootJudgement:
        rules = (expectation.policy, expectation.measurements)
        key = (
            evidence.event_log,
            evidence.ima_log,
            tuple(evidence.pcrs.items()),
            *map(id, rules),
            expectation.node,
            expectation.profile,
            expectation.family,
            expectation.overlays,
        )
        return self._boots.get(key, lambda: (rules, Parts.boot(self, evidence, expectation=expectation)))[1]


def _dates_of(anchors: Anchors) -> tuple[datetime, ...]:
    """Return every date, in order, that a path from some certificate to ``anchors`` may depend on."""
    certificates = [one for named in anchors.by_subject.values() for one in named]
    dates = {date for one in certificates for date in (one.not_before, one.not_after)}
    dates |= {date for one in anchors.lists if (date := one.revocations.next_update) is not None}
    return tuple(sorted(dates))


def _dated(check: EndorsementCheck, *, at: datetime) -> EndorsementCheck | None:
    """Return the acceptance ``check`` as of ``at``, None if a certificate of its path is outside its dates then."""
    told = check.endorsement
    if told is None or not told.not_before <= at <= told.not_after:
        return None
    return replace(check, endorsement=replace(told, judged_at=at))
