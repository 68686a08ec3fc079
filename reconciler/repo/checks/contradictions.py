"""Policies that contradict themselves, alone or with what they include: no node could ever pass.

Rules: all that a policy says and includes must hold at once, so two lists of reference values for one PCR must share a
value, and two assertions about one fact must not exclude each other. An image's own measurements leave the PCRs of
boot loaders empty. Contradictions that need a node's log to see are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.errors.taxonomy import Finding
from reconciler.model.facts import FACTS, FactAssertion, Kind
from reconciler.model.kinds import AppraisalPolicy, Enclave
from reconciler.model.policy import compose
from reconciler.repo.catalogue import Catalogue, Located
from reconciler.repo.policies import policies_of

_LOADERS = frozenset({8, 14})
"""PCRs of GRUB and shim, which an image that the firmware starts itself leaves empty."""

_Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """The values that ``policy`` allows ``subject`` in PCR ``pcr``, and where it says so."""

    subject: str
    pcr: str
    allowed: frozenset[str]
    policy: Located[AppraisalPolicy]
    at: _Place


def check_contradictions(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each policy in use that nothing could satisfy."""
    policies = found.all(AppraisalPolicy)
    specs = policies_of(found)
    for name in sorted({enclave.document.spec.policy for enclave in found.all(Enclave).values()} & policies.keys()):
        parts = _parts(name, policies=policies)
        yield from _values_apart(parts)
        yield from _facts_apart(parts)
        whole = compose(name, policies=specs)
        if whole.image and not whole.unsafe_any_image:
            yield from _facts_of_loaders(parts)


def _parts(name: str, *, policies: Mapping[str, Located[AppraisalPolicy]]) -> list[Located[AppraisalPolicy]]:
    """Return the policy ``name`` and all that it includes, each once."""
    seen: dict[str, Located[AppraisalPolicy]] = {}
    ahead = [name]
    while ahead:
        here = ahead.pop(0)
        if here in policies and here not in seen:
            seen[here] = policies[here]
            ahead += policies[here].document.spec.include
    return list(seen.values())


def _values_apart(parts: list[Located[AppraisalPolicy]]) -> Iterator[Finding]:
    first: dict[tuple[str, str], _Values] = {}
    for values in (values for policy in parts for values in _values(policy)):
        earlier = first.setdefault((values.subject, values.pcr), values)
        if not earlier.allowed & values.allowed:
            place = earlier.policy.place(*earlier.at)
            message = (
                f"no value of PCR {values.pcr} of {values.subject} is allowed here and in policy {earlier.policy.name}"
            )
            hint = f"see {place}; all that a policy includes must hold at once, so list the values in one place"
            yield values.policy.find(*values.at, code="PolicyContradicts", message=message, hint=hint)


def _values(policy: Located[AppraisalPolicy]) -> Iterator[_Values]:
    spec = policy.document.spec
    listed = [
        *(("firmware", i, f"firmware profile {one.profile}", one.pcrs) for i, one in enumerate(spec.firmware)),
        *(("nodes", i, f"node {one.node}", one.pcrs) for i, one in enumerate(spec.nodes)),
    ]
    for field, i, subject, pcrs in listed:
        for pcr, allowed in pcrs.items():
            at = ("spec", field, i, "pcrs", pcr)
            yield _Values(subject=subject, pcr=pcr, allowed=frozenset(allowed), policy=policy, at=at)


def _facts_apart(parts: list[Located[AppraisalPolicy]]) -> Iterator[Finding]:
    earlier: dict[str, list[tuple[FactAssertion, Located[AppraisalPolicy], int]]] = {}
    for policy in parts:
        for i, assertion in enumerate(policy.document.spec.facts):
            for other, its_policy, its_place in earlier.get(assertion.fact, ()):
                if _exclude_each_other(other, assertion):
                    place = its_policy.place("spec", "facts", its_place)
                    message = f"nothing can satisfy this and what {place} says of {assertion.fact}"
                    hint = "delete one of the two, or say with families or profiles which nodes each is for"
                    yield policy.find("spec", "facts", i, code="PolicyContradicts", message=message, hint=hint)
                    break
            earlier.setdefault(assertion.fact, []).append((assertion, policy, i))


def _exclude_each_other(one: FactAssertion, other: FactAssertion) -> bool:
    is_for_the_same = _overlap(one.families, other.families) and _overlap(one.profiles, other.profiles)
    (first, wanted), (second, given) = one.operator, other.operator
    if not is_for_the_same or (first == second == "absent"):
        return False
    if "absent" in {first, second}:
        return True
    if not first == second == "equals":
        return False
    if FACTS[one.fact].kind is Kind.DIGEST_SET and isinstance(wanted, tuple) and isinstance(given, tuple):
        return set(wanted) != set(given)
    return wanted != given


def _overlap(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> bool:
    return one is None or other is None or not set(one).isdisjoint(other)


def _facts_of_loaders(parts: list[Located[AppraisalPolicy]]) -> Iterator[Finding]:
    for policy in parts:
        for i, assertion in enumerate(policy.document.spec.facts):
            is_for_all = assertion.families is None and assertion.profiles is None
            if is_for_all and assertion.operator[0] != "absent" and _LOADERS.issuperset(FACTS[assertion.fact].pcrs):
                pcr = FACTS[assertion.fact].pcrs[0]
                message = f"{assertion.fact} is of PCR {pcr}, which an image leaves empty, and image: derived is asked"
                hint = "a unified kernel image is started by the firmware, without GRUB or shim: delete the assertion"
                yield policy.find("spec", "facts", i, "fact", code="PolicyContradicts", message=message, hint=hint)
