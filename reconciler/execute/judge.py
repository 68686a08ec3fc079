"""Judging a pass's evidence: the newest of every node, by the verifier, under the desired state."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.attest.appraise import appraise
from reconciler.attest.verdict import Rejected, Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.observed import NodeObservation, ObservedState
from reconciler.plan.expect import expectation_for

ASKED_AGAIN = frozenset({"ClockNotSafe"})
"""Reasons that pass by themselves: after a hard power-off a TPM's clock is not safe until its next update, which says
nothing against the node. Such evidence is not accepted either; until the boot deadline the node is asked for newer."""


def judge(desired: DesiredState, *, observed: ObservedState) -> Mapping[str, Verdict]:
    """Return the verdict on each node's newest evidence; those without any, or to be asked again, are left out."""
    verdicts: dict[str, Verdict] = {}
    for name, seen in observed.nodes.items():
        expectation = expectation_for(desired, seen)
        if expectation is not None and seen.session is not None and seen.session.evidence is not None:
            verdict = appraise(seen.session.evidence, expectation=expectation)
            if not (_will_pass(verdict) and _is_young(desired, seen)):
                verdicts[name] = verdict
    return verdicts


def _will_pass(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and {reason.code for reason in verdict.reasons} <= ASKED_AGAIN


def _is_young(desired: DesiredState, seen: NodeObservation) -> bool:
    """Return whether the evidence came before the boot deadline of its attempt."""
    evidence = seen.session.evidence if seen.session else None
    if evidence is None or seen.assignment is None:
        return False
    return evidence.received_at - seen.assignment.assigned_at < desired.repository.spec.boot_deadline
