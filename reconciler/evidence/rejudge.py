"""What another desired state would make of recorded evidence: the same evidence, judged again under other rules.

Nothing is recorded and nothing is allowed by it. A policy that asks for PCRs which were never quoted cannot be judged:
that is unknown, and unknown is no yes. Freshness is as it was then; whom it is about is as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.attest.appraise import appraise
from reconciler.attest.expectation import expect
from reconciler.attest.verdict import Accepted, Reason
from reconciler.evidence.audit import expectation_of
from reconciler.evidence.statement import Record
from reconciler.model.desired import DesiredState
from reconciler.model.submission import Evidence


class Fate(StrEnum):
    """What becomes of a running node under another desired state."""

    STAYS = "stays"
    REJECTED = "rejected"
    RESTARTS = "restarts"
    LEAVES = "leaves"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What one node's newest accepted evidence would lead to, and why.

    ``reasons`` are there for a rejection only, ``note`` says in a sentence what is not obvious. A node that restarts
    has been judged all the same, by what it booted: RESTARTS means that nothing else speaks against it.
    """

    node: str
    enclave: str
    sequence: int
    fate: Fate
    reasons: tuple[Reason, ...] = ()
    note: str = ""


def rejudge(
    record: Record, *, evidence: Evidence, then: DesiredState, now: DesiredState, policy: str | None = None
) -> Outlook:
    """Return what ``now`` makes of the accepted ``record``, made under ``then`` (``audit.judged_under``).

    By the policy of the record's enclave in ``now``, or by the ``policy`` given. TrustError if the record does not fit
    ``then``.
    """
    appraisal, enclave = record.appraisal, record.enclave or ""

    def outlook(fate: Fate, *, reasons: tuple[Reason, ...] = (), note: str = "") -> Outlook:
        return Outlook(
            node=record.node, enclave=enclave, sequence=record.sequence, fate=fate, reasons=reasons, note=note
        )

    if appraisal is None or record.node not in now.nodes or enclave not in now.enclaves:
        return outlook(Fate.LEAVES, note="the node or its enclave is not there any more")
    spec = now.enclaves[enclave].spec
    attempt = expectation_of(record, appraisal, then, evidence.received_at)
    today = now.images[spec.image].spec
    expected = expect(now, attempt=attempt, policy=policy or spec.policy, measurements=today.measurements)
    quoted = frozenset(evidence.pcrs)
    missing = sorted(set(expected.policy.pcrs) - quoted)
    if missing:
        named = ", ".join(map(str, missing))
        return outlook(Fate.UNKNOWN, note=f"PCR {named} was never quoted; the node has to prove itself anew")
    restarts = today.digest != then.images[appraisal.image].spec.digest
    asked = expected.policy.model_copy(update={"pcrs": tuple(sorted(quoted))})
    measurements = attempt.measurements if restarts else expected.measurements
    verdict = appraise(evidence, expectation=replace(expected, policy=asked, measurements=measurements))
    # What lies in PCRs that the policy does not ask for speaks neither for the node nor against it.
    reasons = (
        ()
        if isinstance(verdict, Accepted)
        else tuple(r for r in verdict.reasons if r.pcr is None or r.pcr in expected.policy.pcrs)
    )
    if reasons:
        return outlook(Fate.REJECTED, reasons=reasons)
    if restarts:
        return outlook(Fate.RESTARTS, note="it restarts into another image")
    if set(expected.policy.pcrs) != quoted:
        return outlook(Fate.RESTARTS, note="it restarts because other PCRs are quoted")
    return outlook(Fate.STAYS)
