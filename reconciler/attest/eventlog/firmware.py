"""What the policy says of the firmware: Secure Boot, and reference values by profile.

Reference values are compared PCR by PCR. A policy without any makes no claim about the
firmware; that is visible in the verdict's vector, and no reason against the node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.attest.eventlog.grammar import Fact
from reconciler.attest.verdict import Reason
from reconciler.model.kinds import AppraisalPolicySpec, FirmwareReference, SecureBoot


def check_secure_boot(fact: Fact | None, *, policy: AppraisalPolicySpec) -> Iterator[Reason]:
    """Yield a reason if the policy requires Secure Boot and no verified event shows that it is on."""
    if policy.secure_boot is not SecureBoot.REQUIRED:
        return
    if fact is None:
        message = "no verified event says whether Secure Boot is on"
        yield Reason(code="SecureBootUnproven", message=message, pcr=7, bank=policy.bank, expected="on")
    elif not fact.value:
        yield Reason(
            code="SecureBootOff",
            message="Secure Boot is off",
            pcr=fact.pcr,
            bank=fact.bank,
            event=fact.event,
            event_type="EV_EFI_VARIABLE_DRIVER_CONFIG",
            expected="on",
            found="off",
        )


def check_firmware(
    values: Mapping[int, bytes], *, policy: AppraisalPolicySpec, profile: str, quoted: Collection[int]
) -> Iterator[Reason]:
    """Yield what speaks against the firmware of a node that is declared to have ``profile``.

    Every reference of that profile must hold; several for one profile do not widen each other.
    """
    if not policy.firmware:
        return
    references = [reference for reference in policy.firmware if reference.profile == profile]
    if not references:
        known = ", ".join(sorted({reference.profile for reference in policy.firmware}))
        message = f"the policy has no reference values for firmware profile {profile}"
        yield Reason(code="FirmwareProfileUnknown", message=message, expected=known, found=profile)
    for reference in references:
        yield from _compare(values, reference=reference, bank=policy.bank, quoted=quoted)


def _compare(
    values: Mapping[int, bytes], *, reference: FirmwareReference, bank: str, quoted: Collection[int]
) -> Iterator[Reason]:
    for pcr, allowed in sorted((int(number), allowed) for number, allowed in reference.pcrs.items()):
        if pcr not in quoted:
            message = f"PCR {pcr} has reference values but is not among the policy's PCRs"
            yield Reason(code="FirmwarePcrNotQuoted", message=message, pcr=pcr, bank=bank)
            continue
        found = values.get(pcr, b"").hex()
        if found not in allowed:
            yield Reason(
                code="FirmwareMismatch",
                message=f"PCR {pcr} has none of the values of firmware profile {reference.profile}",
                pcr=pcr,
                bank=bank,
                expected=" or ".join(allowed),
                found=found or "no value",
            )
