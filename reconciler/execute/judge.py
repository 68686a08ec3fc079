"""Judging a pass's evidence: the newest of every node, by the verifier, under the desired state."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.attest.appraise import appraise
from reconciler.attest.verdict import Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.plan.expect import expectation_for


def judge(desired: DesiredState, *, observed: ObservedState) -> Mapping[str, Verdict]:
    """Return the verdict on each node's newest evidence; nodes without any to judge are left out."""
    verdicts: dict[str, Verdict] = {}
    for name, seen in observed.nodes.items():
        expectation = expectation_for(desired, seen)
        if expectation is not None and seen.session is not None and seen.session.evidence is not None:
            verdicts[name] = appraise(seen.session.evidence, expectation=expectation)
    return verdicts
