"""Every single-field change of others' quotes, which nobody here can sign again."""

from __future__ import annotations

import base64

import pytest

from reconciler.attest.endorsement.ek import ek_name, ek_public_key
from reconciler.attest.tpm.attestation_key import check_attestation_key
from reconciler.attest.tpm.inspection import Check, inspect_quote
from reconciler.attest.tpm.pcr_files import parse_pcr_values
from reconciler.attest.tpm.public import parse_public, qualified_name
from tests.conformance.vectors import data, document, key_area, needs_vectors
from tests.support.quotes import Case, changes

pytestmark = needs_vectors

SHA1_WITHOUT_NONCE = frozenset({"QuoteSignatureScheme", "QualifyingDataMismatch"})


def extra_data(message: bytes) -> bytes:
    """Return what the quote says that it answers, where nobody kept the challenge."""
    at = 8 + int.from_bytes(message[6:8])
    return message[at + 2 : at + 2 + int.from_bytes(message[at : at + 2])]


def of_own_swtpm(kind: str) -> Case:
    message = data(f"own-swtpm/quote-{kind}.msg")
    ak = parse_public(data(f"own-swtpm/ak-{kind}.tpm2b_public")[2:])
    values = parse_pcr_values(data(f"own-swtpm/pcrs-{kind}.json"))
    known = qualified_name(ak, ek_name=ek_name(ek_public_key(data("own-swtpm/ek-rsa.der"))))
    return Case(
        message=message,
        signature=data(f"own-swtpm/quote-{kind}.sig"),
        ak=ak,
        nonce=extra_data(message),
        selection=[("sha256", sorted(values["sha256"]))],
        values=values,
        signer=known if kind == "rsa" else message[8:42],  # The elliptic-curve AK's EK was not kept.
    )


def of_tpm2_tools(folder: str, *, message: str, signature: str, nonce: str, pcrs: str) -> Case:
    quote, values = data(f"{folder}/{message}"), parse_pcr_values(data(f"{folder}/{pcrs}"))
    return Case(
        message=quote,
        signature=data(f"{folder}/{signature}"),
        ak=key_area(data(f"{folder}/ak.pem")),
        nonce=data(f"{folder}/{nonce}").strip(),
        selection=[(bank, sorted(claimed)) for bank, claimed in values.items()],
        values=values,
        signer=quote[8:42],  # Only the key was kept; the signer is the one that it says.
    )


def of_windows() -> Case:
    document_of = document("go-attestation/windows_gcp_shielded_vm.json")
    message = base64.b64decode(document_of["Quote"]["Quote"])
    values = {"sha1": {pcr["Index"]: base64.b64decode(pcr["Digest"]) for pcr in document_of["Log"]["PCRs"]}}
    return Case(
        message=message,
        signature=base64.b64decode(document_of["Quote"]["Signature"]),
        ak=parse_public(base64.b64decode(document_of["AK"]["Public"])),
        nonce=base64.b64decode(document_of["Quote"]["Nonce"] or ""),
        selection=[("sha1", range(24))],
        values=values,
        signer=message[8:42],
        known=SHA1_WITHOUT_NONCE,
    )


def cases() -> dict[str, Case]:
    keylime = {"message": "quote.tpms_attest", "signature": "quote.tpmt_signature", "nonce": "nonce.txt"}
    own = {"message": "q", "signature": "s", "nonce": "nonce", "pcrs": "pcrs_true"}
    return {
        "own-swtpm rsa": of_own_swtpm("rsa"),
        "own-swtpm ecc": of_own_swtpm("ecc"),
        "keylime": of_tpm2_tools("keylime/quote-rsa", **keylime, pcrs="pcrs.tpm2tools-serialized"),
        "negative-relabel, true": of_tpm2_tools("negative-relabel", **own),
        "windows": of_windows(),
    }


@pytest.mark.parametrize("name", ["own-swtpm rsa", "own-swtpm ecc", "keylime", "negative-relabel, true", "windows"])
def test_every_single_field_change_of_anothers_quote_is_rejected_with_the_reason_that_fits(name: str) -> None:
    case = cases()[name]
    assert case.codes() == case.known
    count = 0
    for change in changes(case):
        found = change.case.codes()
        assert change.codes <= found, f"{name}: {change.name}"
        assert found <= change.codes | case.known, f"{name}: {change.name}"
        count += 1
    assert count > 40


def test_the_windows_quote_holds_and_a_policy_refuses_it_for_sha1_and_for_want_of_a_nonce() -> None:
    case = of_windows()
    assert case.codes() == SHA1_WITHOUT_NONCE  # Nothing against signature, selection, values or digest.
    assert [reason.code for reason in check_attestation_key(case.ak)] == ["AkAlgorithm"]
    report = inspect_quote(
        case.message, signature=case.signature, key=case.ak.raw, nonce=case.nonce, values=case.values
    )
    assert (report.holds, report.signature, report.nonce, report.values) == (
        True,
        Check.FAILED,
        Check.FAILED,
        Check.OK,
    )
