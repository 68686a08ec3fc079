"""Appraisal policies: what evidence must show before a node is trusted, and how policies are put together.

Rules: everything that a policy says must hold; what it includes must hold as well, so including narrows. Only an IMA
allow-list grows by inclusion, because it lists what may run. Whatever makes the verifier less strict has a name that
begins with ``unsafe``, and shows in every verdict. A policy that asserts nothing is not complete and accepts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field

from reconciler.model.base import HexDigest, Name, Pcr, Value
from reconciler.model.facts import FACTS, FactAssertion
from reconciler.model.ima import BootAggregate, ImaPolicy

_T = TypeVar("_T")

IMA_PCR = 10
IMAGE_PCRS = (0, 2, 4, 7, 9, 11)
"""Without all of these an image is not proven: what came before it could have started something else."""


class ImageRule(StrEnum):
    """Where the reference values of the booted image come from."""

    DERIVED = "derived"


class Workaround(StrEnum):
    """A known deviation of real firmware's logs, which a policy may allow by its name."""

    MISSING_EXIT_BOOT_SERVICES = "missing-exit-boot-services"
    """PCR 5 was extended by the two ExitBootServices actions, and the log lacks them."""

    SHIM_AUTHORITY = "shim-authority"
    """Shim's authority event has no owner GUID, is longer than it says, and its last byte is not in the digest."""

    DUPLICATE_SEPARATOR = "duplicate-separator"
    """A PCR has a second separator of four zero bytes."""

    SEPARATOR_IN_PCR_7_ONLY = "separator-in-pcr-7-only"
    """None of PCR 0 to 6 has a separator, and PCR 7 has: Google's virtual firmware of 2018."""

    PADDING_AT_THE_END = "padding-at-the-end"
    """The log's last event is followed by nothing but ff bytes, at least four."""

    VENDOR_DATA_UNCOUNTED = "vendor-data-uncounted"
    """The size of the Spec ID record does not count its vendor data, which follow it all the same."""


_References = dict[
    Annotated[str, Field(pattern=r"^[0-7]$")], Annotated[tuple[HexDigest, ...], Field(min_length=1, max_length=64)]
]
_Waivable = Annotated[str, Field(pattern=r"^[0-35-7]$")]


class FirmwareReference(Value):
    """Values that a firmware profile's PCRs may have, per PCR number (``"0"`` … ``"7"``)."""

    profile: Name
    """The firmware profile that the values are of."""
    pcrs: _References
    """For each firmware PCR, by its quoted number, the values that it may have."""


class NodeReference(Value):
    """Values that one node's firmware PCRs may have: PCR 1 differs from machine to machine."""

    node: Name
    """The node that the values are of."""
    pcrs: _References
    """For each firmware PCR, by its quoted number, the values that it may have."""


def _distinct(pcrs: tuple[int, ...]) -> tuple[int, ...]:
    if list(pcrs) != sorted(set(pcrs)):
        raise ValueError("PCRs are listed once each, in ascending order")
    return pcrs


