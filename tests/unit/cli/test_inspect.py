"""The inspectors, through the command: what they print, and how they exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from reconciler.attest.eventlog.inspection import inspect_log
from reconciler.attest.ima.inspect import inspect_ima
from reconciler.attest.tpm.inspection import inspect_quote
from reconciler.cli.printable import as_json, printable
from tests.support.commands import Told, inspect, is_harmless
from tests.support.eventlogs import AGILE, OLD, new, old, spec_id
from tests.support.imalogs import Line, aggregate_of, ascii_of, binary_of, value_after
from tests.support.lies import flip
from tests.support.pki import NOW, authority, ek, revocations
from tests.support.quotes import software_quotes

PROJECT = Path(__file__).parents[3]
EVENT_LOG = (PROJECT / "tests/unit/attest/eventlog/data/ovmf-uki.eventlog").read_bytes()
CASE = software_quotes()["p256-sha256"]
PEM = CASE.ak.key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
HOSTILE = "\x1b[2J\x07\x9b31m\u202e\x7f"
ROOT = authority("Root")
MIDDLE = authority("Middle", by=ROOT)
EK = ek(MIDDLE, serial=0x1F)
LINES = [aggregate_of(), Line(path=b"/usr/bin/true"), Line(path=b"/v", is_violation=True)]
EV_ACTION = 5


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# Event logs.


def test_an_event_logs_json_is_the_inspectors_own_form(tmp_path: Path) -> None:
    told = inspect("eventlog", written(tmp_path, "log", EVENT_LOG), "-o", "json")
    assert (told.code, told.err) == (0, "")
    assert told.document == inspect_log(EVENT_LOG).as_json()


def test_facts_are_added_to_the_json_and_count_every_pcr_as_quoted(tmp_path: Path) -> None:
    log = written(tmp_path, "log", EVENT_LOG)
    found = inspect("eventlog", log, "--facts", "-o", "json").document
    assert list(found) == ["format", "events", "pcrs", "startup_locality", "workarounds", "facts"]
    assert (found["facts"]["family"], found["facts"]["bank"]) == ("uefi", "sha256")
    assert found["facts"]["quoted"] == list(range(24))
    assert found["facts"]["facts"]["secureBoot"]["value"] is False
    other = inspect("eventlog", log, "--facts", "--family", "heads", "--overlay", "tboot", "-o", "json").document
    assert (other["facts"]["family"], other["facts"]["overlays"]) == ("heads", ["tboot"])


def test_an_event_log_as_text_has_every_event_and_whole_pcr_values(tmp_path: Path) -> None:
    told = inspect("eventlog", written(tmp_path, "log", EVENT_LOG), "--facts")
    lines = told.out.splitlines()
    found = inspect_log(EVENT_LOG).as_json()
    rows = lines[lines.index("") + 2 :]
    assert [row.split()[0] for row in rows[: len(found["events"])]] == [str(e["index"]) for e in found["events"]]
    for pcr, value in found["pcrs"]["sha256"].items():
        assert f"    {pcr:>2}: 0x{value}" in lines
    assert "A log alone proves nothing: compare these values with quoted ones." in lines
    assert "Facts of a uefi machine, bank sha256, that a quote over all these PCRs would prove:" in lines
    assert "  secureBoot: false" in told.out


def test_the_bank_is_the_one_asked_for_or_sha256_or_the_only_one(tmp_path: Path) -> None:
    agile, plain = written(tmp_path, "agile", AGILE), written(tmp_path, "plain", OLD)
    assert inspect("eventlog", agile, "--facts", "-o", "json").document["facts"]["bank"] == "sha256"
    assert inspect("eventlog", agile, "--facts", "--bank", "sha384", "-o", "json").document["facts"]["bank"] == "sha384"
    assert inspect("eventlog", plain, "--facts", "-o", "json").document["facts"]["bank"] == "sha1"
    told = inspect("eventlog", plain, "--bank", "sha256")
    assert (told.code, told.out) == (2, "")
    assert told.err == (
        f"error: {plain}: the log has no bank sha256 that can be replayed\nhint: banks that can be replayed: sha1"
    )


def test_a_log_that_cannot_be_replayed_is_shown_and_gives_no_facts(tmp_path: Path) -> None:
    log = written(tmp_path, "log", spec_id("sm3_256") + new("sm3_256"))
    told = inspect("eventlog", log)
    assert told.code == 0
    assert "  sm3_256: cannot be replayed" in told.out
    refused = inspect("eventlog", log, "--facts")
    assert (refused.code, refused.err.splitlines()[0]) == (2, f"error: {log}: no bank of the log can be replayed")


def test_locality_and_workarounds_are_told(tmp_path: Path) -> None:
    log = old(pcr=0, kind=3, data=b"StartupLocality\0\3") + old() + b"\xff" * 8
    told = inspect("eventlog", written(tmp_path, "log", log)).out
    assert "startup locality  3" in told
    assert "workarounds       padding-at-the-end" in told


# Quotes.


def quote(folder: Path, *words: str | Path, **changes: bytes) -> Told:
    parts = {"ak": CASE.ak.raw, "message": CASE.message, "signature": CASE.signature, **changes}
    options = [word for name, part in parts.items() for word in (f"--{name}", written(folder, name, part))]
    return inspect("quote", *options, *words)


def pcr_file(folder: Path, values: Any) -> Path:  # noqa: ANN401 - by bank and PCR
    shown = {bank: {str(pcr): value.hex() for pcr, value in of.items()} for bank, of in values.items()}
    return written(folder, "pcrs", json.dumps(shown).encode())


def test_a_quote_of_which_all_is_given_holds(tmp_path: Path) -> None:
    pcrs = pcr_file(tmp_path, CASE.values)
    nonce = CASE.nonce.hex()
    told = quote(tmp_path, "--nonce", nonce, "--pcrs", pcrs, "-o", "json")
    assert (told.code, told.err) == (0, "")
    assert told.document == (
        inspect_quote(
            CASE.message, signature=CASE.signature, key=CASE.ak.raw, nonce=CASE.nonce, values=CASE.values
        ).to_json()
    )
    text = quote(tmp_path, "--nonce", nonce, "--pcrs", pcrs).out
    assert "PCRs              sha256: 0, 4, 9" in text
    assert text.endswith("What was checked holds. Not checked: clock, qualified signer.\n")


def test_what_was_not_given_is_not_checked_and_never_ok(tmp_path: Path) -> None:
    told = quote(tmp_path, ak=PEM)
    assert told.code == 0
    rows = {line[:16].strip(): line[18:31].strip() for line in told.out.splitlines()}
    assert rows["signature"] == "ok"
    for name in ("attestation key", "nonce", "PCR values", "clock", "qualified signer"):
        assert rows[name] == "not checked"
    assert told.out.endswith("Not checked: attestation key, nonce, values, clock, qualified signer.\n")


@pytest.mark.parametrize(
    ("words", "changes", "code"),
    [
        (["--nonce", "00"], {}, "QualifyingDataMismatch"),
        ([], {"signature": flip(CASE.signature, len(CASE.signature) - 1)}, "QuoteSignatureInvalid"),
        ([], {"message": flip(CASE.message, 0)}, "QuoteNotByTpm"),
    ],
)
def test_a_check_that_fails_exits_with_3_and_names_its_code(
    tmp_path: Path, words: list[str], changes: dict[str, bytes], code: str
) -> None:
    told = quote(tmp_path, *words, **changes)
    assert (told.code, told.err) == (3, "")
    assert f"\n  {code}: " in told.out
    assert "\nIt does not hold. Not checked: " in told.out
    found = quote(tmp_path, *words, "-o", "json", **changes)
    assert found.code == 3
    assert code in [reason["code"] for reason in found.document["reasons"]]


def test_values_of_other_pcrs_than_were_signed_are_refused(tmp_path: Path) -> None:
    lie = {"sha256": {pcr + 1: value for pcr, value in CASE.values["sha256"].items()}}
    told = quote(tmp_path, "--pcrs", pcr_file(tmp_path, lie))
    assert told.code == 3
    assert "PcrSelectionMismatch" in told.out


def test_a_nonce_may_be_a_file_and_a_newline_in_it_is_pointed_out(tmp_path: Path) -> None:
    assert quote(tmp_path, "--nonce-file", written(tmp_path, "nonce", CASE.nonce)).code == 0
    told = quote(tmp_path, "--nonce-file", written(tmp_path, "nonce", CASE.nonce[:32] + b"\n"))
    assert told.code == 3
    assert "ends with a newline" in told.out


@pytest.mark.parametrize("nonce", ["", "hello", "0x01", "0 1", "abc", "00" * 65, "\u0660\u0660"])
def test_a_nonce_is_hexadecimal_digits_and_never_empty(tmp_path: Path, nonce: str) -> None:
    told = quote(tmp_path, "--nonce", nonce)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: --nonce: ")
    assert "\nhint: " in told.err


def test_two_nonces_are_one_too_many(tmp_path: Path) -> None:
    told = quote(tmp_path, "--nonce", "00", "--nonce-file", written(tmp_path, "nonce", b"n"))
    assert (told.code, told.err.splitlines()[0]) == (2, "error: --nonce: stands beside --nonce-file")


@pytest.mark.parametrize("part", ["ak", "message", "signature"])
@pytest.mark.parametrize("content", [b"\0garbage", b"-----BEGIN nothing", b"\xff" * 900])
def test_a_malformed_part_of_a_quote_is_named(tmp_path: Path, part: str, content: bytes) -> None:
    told = quote(tmp_path, **{part: content})
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"error: {tmp_path / part}: ")


def test_malformed_pcr_values_are_named(tmp_path: Path) -> None:
    pcrs = written(tmp_path, "pcrs", b"{}")
    told = quote(tmp_path, "--pcrs", pcrs)
    assert (told.code, told.err.splitlines()[0]) == (2, f"error: {pcrs}: PCR values: there are none")


# IMA logs.


@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_an_ima_log_is_told_entry_by_entry(tmp_path: Path, build: Any) -> None:  # noqa: ANN401 - either form
    log = written(tmp_path, "log", build(LINES))
    told = inspect("ima", log)
    assert told.code == 0
    assert "entries        3, 1 of them violations" in told.out
    assert f"    10: 0x{value_after(LINES).hex()}" in told.out
    assert "/usr/bin/true" in told.out
    assert told.out.endswith("A log alone proves nothing: give a quoted value of PCR 10 with --pcr10.\n")
    assert inspect("ima", log, "-o", "json").document == inspect_ima(build(LINES))


def test_a_quoted_value_of_pcr_10_says_how_much_of_the_log_it_covers(tmp_path: Path) -> None:
    log = written(tmp_path, "log", binary_of(LINES))
    sha256, sha1 = value_after(LINES[:2]).hex(), value_after(LINES, bank="sha1").hex()
    told = inspect("ima", log, "--pcr10", sha256, "--pcr10", sha1)
    assert told.code == 0
    assert "PCR 10 of bank sha256: the first 2 entries lead to it, 1 came later." in told.out
    assert "PCR 10 of bank sha1: the first 3 entries lead to it, none came later." in told.out


@pytest.mark.parametrize(("value", "said"), [("11" * 32, "no part of the log"), ("00" * 32, "covers nothing")])
def test_a_value_that_no_entry_leads_to_fails(tmp_path: Path, value: str, said: str) -> None:
    log = written(tmp_path, "log", binary_of(LINES))
    told = inspect("ima", log, "--pcr10", value)
    assert told.code == 3
    assert said in told.out
    assert inspect("ima", log, "--pcr10", value, "-o", "json").code == 3


@pytest.mark.parametrize("values", [["00"], ["x"], [""], ["00" * 32, "11" * 32], ["00" * 65]])
def test_a_value_of_pcr_10_is_one_digest_a_bank(tmp_path: Path, values: list[str]) -> None:
    words = [word for value in values for word in ("--pcr10", value)]
    told = inspect("ima", written(tmp_path, "log", binary_of(LINES)), *words)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: --pcr10: ")


def test_odd_entries_of_an_ima_log_are_shown_as_such(tmp_path: Path) -> None:
    lines = [*LINES, Line(template=b"own", path=b"/o"), Line(template=b"ima-sig", path=b"/sig", tail=())]
    changed = bytearray(binary_of(lines))
    changed[4] ^= 1
    told = inspect("ima", written(tmp_path, "log", bytes(changed))).out
    for word in ("violation", "unknown template", "malformed", "note: the template hash is not that of the data"):
        assert word in told


# EK certificates.


def test_an_ek_certificate_chains_to_a_root_in_a_folder(tmp_path: Path) -> None:
    certificate = written(tmp_path, "ek", EK + b"\xff" * 300)
    written(tmp_path, "roots/root.pem", ROOT.pem)
    written(tmp_path, "roots/README", b"no certificate")
    written(tmp_path, "roots/.hidden", b"not read")
    words = ["--roots", tmp_path / "roots", "--intermediates", written(tmp_path, "middle.pem", MIDDLE.pem)]
    words += ["--crls", written(tmp_path, "crl", revocations(MIDDLE)), "--at", NOW.isoformat()]
    told = inspect("ek", certificate, *words)
    assert (told.code, told.err) == (0, "")
    assert "then 300 bytes of padding" in told.out
    assert "1  CN=Middle" in told.out
    assert "2  CN=Root" in told.out
    assert "revocation list consulted: CN=Middle" in told.out
    assert f"not loaded: {tmp_path}/roots/README: holds no certificate" in told.out
    assert ".hidden" not in told.out
    end = "It chains to a root that was given, and nothing speaks against it, judged at 2026-06-01T12:00:00+00:00.\n"
    assert told.out.endswith(end)
    found = inspect("ek", certificate, *words, "-o", "json").document
    assert list(found)[:3] == ["check", "ek", "chain"]
    assert (found["check"], found["judged_at"], len(found["chain"])) == ("ok", NOW.isoformat(), 2)


def test_without_roots_the_chain_is_not_checked(tmp_path: Path) -> None:
    certificate = written(tmp_path, "ek", EK)
    told = inspect("ek", certificate, "--at", "2026-06-01")
    assert told.code == 0
    assert "Chain not checked: no roots were given." in told.out
    found = inspect("ek", certificate, "--at", "2026-06-01", "-o", "json").document
    assert (found["check"], found["reasons"], found["chain"]) == ("not checked", [], [])


def test_dates_are_judged_now_unless_a_time_is_given(tmp_path: Path) -> None:
    short = written(tmp_path, "ek", ek(MIDDLE, end=NOW))
    assert inspect("ek", short, "--at", "2026-05-31T12:00:00Z").code == 0
    told = inspect("ek", short, "--at", "2099-01-01T00:00:00+02:00")
    assert told.code == 3
    assert "EkCertificateExpired" in told.out
    assert inspect("ek", short, "-o", "json").document["judged_at"].endswith("+00:00")


def test_a_chain_that_does_not_hold_exits_with_3(tmp_path: Path) -> None:
    words = ["--roots", written(tmp_path, "other.pem", authority("Other").pem), "--at", "2026-06-01"]
    told = inspect("ek", written(tmp_path, "ek", EK), *words)
    assert told.code == 3
    assert "EkIssuerUnknown" in told.out
    assert told.out.endswith("It does not hold, judged at 2026-06-01T00:00:00+00:00.\n")
    assert inspect("ek", tmp_path / "ek", *words, "-o", "json").document["check"] == "failed"


def test_a_list_that_cannot_be_used_is_named_by_its_file(tmp_path: Path) -> None:
    crl = written(tmp_path, "crl", b"garbage")
    told = inspect("ek", written(tmp_path, "ek", EK), "--crls", crl, "--at", "2026-06-01")
    assert told.code == 3
    assert f"EkCrlInvalid: {crl} cannot be used" in told.out
    assert "trust/ek-crls" not in told.out


def test_a_revoked_certificate_exits_with_3(tmp_path: Path) -> None:
    words = ["--roots", written(tmp_path, "root", ROOT.pem), "--intermediates", written(tmp_path, "mid", MIDDLE.pem)]
    words += ["--crls", written(tmp_path, "crl", revocations(MIDDLE, 0x1F)), "--at", NOW.isoformat()]
    told = inspect("ek", written(tmp_path, "ek", EK), *words)
    assert told.code == 3
    assert "EkRevoked" in told.out


def test_roots_of_which_none_can_be_read_are_bad_input(tmp_path: Path) -> None:
    certificate, roots = written(tmp_path, "ek", EK), written(tmp_path, "roots/a", b"garbage").parent
    told = inspect("ek", certificate, "--roots", roots)
    assert (told.code, told.err.splitlines()[0]) == (2, f"error: {roots}: holds no certificate that can be read")
    (tmp_path / "none").mkdir()
    empty = inspect("ek", certificate, "--roots", tmp_path / "none")
    assert (empty.code, empty.err.splitlines()[0]) == (2, f"error: {tmp_path}/none: is a folder without files")


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    told = inspect("ek", written(tmp_path, "ek", EK), "--at", "yesterday")
    assert (told.code, told.err.splitlines()[0]) == (2, "error: --at: is not a time")


# What all of them share.

COMMANDS = ["eventlog", "ima", "ek"]
GOOD = {"eventlog": EVENT_LOG, "ima": binary_of(LINES), "ek": EK}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", [b"\0", b"\xff" * 4096, b"\1" * 4096, b"text\n", bytes(range(256)) * 16])
def test_garbage_is_malformed_input(tmp_path: Path, command: str, content: bytes) -> None:
    path = written(tmp_path, "garbage", content)
    told = inspect(command, path)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"error: {path}: ")
    assert "\nhint: " in told.err
    assert is_harmless(told.err)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_was_cut_is_malformed_input(tmp_path: Path, command: str) -> None:
    assert inspect(command, written(tmp_path, "cut", GOOD[command][:-1])).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_cannot_be_read_are_told_by_name_and_cause(tmp_path: Path, command: str) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate((64 << 20) + 1)
    written(tmp_path, "empty", b"")
    said = {
        tmp_path / "missing": "there is no such file",
        tmp_path: "is a folder",
        tmp_path / "empty": "is empty",
        Path(os.devnull): "is empty",
        tmp_path / "empty" / "below": "cannot be read: not a directory",
        tmp_path / "long": f"is longer than {64 << 20} bytes",
    }
    for path, message in said.items():
        told = inspect(command, path)
        assert (told.code, told.out, told.err.splitlines()[0]) == (2, "", f"error: {path}: {message}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "secret", EK)
    path.chmod(0)
    told = inspect("ek", path)
    assert (told.code, told.err.splitlines()[0]) == (2, f"error: {path}: may not be read by this user")


def test_no_untrusted_text_moves_a_cursor(tmp_path: Path) -> None:
    raw = HOSTILE.encode()
    log = old(pcr=4, kind=EV_ACTION, data=raw) + old(pcr=4, kind=EV_ACTION, data=HOSTILE.encode("utf-16-le"))
    folder = tmp_path / HOSTILE
    certificate = ek(MIDDLE, subject=HOSTILE)
    for words in (
        ["eventlog", written(folder, "log", log), "--facts"],
        ["ima", written(folder, "ima", binary_of([Line(path=b"/" + raw)]))],
        ["ek", written(folder, "ek", certificate), "--roots", written(folder, "roots/x" + HOSTILE, ROOT.pem)],
        ["ek", written(folder, "ek", certificate), "--roots", written(folder, "junk", raw)],
        ["ek", folder / "ek", "--roots", folder / "roots", "--intermediates", folder / "junk"],
        ["ek", folder / "ek", "--crls", folder / "junk"],
        ["eventlog", folder / "missing"],
    ):
        for form in ("text", "json"):
            told = inspect(*words, "-o", form)
            assert told.out or told.err
            assert is_harmless(told.out), words
            assert is_harmless(told.err), words


def test_text_is_escaped_and_cut() -> None:
    assert printable("a\tb\u202e\U000e0001é") == "a\\x09b\\u202e\\U000e0001é"
    assert printable("abcdef", width=4) == "abc…"
    assert printable("abcd", width=4) == "abcd"
    assert printable("\x1b\x1b", width=4) == "\\x1…"
    assert as_json({"a": "\x7f\u202e"}) == '{\n  "a": "\\u007f\\u202e"\n}'


def ringfence(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler.cli.main", "inspect", *words]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment)


def test_the_command_needs_no_repository_and_tells_errors_on_standard_error(tmp_path: Path) -> None:
    written(tmp_path, "log", EVENT_LOG)
    good = ringfence("eventlog", "log", "-o", "json", cwd=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["format"] == "crypto-agile"
    bad = ringfence("eventlog", "missing", cwd=tmp_path)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("error: missing: there is no such file\nhint: name a binary event log")
