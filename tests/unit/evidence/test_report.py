"""Verdicts as JSON: everything is said, and equal verdicts are equal bytes."""

from __future__ import annotations

from reconciler.attest.appraise import appraise
from reconciler.evidence.canonical import canonical
from reconciler.evidence.report import PROFILE, describe
from tests.support.appraisals import booted, expected_of
from tests.support.softtpm import Challenge, Lie


def test_acceptance_says_for_what_and_when() -> None:
    tpm = booted()
    asked = Challenge()
    document = describe(appraise(tpm.evidence(asked), expectation=expected_of(tpm)))
    assert (document["eat_profile"], document["verdict"], document["ear.status"]) == (PROFILE, "accepted", "warning")
    assert (document["node"], document["enclave"], document["nonce"]) == ("n1", "blue", asked.nonce.hex())
    assert document["ephemeral"] == asked.ephemeral
    assert set(document["clock"]) == {"reset_count", "restart_count", "clock", "firmware_version"}
    assert document["ear.trustworthiness-vector"] == {
        "instance-identity": 2, "configuration": 32, "executables": 2, "hardware": 2,
    }  # fmt: skip


def test_rejection_says_every_reason_and_no_ephemeral_key() -> None:
    tpm = booted()
    document = describe(appraise(tpm.evidence(Challenge(), lie=Lie.CHANGED_EVENT), expectation=expected_of(tpm)))
    assert (document["verdict"], document["ear.status"]) == ("rejected", "contraindicated")
    assert "ephemeral" not in document
    assert all(reason["code"] and None not in reason.values() for reason in document["reasons"])


def test_a_verdict_says_what_weakens_it_and_what_its_endorsement_was_trusted_by() -> None:
    tpm = booted()
    document = describe(appraise(tpm.evidence(Challenge()), expectation=expected_of(tpm)))
    assert (document["weakenings"], document["workarounds"]) == ([], [])
    assert len(document["endorsement"]["path"]) == 2
    assert document["endorsement"]["revocation_lists"] == []
    forged = describe(appraise(tpm.evidence(Challenge(), lie=Lie.FORGED_EK), expectation=expected_of(tpm)))
    assert "endorsement" not in forged


def test_equal_verdicts_give_equal_bytes() -> None:
    tpm = booted()
    evidence = tpm.evidence(Challenge(), lie=Lie.EMPTY_LOG)
    one, other = (describe(appraise(evidence, expectation=expected_of(tpm))) for _ in range(2))
    assert canonical(one) == canonical(other)
