"""The parts of an appraisal whose input recurs from one to the next: each as a method, and here computed anew.

What they give depends on their arguments alone, so that whoever judges much may remember it (``appraiser``). The order
in which they are asked, and what is made of them, is in ``appraise``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.attest.boot import BootJudgement, judge_boot
from reconciler.attest.endorsement.anchors import Anchors, read_anchors
from reconciler.attest.endorsement.ek import EndorsementCheck, check_endorsement, ek_name
from reconciler.attest.expectation import Expectation
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.attestation_key import check_attestation_key
from reconciler.attest.tpm.credential import check_activation
from reconciler.attest.tpm.public import PublicKey, name_of, parse_public, qualified_name
from reconciler.attest.tpm.quote import EnrolledKey, enrol
from reconciler.attest.tpm.selection import Requirement, require
from reconciler.attest.vector import vector_of
from reconciler.attest.verdict import Reason, Vector
from reconciler.model.policy import AppraisalPolicySpec, lacks
from reconciler.model.submission import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """What came of looking at an attestation key: what speaks against it, its name if it has one, ready for quotes."""

    reasons: tuple[Reason, ...]
    name: bytes | None
    enrolled: EnrolledKey


class Parts:
    """The parts, computed anew each time."""

    def lacks(self, policy: AppraisalPolicySpec) -> tuple[Reason, ...]:
        """Return a reason for everything that ``policy`` lacks for judging by it."""
        return tuple(Reason(code="PolicyIncomplete", message=lack) for lack in lacks(policy))

    def weakenings(self, policy: AppraisalPolicySpec) -> tuple[str, ...]:
        """Return how ``policy`` is weaker than it could be."""
        return policy.weakenings()

    def vector(self, reasons: Collection[Reason], *, policy: AppraisalPolicySpec) -> Vector:
        """Return the trustworthiness vector that follows from ``reasons`` under ``policy``."""
        return vector_of(reasons, policy=policy)

    def requirement(self, policy: AppraisalPolicySpec) -> Requirement:
        """Return which PCRs a quote under ``policy`` has to cover."""
        return require([(policy.bank, policy.pcrs)])

    def anchors(self, expectation: Expectation) -> Anchors:
        """Return whom ``expectation`` lets endorse TPMs."""
        return read_anchors(expectation.ek_roots, expectation.ek_intermediates, expectation.ek_crls)

    def endorsement(self, evidence: Evidence, *, expectation: Expectation) -> EndorsementCheck:
        """Judge the EK certificate (check 2)."""
        return check_endorsement(
            evidence.ek_certificate,
            anchors=self.anchors(expectation),
            endorsement=expectation.endorsement,
            at=expectation.judged_at,
        )

    def attestation_key(self, evidence: Evidence, *, ek: PublicKey | None) -> KeyCheck:
        """Judge the attestation key (check 3); ``ek`` is the key of the evidence's EK certificate, if it has one."""
        try:
            ak = parse_public(evidence.ak_public)
        except MalformedError as error:
            reason = Reason(code="AkMalformed", message=str(error))
            return KeyCheck(reasons=(reason,), name=None, enrolled=enrol(None, qualified_signer=None))
        signer = None if ek is None else qualified_name(ak, ek_name=ek_name(ek))
        return KeyCheck(
            reasons=tuple(check_attestation_key(ak)),
            name=name_of(ak),
            enrolled=enrol(ak, qualified_signer=signer),
        )

    def activation(self, evidence: Evidence, *, ak_name: bytes | None) -> tuple[Reason, ...]:
        """Judge the credential activation (check 4)."""
        return tuple(check_activation(evidence.activation, ak_name=ak_name))

    def boot(self, evidence: Evidence, *, expectation: Expectation) -> BootJudgement:
        """Judge the logs, and what they show of firmware, image and kernel (checks 7 to 12)."""
        return judge_boot(evidence, expectation=expectation)
