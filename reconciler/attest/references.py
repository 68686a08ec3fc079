"""Reference values: what a policy says that the firmware's PCRs hold, by firmware profile and by node.

Compared PCR by PCR. Every reference that is about a node must hold; several about the same do not widen each other. A
policy without any makes no claim about the firmware; that is visible in the verdict's vector, and no reason against
the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.attest.verdict import Reason
from reconciler.model.policy import AppraisalPolicySpec

_References = Sequence[Mapping[str, tuple[str, ...]]]


def check_references(
    values: Mapping[int, bytes], *, policy: AppraisalPolicySpec, node: str, profile: str
) -> Iterator[Reason]:
    """Yield what the reference values of ``policy`` say against ``node``, which is declared to have ``profile``."""
    by_profile = [reference.pcrs for reference in policy.firmware if reference.profile == profile]
    if policy.firmware and not by_profile:
        known = ", ".join(sorted({reference.profile for reference in policy.firmware}))
        message = f"the policy has no reference values for firmware profile {profile}"
        yield Reason(code="FirmwareProfileUnknown", message=message, expected=known, found=profile)
    by_node = [reference.pcrs for reference in policy.nodes if reference.node == node]
    if policy.nodes and not by_node:
        message = f"the policy has reference values of nodes, and none of node {node}"
        yield Reason(code="NodeReferenceMissing", message=message, found=node)
    for whose, references in ((f"firmware profile {profile}", by_profile), (f"node {node}", by_node)):
        yield from _compare(values, references=references, whose=whose, bank=policy.bank)


def _compare(values: Mapping[int, bytes], *, references: _References, whose: str, bank: str) -> Iterator[Reason]:
    pairs = ((int(number), allowed) for reference in references for number, allowed in reference.items())
    for pcr, allowed in sorted(pairs):
        found = values.get(pcr, b"").hex()
        if found not in allowed:
            yield Reason(
                code="FirmwareMismatch",
                message=f"PCR {pcr} has none of the values of {whose}",
                pcr=pcr,
                bank=bank,
                expected=" or ".join(allowed),
                found=found or "no value",
            )
