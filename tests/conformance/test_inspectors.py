"""The inspectors over data made by others: what is printed is what is on record beside the files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conformance.test_endorsement_chains import EKS
from tests.conformance.test_event_logs import all_logs, by_number, tpm2_tools_pcrs
from tests.conformance.vectors import FOLDER, data, document, names, needs_vectors
from tests.support.commands import Told, inspect, is_harmless

pytestmark = needs_vectors

AT = ("--at", "2026-01-01")
KEYLIME, RELABEL, OWN = FOLDER / "keylime/quote-rsa", FOLDER / "negative-relabel", FOLDER / "own-swtpm"
MIRROR = FOLDER / "tpm-ca-certificates"
MISSING = "go-attestation/ebs_event_missing_eventlog"


def on_record(name: str) -> dict[str, dict[int, str]]:
    """Return the PCR values that stand beside the log ``name``, by bank; none where none do."""
    folder, _, file = name.partition("/")
    if folder == "tpm2-tools":
        return tpm2_tools_pcrs(name)
    expected = FOLDER / folder / "expected.json"
    recorded = json.loads(expected.read_text()).get(file, {}) if expected.is_file() else {}
    return by_number(recorded.get("pcrs", {}))


@pytest.mark.parametrize("name", all_logs())
def test_every_event_log_leads_to_the_values_on_record(name: str) -> None:
    told = inspect("eventlog", FOLDER / name, "-o", "json")
    assert told.code == 0
    found = by_number(told.document["pcrs"])
    for bank, values in on_record(name).items():
        for pcr, value in values.items():
            # A PCR that nothing was extended into is left out, and PCR 10 of a running machine is the kernel's.
            if pcr in found[bank] and not (name.startswith("go-attestation/") and pcr == 10):
                assert found[bank][pcr] == value, (bank, pcr)
            elif pcr != 10:
                assert set(value) <= {"0"} or set(value) == {"f"}, (bank, pcr)


def test_the_values_of_a_log_with_events_missing_are_not_those_of_the_machine() -> None:
    sha1, _ = document("go-attestation/expected.json")["ebs_event_missing_eventlog"]["pcr5"]
    found = inspect("eventlog", FOLDER / MISSING, "-o", "json").document
    assert found["pcrs"]["sha1"]["5"] != sha1


@pytest.mark.parametrize("name", all_logs())
def test_every_event_log_is_harmless_text_with_each_event_on_a_line_and_its_values_whole(name: str) -> None:
    told = inspect("eventlog", FOLDER / name, "--facts")
    found = inspect("eventlog", FOLDER / name, "--facts", "-o", "json").document
    assert told.code == 0
    assert is_harmless(told.out)
    rows = re.findall(r"^(\d+) +\d+ +\S+", told.out, re.MULTILINE)
    assert rows == [str(event["index"]) for event in found["events"]]
    for values in found["pcrs"].values():
        assert all(f": 0x{value}\n" in told.out for value in values.values())
    assert found["facts"]["facts"]


def test_nonsense_is_malformed_input() -> None:
    told = inspect("eventlog", FOLDER / "keylime/binary_bios_measurements-bogus")
    assert (told.code, told.out) == (2, "")
    assert "event log: " in told.err


def quote(folder: Path, ak: str, message: str, signature: str, *words: str | Path) -> Told:
    parts = ("--ak", folder / ak, "--message", folder / message, "--signature", folder / signature)
    return inspect("quote", *parts, *words, "-o", "json")


def test_keylimes_quote_holds_with_its_nonce_and_values() -> None:
    words = ("--nonce-file", KEYLIME / "nonce.txt", "--pcrs", KEYLIME / "pcrs.tpm2tools-serialized")
    told = quote(KEYLIME, "ak.pem", "quote.tpms_attest", "quote.tpmt_signature", *words)
    assert told.code == 0
    outcomes = told.document["signature"]["check"], told.document["nonce"], told.document["values"]
    assert outcomes == ("ok", "ok", "ok")
    nonce = data("keylime/quote-rsa/nonce.txt").hex()
    assert quote(KEYLIME, "ak.pem", "quote.tpms_attest", "quote.tpmt_signature", "--nonce", nonce).code == 0
    assert quote(KEYLIME, "ak.pem", "quote.tpms_attest", "quote.tpmt_signature", "--nonce", "00").code == 3


@pytest.mark.parametrize("kind", ["rsa", "ecc"])
def test_quotes_of_a_real_swtpm_hold(kind: str) -> None:
    parts = (f"ak-{kind}.pem", f"quote-{kind}.msg", f"quote-{kind}.sig", "--pcrs", OWN / f"pcrs-{kind}.json")
    told = quote(OWN, *parts)
    assert (told.code, told.document["values"], told.document["nonce"]) == (0, "ok", "not checked")
    assert quote(OWN, *parts, "--nonce", told.document["extra_data"]).code == 0


@pytest.mark.parametrize("kind", ["rsa", "ecc"])
def test_a_public_area_shows_what_a_pem_file_hides_of_the_same_key(kind: str) -> None:
    told = quote(OWN, f"ak-{kind}.tpm2b_public", f"quote-{kind}.msg", f"quote-{kind}.sig")
    found = told.document
    assert (found["signature"]["check"], found["signature"]["named_by"]) == ("ok", "key")
    # These keys fall under the lock-out of the TPM, which Ringfence's own do not.
    assert [(one["code"], one["expected"]) for one in found["reasons"]] == [("AkAttributes", "noDA")]
    assert told.code == 3


RELABELLED = {
    "relabelled PCRs": ("ak.pem", "q", "s", "pcrs_lie", 3),
    "the true labels": ("ak.pem", "q", "s", "pcrs_true", 0),
    "a wrong magic": ("fake.pem", "q_bad", "s_bad", "pcrs_true", 3),
    "an attestation of the time": ("ak.pem", "t", "ts", "pcrs_true", 3),
}


@pytest.mark.parametrize("name", RELABELLED)
def test_what_tpm2_checkquote_accepted_exits_with_3_but_for_the_true_labels(name: str) -> None:
    ak, message, signature, pcrs, code = RELABELLED[name]
    words = ("--nonce-file", RELABEL / "nonce", "--pcrs", RELABEL / pcrs)
    assert quote(RELABEL, ak, message, signature, *words).code == code


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sm3_256"])
def test_keylimes_ima_logs_are_shown_and_their_own_values_cover_them(algorithm: str) -> None:
    log = FOLDER / f"keylime/ima-log-{algorithm}"
    told = inspect("ima", log, "-o", "json")
    assert told.code == 0
    assert [entry["path"] for entry in told.document["entries"]] == ["boot_aggregate", "/data"]
    value = told.document["pcrs"]["sha256"]["10"]
    covered = inspect("ima", log, "--pcr10", value, "-o", "json")
    assert (covered.code, covered.document["covered"]["sha256"]["entries"]) == (0, 2)
    assert inspect("ima", log, "--pcr10", value[::-1]).code == 3
    assert is_harmless(inspect("ima", log).out)


@pytest.mark.parametrize("name", EKS)
def test_eks_chain_to_the_mirrors_roots_and_not_without_its_intermediates(name: str) -> None:
    certificate = FOLDER / f"keylime/ek-certs/{name}.der"
    roots = ("--roots", MIRROR / "MIRROR.tpm-ca-certificates.pem")
    pool = ("--intermediates", MIRROR / "MIRROR.tpm-intermediate-ca-certificates.pem")
    told = inspect("ek", certificate, *roots, *pool, *AT, "-o", "json")
    assert (told.code, told.document["check"], len(told.document["chain"])) == (0, "ok", 2)
    assert inspect("ek", certificate, *roots, *AT).code == 3
    alone = inspect("ek", certificate, *AT, "-o", "json")
    assert (alone.code, alone.document["check"]) == (0, "not checked")


def test_a_folder_of_a_vendors_store_is_read_whole_and_what_is_odd_in_it_is_told() -> None:
    certificate = FOLDER / "keylime/ek-certs/st_sha256_with_rsa_der.der"
    store = FOLDER / "keylime/tpm_cert_store"
    told = inspect("ek", certificate, "--roots", store, *AT, "-o", "json")
    assert (told.code, told.document["check"]) == (0, "ok")
    assert all(problem["source"].startswith(str(store)) for problem in told.document["problems"])


@pytest.mark.parametrize("name", names("keylime/ek-certs/*.der"))
def test_every_certificate_is_shown_as_harmless_text(name: str) -> None:
    told = inspect("ek", FOLDER / name, *AT)
    assert told.code in {0, 3}
    assert is_harmless(told.out)
    assert "fingerprint" in told.out
