"""One node's appraisal, ready to be changed in one thing: a TPM that booted, and what it is held against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.attest.appraise import appraise
from reconciler.attest.expectation import Expectation
from reconciler.attest.verdict import Accepted, Rejected
from reconciler.model.policy import AppraisalPolicySpec, ImageRule
from reconciler.model.submission import Evidence
from tests.support.firmware import measurements_of
from tests.support.softtpm import DEFAULT_PCRS, NOW, Challenge, SoftTpm

MEASUREMENTS = measurements_of("worker")
ALL_PCRS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12)
POLICY = AppraisalPolicySpec(pcrs=DEFAULT_PCRS, image=ImageRule.DERIVED)


def booted(name: str = "n1", **options: Any) -> SoftTpm:  # noqa: ANN401 - SoftTpm's own options
    """Return a TPM whose machine just booted the image."""
    tpm = SoftTpm(name, **options)
    tpm.boot(MEASUREMENTS)
    return tpm


def expected_of(tpm: SoftTpm, **changes: Any) -> Expectation:  # noqa: ANN401 - Expectation's own fields
    """Return what fits the default challenge to ``tpm``, with ``changes``."""
    asked = Challenge()
    fits = Expectation(
        node=asked.node,
        enclave=asked.enclave,
        commit=asked.commit,
        attempt=asked.attempt,
        endorsement=tpm.endorsement,
        ek_roots=tpm.ek_roots,
        ek_intermediates=(),
        ek_crls=(),
        policy=POLICY,
        measurements=MEASUREMENTS,
        profile="ovmf",
        previous=None,
        must_be_same_boot=False,
        judged_at=NOW,
    )
    return replace(fits, **changes)


def policy_with(**changes: Any) -> AppraisalPolicySpec:  # noqa: ANN401 - the policy's own fields
    """Return the default policy with ``changes``."""
    fields: dict[str, Any] = {"pcrs": DEFAULT_PCRS, "image": ImageRule.DERIVED}
    return AppraisalPolicySpec(**(fields | changes))


def codes_of(evidence: Evidence, expectation: Expectation) -> set[str]:
    """Return the codes of all reasons against ``evidence``, empty if it is accepted."""
    match appraise(evidence, expectation=expectation):
        case Rejected() as verdict:
            assert verdict.reasons
            return {reason.code for reason in verdict.reasons}
        case Accepted():
            return set()


def rejected(evidence: Evidence, expectation: Expectation) -> Rejected:
    """Return the verdict on ``evidence``, which must be a rejection."""
    verdict = appraise(evidence, expectation=expectation)
    assert isinstance(verdict, Rejected)
    return verdict
