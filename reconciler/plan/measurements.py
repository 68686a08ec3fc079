"""What a change of documents does to measurements: predicted PCR values by image, and what policies pin.

Rules: PCR 9, 11 and 12 hold what the image makes them measure and nothing else, so their values are given; PCR 4 also
holds the firmware's own events, so there it is the image's events. Values are predicted from the documents; no machine
is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.attest.prediction.uki import ImageMeasurements
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Image
from reconciler.model.policy import AppraisalPolicySpec

_IMAGE_PCRS = frozenset({4, 9, 11, 12})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """An image that is another one now; ``before`` and ``after`` are by PCR, empty where there is no such image.

    ``used_by`` are enclaves. PCR 4 has the digests of the image's events, joined by commas; the others a value each.
    """

    image: str
    before: Mapping[int, str]
    after: Mapping[int, str]
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """A policy that says something else now: which PCRs it newly pins or quotes, or no longer does."""

    policy: str
    pins: tuple[int, ...]
    unpins: tuple[int, ...]
    quotes: tuple[int, ...]
    unquotes: tuple[int, ...]
    used_by: tuple[str, ...]


def image_changes(base: DesiredState, head: DesiredState) -> tuple[ImageChange, ...]:
    """Return every image whose predicted measurements differ, by name."""
    found = []
    for name in sorted(base.images.keys() | head.images.keys()):
        before, after = _values(base.images.get(name)), _values(head.images.get(name))
        if before != after:
            used = tuple(n for n, enclave in sorted(head.enclaves.items()) if enclave.spec.image == name)
            found.append(ImageChange(image=name, before=before, after=after, used_by=used))
    return tuple(found)


def _values(image: Image | None) -> dict[int, str]:
    if image is None:
        return {}
    m = image.spec.measurements
    predicted = ImageMeasurements(
        digest=image.spec.digest, command_line="", pcr4=m.pcr4, pcr9=m.pcr9, pcr11=m.pcr11, pcr12=m.pcr12
    )
    return {4: ", ".join(m.pcr4), **predicted.values()}


def policy_changes(base: DesiredState, head: DesiredState) -> tuple[PolicyChange, ...]:
    """Return every policy that differs, by name; one that is new pins all that it pins."""
    found = []
    for name in sorted(base.policies.keys() | head.policies.keys()):
        before = base.policies[name].spec if name in base.policies else AppraisalPolicySpec()
        after = head.policies[name].spec if name in head.policies else AppraisalPolicySpec()
        if before == after:
            continue
        was, now = pinned_pcrs(before), pinned_pcrs(after)
        found.append(
            PolicyChange(
                policy=name,
                pins=tuple(sorted(now - was)),
                unpins=tuple(sorted(was - now)),
                quotes=tuple(sorted(set(after.pcrs) - set(before.pcrs))),
                unquotes=tuple(sorted(set(before.pcrs) - set(after.pcrs))),
                used_by=tuple(n for n, enclave in sorted(head.enclaves.items()) if enclave.spec.policy == name),
            )
        )
    return tuple(found)


def pinned_pcrs(policy: AppraisalPolicySpec) -> frozenset[int]:
    """Return the PCRs for which ``policy`` has values of its own, or the image's."""
    references = [reference.pcrs for reference in policy.firmware] + [reference.pcrs for reference in policy.nodes]
    named = frozenset(int(pcr) for reference in references for pcr in reference)
    return named | (_IMAGE_PCRS if policy.image is not None and not policy.unsafe_any_image else frozenset())
