from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.attest.appraise import CHALLENGE_LIFETIME, appraise
from reconciler.attest.verdict import Accepted, Rejected, Trustworthiness, Vector
from reconciler.model.facts import FactAssertion
from reconciler.model.policy import FirmwareReference
from reconciler.model.submission import BootClock
from tests.support.appraisals import MEASUREMENTS, booted, codes_of, expected_of, policy_with, rejected
from tests.support.softtpm import NOW, Challenge, Lie, SoftTpm

AFFIRMING, WARNING, AGAINST = (
    Trustworthiness.AFFIRMING,
    Trustworthiness.WARNING,
    Trustworthiness.CONTRAINDICATED,
)

CODES_OF_LIES = {
    Lie.WRONG_NONCE: {"QualifyingDataMismatch"},
    Lie.OTHER_NODE: {"QualifyingDataMismatch"},
    Lie.OTHER_ENCLAVE: {"QualifyingDataMismatch"},
    Lie.OTHER_COMMIT: {"QualifyingDataMismatch"},
    Lie.OTHER_EPHEMERAL: {"QualifyingDataMismatch"},
    Lie.OTHER_AK: {"QuoteSignatureInvalid"},
    Lie.STRANGER: {"EndorsementMismatch"},
    Lie.FORGED_EK: {"EkIssuerUnknown"},
    Lie.WRONG_CREDENTIAL: {"ActivationFailed"},
    Lie.STALE_CLOCK: {"ClockFellBack"},
    Lie.UNSAFE_CLOCK: {"ClockNotSafe"},
    Lie.FEWER_PCRS: {"PcrSelectionMismatch"},
    Lie.RELABELLED: {"PcrDigestMismatch", "LogMismatch", "UnexplainedPcr"},
    Lie.CLAIMED_PCR: {"PcrDigestMismatch", "LogMismatch"},
    Lie.NOT_A_QUOTE: {"NotAQuote"},
    Lie.FLIPPED_QUOTE: {"QuoteSignatureInvalid", "PcrDigestMismatch"},
    Lie.FLIPPED_SIGNATURE: {"QuoteSignatureInvalid"},
    Lie.CHANGED_EVENT: {"LogMismatch", "MeasurementMismatch"},
    Lie.RETYPED_EVENT: {"UnknownEventType"},
    Lie.DROPPED_EVENT: {"LogMismatch", "MeasurementMissing"},
    Lie.EMPTY_LOG: {"EventLogMalformed"},
    Lie.GARBAGE: {
        "EkCertificateMalformed",
        "AkMalformed",
        "ActivationFailed",
        "QuoteMalformed",
        "EventLogMalformed",
    },
}


@pytest.mark.parametrize("ek", ["ecc", "rsa"])
def test_honest_evidence_is_accepted_and_bound_to_its_challenge(ek: str) -> None:
    tpm = booted(ek=ek)
    asked = Challenge()
    verdict = appraise(tpm.evidence(asked), expectation=expected_of(tpm))
    assert isinstance(verdict, Accepted)
    assert (verdict.node, verdict.enclave, verdict.commit) == (asked.node, asked.enclave, asked.commit)
    assert (verdict.attempt, verdict.session, verdict.nonce) == (asked.attempt, asked.session, asked.nonce)
    assert verdict.ephemeral == asked.ephemeral
    assert verdict.clock == BootClock(
        reset_count=1, restart_count=0, clock=tpm.clock, firmware_version=tpm.firmware_version
    )


def test_a_firmware_without_reference_values_is_a_visible_warning() -> None:
    tpm = booted()
    verdict = appraise(tpm.evidence(), expectation=expected_of(tpm))
    assert verdict.vector == Vector(
        instance_identity=AFFIRMING, configuration=WARNING, executables=AFFIRMING, hardware=AFFIRMING
    )


def test_a_firmware_with_its_reference_values_is_affirmed() -> None:
    tpm = booted()
    reference = FirmwareReference(profile="ovmf", pcrs={"0": (tpm.pcrs[0].hex(),), "7": (tpm.pcrs[7].hex(),)})
    expectation = expected_of(tpm, policy=policy_with(firmware=(reference,)))
    verdict = appraise(tpm.evidence(), expectation=expectation)
    assert isinstance(verdict, Accepted)
    assert verdict.vector.configuration is AFFIRMING


