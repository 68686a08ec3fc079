"""What a boot shows beyond the image: facts, the kernel's list, waivers, and what a verdict says of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from reconciler.attest.appraise import appraise
from reconciler.attest.verdict import Accepted, Trustworthiness, Verdict
from reconciler.model.facts import FactAssertion
from reconciler.model.families import Family, Overlay
from reconciler.model.ima import ImaPolicy
from reconciler.model.policy import AppraisalPolicySpec, FirmwareReference, Workaround
from reconciler.model.submission import Evidence
from tests.support import imalogs
from tests.support.appraisals import MEASUREMENTS, booted, codes_of, expected_of, policy_with, rejected
from tests.support.firmware import firmware_events, hashed, image_events
from tests.support.softtpm import DEFAULT_PCRS, Challenge, SoftTpm

SEPARATOR = 4
IMA_PCRS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
FILE = imalogs.Line(path=b"/usr/bin/true")
POLICY_OF_FILES = ImaPolicy(digests={"/usr/bin/true": (FILE.named,)})


def judged(tpm: SoftTpm, policy: AppraisalPolicySpec, **changes: object) -> Verdict:
    return appraise(tpm.evidence(Challenge(pcrs=policy.pcrs)), expectation=expected_of(tpm, policy=policy, **changes))


def test_a_policy_that_is_not_whole_accepts_nothing() -> None:
    tpm = booted()
    assert "PolicyIncomplete" in codes_of(tpm.evidence(), expected_of(tpm, policy=AppraisalPolicySpec()))
    any_image = policy_with(image=None, facts=(FactAssertion(fact="secureBoot", equals=False),))
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=any_image)) == {"PolicyIncomplete"}
    nothing = policy_with(image=None)
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=nothing)) == {"PolicyIncomplete"}


def test_a_fact_that_is_asserted_and_holds_affirms_the_configuration() -> None:
    policy = policy_with(facts=(FactAssertion(fact="secureBoot", equals=True),))
    tpm = SoftTpm("n1")
    tpm.boot(MEASUREMENTS, secure_boot=True)
    verdict = judged(tpm, policy)
    assert isinstance(verdict, Accepted)
    assert verdict.vector.configuration is Trustworthiness.AFFIRMING
    tpm.boot(MEASUREMENTS, secure_boot=False)
    (reason,) = rejected(tpm.evidence(), expected_of(tpm, policy=policy)).reasons
    assert (reason.code, reason.pcr, reason.expected, reason.found) == ("FactMismatch", 7, "true", "false")
    assert reason.event is not None


def test_any_image_is_a_weakening_that_every_verdict_shows() -> None:
    other = policy_with(unsafe_any_image=True, facts=(FactAssertion(fact="secureBoot", equals=False),))
    tpm = SoftTpm("n1")
    tpm.boot(MEASUREMENTS, tampered=(4, 9, 11))
    verdict = judged(tpm, other)
    assert isinstance(verdict, Accepted)
    assert verdict.weakenings == ("unsafeAnyImage",)
    assert (verdict.vector.executables, verdict.vector.configuration) == (Trustworthiness.WARNING,) * 2
    refused = rejected(tpm.evidence(), expected_of(tpm, policy=other, enclave="green"))
    assert refused.weakenings == ("unsafeAnyImage",)


def test_a_log_that_needs_a_workaround_is_refused_without_it_and_shows_it_with_it() -> None:
    tpm = SoftTpm("n1")
    tpm.reset()
    events = [*firmware_events("ovmf", secure_boot=False), hashed(2, SEPARATOR, bytes(4))]
    tpm.measure([*events, *image_events(MEASUREMENTS)])
    assert codes_of(tpm.evidence(), expected_of(tpm)) == {"SeparatorRepeated"}
    verdict = judged(tpm, policy_with(unsafe_workarounds=(Workaround.DUPLICATE_SEPARATOR,)))
    assert isinstance(verdict, Accepted)
    assert verdict.workarounds == ("duplicate-separator",)
    assert isinstance(judged(booted(), policy_with(unsafe_workarounds=tuple(Workaround))), Accepted)
    assert judged(booted(), policy_with(unsafe_workarounds=tuple(Workaround))).workarounds == ()


def test_an_unexplained_value_is_accepted_only_where_it_is_pinned_and_then_proves_nothing() -> None:
    tpm = booted()
    tpm.extend(0)
    pinned = {"0": (tpm.pcrs[0].hex(),)}
    assert codes_of(tpm.evidence(), expected_of(tpm)) == {"LogMismatch"}
    verdict = judged(tpm, policy_with(unsafe_unexplained=pinned))
    assert isinstance(verdict, Accepted)
    assert verdict.weakenings == ("unsafeUnexplained: PCR 0",)
    asserted = policy_with(unsafe_unexplained=pinned, facts=(FactAssertion(fact="startupLocality", equals=0),))
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=asserted)) == {"FactMissing"}
    tpm.extend(0)
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=policy_with(unsafe_unexplained=pinned))) == {"LogMismatch"}


def test_firmware_that_is_no_uefi_is_not_held_to_uefis_grammar() -> None:
    tpm = SoftTpm("n1")
    tpm.reset()
    tpm.measure(hashed(pcr, 6, b"stage") for pcr in (2, 3))
    policy = AppraisalPolicySpec(
        pcrs=(2, 3),
        firmware=(FirmwareReference(profile="ovmf", pcrs={"2": (tpm.pcrs[2].hex(),)}),),
        unsafe_any_image=True,
    )
    verdict = judged(tpm, policy, family=Family.COREBOOT)
    assert isinstance(verdict, Accepted)
    asked = tpm.evidence(Challenge(pcrs=(2, 3)))
    assert codes_of(asked, expected_of(tpm, policy=policy)) == {"SeparatorMissing"}


def test_the_pcrs_of_a_dynamic_launch_are_no_part_of_the_image() -> None:
    tpm = booted()
    policy = policy_with(pcrs=(*DEFAULT_PCRS, 17), facts=(FactAssertion(fact="secureBoot", equals=False),))
    assert isinstance(judged(tpm, policy, overlays=(Overlay.TBOOT,)), Accepted)


def measured(*lines: imalogs.Line) -> Evidence:
    """Return evidence of a machine whose kernel measured ``lines`` after the image was booted."""
    tpm = booted()
    first = tpm.pcrs
    aggregate = replace(
        imalogs.aggregate_of(range(8)), digest=hashlib.sha256(b"".join(first[pcr] for pcr in range(10))).digest()
    )
    entries = [aggregate, *lines]
    tpm.pcrs = tpm.pcrs | {10: imalogs.value_after(entries)}
    return replace(tpm.evidence(Challenge(pcrs=IMA_PCRS)), ima_log=imalogs.binary_of(entries))


def test_what_the_kernel_measured_is_judged_where_the_policy_says_how() -> None:
    policy = policy_with(pcrs=IMA_PCRS, ima=POLICY_OF_FILES)
    expectation = expected_of(booted(), policy=policy)
    assert codes_of(measured(FILE), expectation) == set()
    stranger = imalogs.Line(path=b"/tmp/unknown")
    reasons = rejected(measured(FILE, stranger), expectation).reasons
    assert {reason.code for reason in reasons} == {"ImaUnknownFile"}
    assert all(reason.pcr == 10 for reason in reasons)
    assert codes_of(replace(measured(FILE), ima_log=b""), expectation)


def test_pcr_10_is_unexplained_where_the_policy_says_nothing_of_ima() -> None:
    policy = policy_with(pcrs=IMA_PCRS)
    assert codes_of(measured(FILE), expected_of(booted(), policy=policy)) == {"UnexplainedPcr"}


def test_a_verdict_says_what_the_endorsement_was_trusted_by() -> None:
    tpm = booted()
    verdict = judged(tpm, policy_with())
    assert verdict.endorsement is not None
    assert verdict.endorsement.not_before <= verdict.endorsement.judged_at <= verdict.endorsement.not_after
    assert len(verdict.endorsement.path) == 2
