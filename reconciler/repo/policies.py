"""Appraisal policies together: what they include, whom they name, and whether an enclave's could ever accept.

Rules: a policy that is only included may be a part; one that an enclave names must, with all that it includes, be
complete. An incomplete one would be refused by the verifier as well, node by node: here it is told beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import AppraisalPolicy, Enclave, Node
from reconciler.model.policy import AppraisalPolicySpec, compose, is_circular, lacks
from reconciler.repo.catalogue import Catalogue
from reconciler.repo.mentions import mention


def check_policies(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each policy that names what is not there, or includes itself, or is in use and incomplete."""
    specs = policies_of(found)
    for policy in found.all(AppraisalPolicy).values():
        for i, name in enumerate(policy.document.spec.include):
            yield from mention(found, policy, AppraisalPolicy, name, "spec", "include", i)
        for i, reference in enumerate(policy.document.spec.nodes):
            yield from mention(found, policy, Node, reference.node, "spec", "nodes", i, "node")
        if is_circular(policy.name, policies=specs):
            hint = "let both include a third policy that holds what they share"
            message = f"policy {policy.name} includes itself"
            yield policy.find("spec", "include", code="PolicyCircular", message=message, hint=hint)
    for name in sorted({enclave.document.spec.policy for enclave in found.all(Enclave).values()} & specs.keys()):
        policy = found.all(AppraisalPolicy)[name]
        for lack in lacks(compose(name, policies=specs)):
            hint = "add it to the policy or to one that it includes; until then no node could be trusted"
            yield policy.find("spec", code="PolicyIncomplete", message=f"policy {name}: {lack}", hint=hint)


def policies_of(found: Catalogue) -> Mapping[str, AppraisalPolicySpec]:
    """Return the policies as they stand, by name, without what they include."""
    return {name: policy.document.spec for name, policy in found.all(AppraisalPolicy).items()}
