"""The trustworthiness vector of a verdict: what its reasons speak against, and what nobody asked.

A claim is affirmed only if something was asserted about it and holds, under a policy that was not weakened.

Source: AR4SI, 2.3 (claims and tiers).
"""

from __future__ import annotations

from collections.abc import Collection

from reconciler.attest.claims import Claim
from reconciler.attest.codes import CODES
from reconciler.attest.verdict import Reason, Trustworthiness, Vector
from reconciler.model.policy import AppraisalPolicySpec


def vector_of(reasons: Collection[Reason], *, policy: AppraisalPolicySpec) -> Vector:
    """Return the tiers that follow from the reasons' codes and from what ``policy`` asserts."""
    against = frozenset[Claim]().union(*(CODES[reason.code].claims for reason in reasons))
    weakened = bool(policy.weakenings())
    asserted = {
        Claim.IDENTITY: True,
        Claim.HARDWARE: True,
        Claim.CONFIGURATION: bool(policy.firmware or policy.nodes or policy.facts) and not weakened,
        Claim.EXECUTABLES: policy.image is not None and not weakened,
    }
    tiers = {
        claim: Trustworthiness.CONTRAINDICATED
        if claim in against
        else Trustworthiness.AFFIRMING
        if asserted[claim]
        else Trustworthiness.WARNING
        for claim in Claim
    }
    return Vector(
        instance_identity=tiers[Claim.IDENTITY],
        configuration=tiers[Claim.CONFIGURATION],
        executables=tiers[Claim.EXECUTABLES],
        hardware=tiers[Claim.HARDWARE],
    )