@pytest.mark.parametrize("ek", ["ecc", "rsa"])
@pytest.mark.parametrize("lie", Lie)
def test_every_lie_is_rejected_with_the_reason_that_fits(lie: Lie, ek: str) -> None:
    tpm = booted(ek=ek)
    accepted = appraise(tpm.evidence(), expectation=expected_of(tpm))
    assert isinstance(accepted, Accepted)
    tpm.boot(MEASUREMENTS)
    codes = codes_of(tpm.evidence(lie=lie), expected_of(tpm, previous=accepted.clock))
    if lie is Lie.FLIPPED_CERTIFICATE:
        assert {"EkSignatureInvalid", "EndorsementMismatch"} & codes
    else:
        assert codes == CODES_OF_LIES[lie]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"node": "n2"}, "NodeMismatch"),
        ({"enclave": "green"}, "EnclaveMismatch"),
        ({"commit": "d" * 40}, "CommitMismatch"),
        ({"attempt": "attempt-2"}, "AttemptMismatch"),
        ({"judged_at": NOW + CHALLENGE_LIFETIME + timedelta(seconds=1)}, "ChallengeExpired"),
        ({"judged_at": NOW - timedelta(seconds=1)}, "ChallengeExpired"),
    ],
)
def test_evidence_for_something_else_is_rejected(changes: dict[str, object], code: str) -> None:
    tpm = booted()
    assert codes_of(tpm.evidence(), expected_of(tpm, **changes)) == {code}


def test_a_short_nonce_is_rejected_even_if_the_quote_answers_it() -> None:
    tpm = booted()
    assert codes_of(tpm.evidence(Challenge(nonce=b"")), expected_of(tpm)) == {"NonceMalformed"}


def test_a_changed_image_names_pcr_event_and_both_digests() -> None:
    tpm = SoftTpm("n1")
    tpm.boot(MEASUREMENTS, tampered=(4,))
    (reason,) = rejected(tpm.evidence(), expected_of(tpm)).reasons
    event = tpm.events[reason.event - 1 if reason.event else 0]
    assert (reason.code, reason.pcr, reason.bank) == ("MeasurementMismatch", 4, "sha256")
    assert reason.event_type == "EV_EFI_BOOT_SERVICES_APPLICATION"
    assert (reason.expected, reason.found) == (MEASUREMENTS.pcr4[0], event.digest.hex())


def test_all_reasons_are_given_not_only_the_first() -> None:
    tpm = SoftTpm("n1")
    tpm.boot(MEASUREMENTS, tampered=(4, 9, 11))
    good = tpm.evidence(lie=Lie.UNSAFE_CLOCK)
    verdict = rejected(replace(good, signature=b""), expected_of(tpm, node="n2", profile="other"))
    assert {reason.code for reason in verdict.reasons} == {"NodeMismatch", "QuoteMalformed", "MeasurementMismatch"}
    assert {reason.pcr for reason in verdict.reasons if reason.code == "MeasurementMismatch"} == {4, 9, 11}


def test_a_pcr_that_changed_without_a_line_in_the_log_is_rejected() -> None:
    tpm = booted()
    tpm.extend(11)
    assert codes_of(tpm.evidence(), expected_of(tpm)) == {"LogMismatch"}
    tpm.extend(12)
    assert codes_of(tpm.evidence(), expected_of(tpm)) == {"LogMismatch", "UnexplainedPcr"}


@pytest.mark.parametrize(
    ("lie", "vector"),
    [
        (Lie.FORGED_EK, (AGAINST, WARNING, AFFIRMING, AGAINST)),
        (Lie.DROPPED_EVENT, (AFFIRMING, AGAINST, AGAINST, AFFIRMING)),
        (Lie.RETYPED_EVENT, (AFFIRMING, AGAINST, AFFIRMING, AFFIRMING)),
        (Lie.FLIPPED_SIGNATURE, (AGAINST, AGAINST, AGAINST, AGAINST)),
    ],
)
def test_the_vector_shows_which_claims_the_reasons_speak_against(lie: Lie, vector: tuple[Trustworthiness, ...]) -> None:
    tpm = booted()
    verdict = rejected(tpm.evidence(lie=lie), expected_of(tpm))
    found = verdict.vector
    assert (found.instance_identity, found.configuration, found.executables, found.hardware) == vector


def test_secure_boot_is_judged_where_the_policy_requires_it() -> None:
    policy = policy_with(facts=(FactAssertion(fact="secureBoot", equals=True),))
    tpm = booted()
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=policy)) == {"FactMismatch"}
    tpm.boot(MEASUREMENTS, secure_boot=True)
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=policy)) == set()


def test_a_verdict_has_no_truth_value() -> None:
    tpm = booted()
    for evidence in (tpm.evidence(), tpm.evidence(lie=Lie.GARBAGE)):
        verdict = appraise(evidence, expectation=expected_of(tpm))
        with pytest.raises(TypeError, match="no truth value"):
            assert verdict or isinstance(verdict, Rejected)