class AppraisalPolicySpec(Value):
    """What evidence must show before a node is trusted.

    ``include`` names policies that must hold as well. ``pcrs`` are those that each quote covers. ``image: derived``
    asks for exactly the measurements of the assigned image.
    """

    include: tuple[Name, ...] = ()
    """Policies that must hold as well."""
    bank: Literal["sha256"] = "sha256"
    """The hash by which PCRs are quoted."""
    pcrs: Annotated[tuple[Pcr, ...], AfterValidator(_distinct)] = ()
    """The PCRs that every quote covers, in ascending order."""
    image: ImageRule | None = None
    """`derived`: PCR 4, 9, 11 and 12 hold the assigned image's measurements and no others."""
    firmware: tuple[FirmwareReference, ...] = ()
    """Reference values by firmware profile; a node of another profile is refused."""
    nodes: tuple[NodeReference, ...] = ()
    """Reference values by node; a node that is not named is refused."""
    facts: tuple[FactAssertion, ...] = ()
    """Assertions about what events prove."""
    ima: ImaPolicy | None = None
    """What the kernel may have measured while it ran."""
    unsafe_any_image: bool = False
    """Other measurements than the assigned image's are not a reason."""
    unsafe_unexplained: dict[_Waivable, Annotated[tuple[HexDigest, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Values that a PCR may have although the log does not lead to them; its events then prove nothing."""
    unsafe_workarounds: tuple[Workaround, ...] = ()
    """Faults of a firmware's log that are put up with."""

    def weakenings(self) -> tuple[str, ...]:
        """Return in words everything that makes this policy less strict than it could be."""
        found = ["unsafeAnyImage"] if self.unsafe_any_image else []
        found += [f"unsafeUnexplained: PCR {pcr}" for pcr in sorted(self.unsafe_unexplained, key=int)]
        found += [f"unsafeWorkarounds: {workaround}" for workaround in sorted(self.unsafe_workarounds)]
        return (*found, *(self.ima.weakenings if self.ima else ()))

    def has_assertions(self) -> bool:
        """Return whether the policy asks anything of a node but that its TPM is its own."""
        return bool((self.image and not self.unsafe_any_image) or self.firmware or self.nodes or self.facts or self.ima)


def compose(name: str, *, policies: Mapping[str, AppraisalPolicySpec]) -> AppraisalPolicySpec:
    """Return the policy ``name`` with all that it includes, each policy once, however often it is named.

    Names that are not among ``policies`` are left out: ``repo`` finds them.
    """
    parts = [policies[part] for part in _reachable(name, policies) if part in policies]
    ima = [part.ima for part in parts if part.ima is not None]
    return AppraisalPolicySpec(
        pcrs=tuple(sorted({pcr for part in parts for pcr in part.pcrs})),
        image=next((part.image for part in parts if part.image is not None), None),
        firmware=tuple(reference for part in parts for reference in part.firmware),
        nodes=tuple(reference for part in parts for reference in part.nodes),
        facts=tuple(assertion for part in parts for assertion in part.facts),
        ima=_together(ima) if ima else None,
        unsafe_any_image=any(part.unsafe_any_image for part in parts),
        unsafe_unexplained=_merged(part.unsafe_unexplained for part in parts),
        unsafe_workarounds=tuple(sorted({workaround for part in parts for workaround in part.unsafe_workarounds})),
    )


def _together(parts: Sequence[ImaPolicy]) -> ImaPolicy:
    """Return one allow-list of all that ``parts`` allow, as weak as the weakest of them."""
    ignored = BootAggregate.UNSAFE_IGNORED
    return ImaPolicy(
        digests=_merged(part.digests for part in parts),
        excludes=_union(part.excludes for part in parts),
        keys=_union(part.keys for part in parts),
        buffers=_merged(part.buffers for part in parts),
        ignored_keyrings=_union(part.ignored_keyrings for part in parts),
        boot_aggregate=ignored if any(part.boot_aggregate is ignored for part in parts) else BootAggregate.REQUIRED,
        unsafe_allow_violations=any(part.unsafe_allow_violations for part in parts),
        unsafe_allow_sha1=any(part.unsafe_allow_sha1 for part in parts),
    )


def _union(lists: Iterable[tuple[_T, ...]]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(entry for entries in lists for entry in entries))


def _merged(maps: Iterable[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entries in maps:
        for name, values in entries.items():
            found[name] = _union((found.get(name, ()), values))
    return found


def _reachable(name: str, policies: Mapping[str, AppraisalPolicySpec]) -> list[str]:
    """Return ``name`` and everything that it includes, in the order in which it is first named."""
    found: list[str] = []
    ahead = [name]
    while ahead:
        here = ahead.pop(0)
        if here not in found:
            found.append(here)
            ahead += policies[here].include if here in policies else ()
    return found


def is_circular(name: str, *, policies: Mapping[str, AppraisalPolicySpec]) -> bool:
    """Return whether ``name`` includes itself, by whatever way."""
    return any(name in _reachable(part, policies) for part in (policies[name].include if name in policies else ()))


def lacks(policy: AppraisalPolicySpec) -> Iterator[str]:
    """Yield what a composed policy lacks to be one that a node can be trusted under.

    What is left out is never a weakening: a policy that does not mind which image was booted has to say so.
    """
    if not policy.has_assertions():
        yield "it asserts nothing, and so accepts nothing: give image, firmware, nodes, facts or ima"
    if policy.image is None and not policy.unsafe_any_image:
        yield "it does not say what may be booted: give image: derived"
    references = [reference.pcrs for reference in policy.firmware] + [reference.pcrs for reference in policy.nodes]
    needed = {int(pcr) for reference in references for pcr in reference}
    if policy.image and not policy.unsafe_any_image:
        needed |= set(IMAGE_PCRS)
    if policy.ima:
        needed.add(IMA_PCR)
    for assertion in policy.facts:
        needed |= set(FACTS[assertion.fact].pcrs)
    missing = sorted(needed - set(policy.pcrs))
    if missing:
        yield f"pcrs lacks {', '.join(map(str, missing))}, which what it asserts rests on"
