"""Any changed byte of evidence is rejected with a reason that fits, and no bytes make the verifier raise."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.attest.appraise import appraise
from reconciler.attest.eventlog.events import NO_ACTION
from reconciler.attest.eventlog.log import parse_event_log
from reconciler.attest.verdict import Accepted, Rejected
from tests.support.appraisals import ALL_PCRS, booted, codes_of, expected_of, policy_with
from tests.support.lies import flip
from tests.support.softtpm import Challenge, SoftTpm

TPM = booted("flipped")
RSA_TPM = booted("flipped-rsa", ek="rsa")
GOOD = TPM.evidence(Challenge(pcrs=ALL_PCRS))
EXPECTED = expected_of(TPM, policy=policy_with(pcrs=ALL_PCRS))

QUOTE = {"QuoteSignatureInvalid", "QuoteMalformed"}
SIGNATURE = {"QuoteSignatureInvalid", "QuoteSignatureScheme", "QuoteMalformed"}
CERTIFICATE = {"EkCertificateMalformed", "EkSignatureInvalid", "EkIssuerUnknown"}
ATTESTATION_KEY = {"AkMalformed", "CredentialMismatch"}


def test_the_evidence_that_is_flipped_below_is_good() -> None:
    assert codes_of(GOOD, EXPECTED) == set()


@pytest.mark.parametrize(
    ("field", "fitting"),
    [
        ("quote", QUOTE),
        ("signature", SIGNATURE),
        ("ek_certificate", CERTIFICATE),
        ("ak_public", ATTESTATION_KEY),
        ("nonce", {"QualifyingDataMismatch"}),
    ],
)
def test_every_single_byte_counts(field: str, fitting: set[str]) -> None:
    data: bytes = getattr(GOOD, field)
    for index in range(len(data)):
        flipped = replace(GOOD, **{field: flip(data, index, bit=index % 8)})
        assert codes_of(flipped, EXPECTED) & fitting, f"byte {index} of {field}"


@pytest.mark.parametrize("field", ["seed", "secret", "credential_blob", "returned"])
def test_every_byte_of_the_activation_counts(field: str) -> None:
    data: bytes = getattr(GOOD.activation, field)
    for index in range(len(data)):
        changes = {field: flip(data, index, bit=index % 8)}
        flipped = replace(GOOD, activation=replace(GOOD.activation, **changes))
        assert codes_of(flipped, EXPECTED) & {"CredentialMismatch", "ActivationFailed"}, f"byte {index} of {field}"


@pytest.mark.parametrize("pcr", ALL_PCRS)
def test_every_pcr_value_counts(pcr: int) -> None:
    flipped = replace(GOOD, pcrs={**GOOD.pcrs, pcr: flip(GOOD.pcrs[pcr], pcr)})
    codes = codes_of(flipped, EXPECTED)
    assert "PcrDigestMismatch" in codes
    assert codes & {"LogMismatch", "UnexplainedPcr"}


def measured(log: bytes) -> list[tuple[int, bytes]]:
    events = parse_event_log(log, bank="sha256")
    return [(event.pcr, event.digest) for event in events if event.type != NO_ACTION]


def test_a_flipped_byte_of_the_log_is_rejected_or_was_never_measured() -> None:
    for index in range(len(GOOD.event_log)):
        flipped = flip(GOOD.event_log, index, bit=index % 8)
        codes = codes_of(replace(GOOD, event_log=flipped), EXPECTED)
        if not codes:
            # Paths, addresses and tags are in no digest: they may differ, and nothing rests on them.
            assert measured(flipped) == measured(GOOD.event_log), f"byte {index}"


@given(st.sampled_from(["quote", "signature", "ek_certificate", "ak_public", "event_log"]), st.data())
def test_a_cut_or_lengthened_field_is_rejected(field: str, data: st.DataObject) -> None:
    whole: bytes = getattr(GOOD, field)
    changed = data.draw(
        st.one_of(
            st.integers(0, len(whole) - 1).map(lambda end: whole[:end]),
            st.binary(min_size=1, max_size=4).map(lambda tail: whole + tail),
        )
    )
    assume(field != "ek_certificate" or len(changed) < len(whole))  # Padding after a certificate is as it should be.
    assert codes_of(replace(GOOD, **{field: changed}), EXPECTED)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.binary(max_size=400)
            for name in ("quote", "signature", "ek_certificate", "ak_public", "event_log", "nonce")
        },
    ),
    st.one_of(st.none(), st.dictionaries(st.integers(-1, 30), st.binary(max_size=40), max_size=4)),
    st.one_of(st.none(), st.text(max_size=70)),
)
def test_no_bytes_make_the_verifier_raise(
    fields: dict[str, bytes], pcrs: dict[int, bytes] | None, ephemeral: str | None
) -> None:
    changed = replace(GOOD, **fields)
    changed = changed if pcrs is None else replace(changed, pcrs=pcrs)
    changed = changed if ephemeral is None else replace(changed, ephemeral=ephemeral)
    verdict = appraise(changed, expectation=EXPECTED)
    assert isinstance(verdict, Rejected) or changed == GOOD


@given(st.sampled_from([TPM, RSA_TPM]), st.data())
def test_several_changed_bytes_are_no_better_than_one(tpm: SoftTpm, data: st.DataObject) -> None:
    good = tpm.evidence(Challenge(pcrs=ALL_PCRS))
    expected = expected_of(tpm, policy=policy_with(pcrs=ALL_PCRS))
    assert isinstance(appraise(good, expectation=expected), Accepted)
    field = data.draw(st.sampled_from(["quote", "signature", "ek_certificate", "ak_public"]))
    changed: bytes = getattr(good, field)
    for _ in range(data.draw(st.integers(1, 4))):
        changed = flip(changed, data.draw(st.integers(0, len(changed) - 1)), bit=data.draw(st.integers(0, 7)))
    assume(changed != getattr(good, field))
    assert codes_of(replace(good, **{field: changed}), expected)
