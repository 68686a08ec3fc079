"""Judging a pass's evidence: the newest of every node, by the verifier, under the desired state."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.attest.appraiser import Appraiser
from reconciler.attest.expectation import Expectation
from reconciler.attest.verdict import Rejected, Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.observed import NodeObservation, ObservedState
from reconciler.model.submission import Evidence
from reconciler.plan.expect import expectation_for

ASKED_AGAIN = frozenset({"ClockNotSafe"})
"""Reasons that pass by themselves: after a hard power-off a TPM's clock is not safe until its next update, which says
nothing against the node. Such evidence is not accepted either; until the boot deadline the node is asked for newer."""


class JudgeMemory:
    """The last verdict on each node, and what it was made from: the same evidence, held against the same, is the same.

    Only what is judged again is kept; what recurs in new evidence (``Appraiser``) is judged once.
    """

    def __init__(self) -> None:
        """Remember nothing."""
        self._made: dict[str, tuple[Evidence, Expectation, Verdict]] = {}
        self._appraiser = Appraiser()

    def judge(self, node: str, evidence: Evidence, *, expectation: Expectation) -> Verdict:
        """Return what the verifier says of ``evidence``."""
        known = self._made.get(node)
        if known is not None and known[0] is evidence and known[1] == expectation:
            return known[2]
        verdict = self._appraiser.appraise(evidence, expectation=expectation)
        self._made[node] = (evidence, expectation, verdict)
        return verdict

    def keep(self, nodes: Collection[str]) -> None:
        """Forget everybody but ``nodes``."""
        for node in self._made.keys() - set(nodes):
            del self._made[node]


def judge(
    desired: DesiredState, *, observed: ObservedState, memory: JudgeMemory | None = None
) -> Mapping[str, Verdict]:
    """Return the verdict on each node's newest evidence; those without any, or to be asked again, are left out.

    With ``memory``, evidence that was judged before by the same is not judged again; the verdict is the same.
    """
    memory = memory or JudgeMemory()
    verdicts: dict[str, Verdict] = {}
    for name, seen in observed.nodes.items():
        expectation = expectation_for(desired, seen)
        if expectation is not None and seen.session is not None and seen.session.evidence is not None:
            verdict = memory.judge(name, seen.session.evidence, expectation=expectation)
            if not (_will_pass(verdict) and _is_young(desired, seen)):
                verdicts[name] = verdict
    memory.keep(verdicts)
    return verdicts


def _will_pass(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and {reason.code for reason in verdict.reasons} <= ASKED_AGAIN


def _is_young(desired: DesiredState, seen: NodeObservation) -> bool:
    """Return whether the evidence came before the boot deadline of its attempt."""
    evidence = seen.session.evidence if seen.session else None
    if evidence is None or seen.assignment is None:
        return False
    return evidence.received_at - seen.assignment.assigned_at < desired.repository.spec.boot_deadline
