from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from itertools import islice

import pytest

from reconciler.attest.eventlog.describe import MAX_DESCRIPTION, describe_event
from reconciler.attest.eventlog.events import NO_ACTION
from reconciler.attest.eventlog.grammar import check_grammar, find_faults
from reconciler.attest.eventlog.inspection import inspect_log
from reconciler.attest.eventlog.log import EventLog, parse_log, replay, replay_log
from reconciler.attest.eventlog.measured import check_replay, find_unreplayed
from reconciler.attest.eventlog.workarounds import uses_of
from reconciler.attest.reader import MalformedError
from reconciler.model.policy import Workaround
from tests.conformance.vectors import data, document, names, needs_vectors

pytestmark = needs_vectors

_BANK = re.compile(r"^  (sha\d+)\s*:\s*$")
_PCR = re.compile(r"^    (\d+)\s*:\s*0x([0-9a-fA-F]+)\s*$")
_DIGEST = re.compile(r"AlgorithmId: (\w+)\s+Digest: \"(\w+)\"")

REAL_AND_WHOLE = [
    "go-attestation/crypto_agile_eventlog",
    "go-attestation/ebs_event_missing_eventlog",
    "go-attestation/option_rom_eventlog",
    "go-eventlog/arch-linux-workstation.bin",
    "go-eventlog/rhel8-uefi.bin",
    "go-eventlog/ubuntu-2104-no-secure-boot.bin",
    "keylime/binary_bios_measurements",
    "keylime/binary_bios_measurements-secureboot",
    "tpm2-tools/event-arch-linux.bin",
    "tpm2-tools/event-bootorder.bin",
    "tpm2-tools/event-gce-ubuntu-2104-log.bin",
    "tpm2-tools/event-moklisttrusted.bin",
    "tpm2-tools/event-sd-boot-fedora37.bin",
    "tpm2-tools/event-uefi-sha1-log.bin",
]
SHIMS_OF_2019 = {
    "go-attestation/sb_cert_eventlog": [12, 14],
    "go-eventlog/debian-10.bin": [23],
    "tpm2-tools/event-postcode.bin": [40, 54],
}
PARSING = {"tpm2-tools/specid-vendordata.bin": frozenset({Workaround.VENDOR_DATA_UNCOUNTED})}
DUPLICATE = "go-eventlog/cos-113-intel-tdx-dupe-separator-unpadded.bin"
MISSING = "go-attestation/ebs_event_missing_eventlog"


def all_logs() -> list[str]:
    patterns = ("tpm2-tools/*.bin", "go-eventlog/*.bin", "go-attestation/*_eventlog", "keylime/binary_bios_*")
    return [name for pattern in patterns for name in names(pattern) if "bogus" not in name]


def tpm2_tools_pcrs(name: str) -> dict[str, dict[int, str]]:
    """Return what tpm2_eventlog says that the log ``name`` replays to, by bank."""
    found: dict[str, dict[int, str]] = {}
    bank = ""
    _, _, tail = data(f"{name}.yaml").decode().rpartition("\npcrs:")
    for line in tail.splitlines():
        if match := _BANK.match(line):
            bank = match[1]
            found[bank] = {}
        elif match := _PCR.match(line):
            found[bank][int(match[1])] = match[2].lower()
    return found


def tpm2_tools_events(name: str) -> list[tuple[int, str, dict[str, str]]]:
    """Return PCR, type and digests of every event that tpm2_eventlog decodes in the log ``name``, in order."""
    found = []
    for block in data(f"{name}.yaml").decode().partition("\npcrs:")[0].split("PCRIndex: ")[1:]:
        pcr, kind = re.match(r"(\d+)\s+EventType: (\w+)", block).groups()
        digests = dict(_DIGEST.findall(block))
        if alone := re.search(r"^  Digest: \"(\w+)\"", block, re.MULTILINE):
            digests = {"sha1": alone[1]}
        found.append((int(pcr), kind, digests))
    return found


def replayed(log: EventLog, *, expected: Mapping[str, Mapping[int, str]]) -> dict[str, dict[int, str]]:
    """Return what each bank of ``expected`` replays to, as far as it is expected."""
    values = {bank: replay(log.bank(bank)).values for bank in expected}
    return {bank: {pcr: values[bank][pcr].hex() for pcr in pcrs} for bank, pcrs in expected.items()}


def by_number(pcrs: Mapping[str, Mapping[str, str]]) -> dict[str, dict[int, str]]:
    return {bank: {int(pcr): value for pcr, value in values.items()} for bank, values in pcrs.items()}


@pytest.mark.parametrize("name", names("tpm2-tools/*.bin"))
def test_logs_replay_and_decode_as_tpm2_tools_say(name: str) -> None:
    log = parse_log(data(name), allowed=PARSING.get(name, frozenset()))
    expected = tpm2_tools_pcrs(name)
    assert replayed(log, expected=expected) == expected
    decoded = [
        (record.pcr, record.type_name, {bank: digest.hex() for bank, digest in record.digests.items()})
        for record in log.records
    ]
    assert decoded == tpm2_tools_events(name)


@pytest.mark.parametrize("name", [name for name in names("go-eventlog/*.bin") if name != DUPLICATE])
def test_logs_replay_as_go_eventlog_says(name: str) -> None:
    expected = document("go-eventlog/expected.json")[name.removeprefix("go-eventlog/")]
    log = parse_log(data(name))
    assert (log.format, len(log.records)) == (expected["format"], expected["events"])
    pcrs = by_number(expected["pcrs"])
    assert replayed(log, expected=pcrs) == pcrs


@pytest.mark.parametrize("name", ["option_rom_eventlog", "sb_cert_eventlog"])
def test_logs_replay_as_go_attestation_says(name: str) -> None:
    # These are the values that a TPM held: PCR 10 is the kernel's, and the others the log explains to the last event.
    expected = by_number(document("go-attestation/expected.json")[name]["pcrs"])
    for bank, pcrs in expected.items():
        values = {pcr: bytes.fromhex(value) for pcr, value in pcrs.items()}
        replayed_bank = replay_log(data(f"go-attestation/{name}"), bank=bank)
        reasons = list(check_replay(replayed_bank, values=values, quoted=sorted(values), bank=bank))
        assert {reason.pcr for reason in reasons} <= {10}
        assert {reason.code for reason in reasons} <= {"UnexplainedPcr"}


@pytest.mark.parametrize("name", all_logs())
def test_every_log_parses_whole_and_its_report_covers_every_record(name: str) -> None:
    report = inspect_log(data(name)).as_json()
    log = parse_log(data(name), allowed=PARSING.get(name, frozenset()))
    assert set(report["workarounds"]) == PARSING.get(name, frozenset())
    assert [event["index"] for event in report["events"]] == list(range(len(log.records)))
    for record in log.records:
        text = describe_event(record)
        assert len(text) <= MAX_DESCRIPTION
        assert text.isprintable()


@pytest.mark.parametrize("name", [name for name in all_logs() if name not in PARSING])
def test_no_log_can_be_cut_off_but_between_two_events(name: str) -> None:
    whole = data(name)
    first = parse_log(whole).records[0]
    for end in islice(range(32 + len(first.data) + 1, len(whole)), 0, None, 97):
        try:
            log = parse_log(whole[:end])
        except MalformedError:
            continue
        assert log.records == parse_log(whole).records[: len(log.records)]


def test_a_short_first_event_is_not_a_spec_id() -> None:
    report = inspect_log(data("go-attestation/short_no_action_eventlog")).as_json()
    assert (report["format"], report["startup_locality"]) == ("sha1", 3)
    assert report["pcrs"] == {"sha1": {"0": "00" * 19 + "03"}}


def test_a_boot_guard_log_starts_pcr_0_at_locality_3() -> None:
    assert inspect_log(data("keylime/binary_bios_measurements")).as_json()["startup_locality"] == 3


def test_nonsense_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse_log(data("keylime/binary_bios_measurements-bogus"), allowed=frozenset(Workaround))


@pytest.mark.parametrize("name", REAL_AND_WHOLE)
def test_whole_logs_of_real_machines_keep_to_the_grammar_in_every_bank(name: str) -> None:
    log = parse_log(data(name))
    for bank in log.algorithms:
        assert list(check_grammar(replay(log.bank(bank)), quoted=range(24), bank=bank)) == []


@pytest.mark.parametrize("name", SHIMS_OF_2019)
def test_shims_odd_authority_event_is_refused_unless_its_workaround_is_named(name: str) -> None:
    for bank in parse_log(data(name)).algorithms:
        found = list(find_faults(replay_log(data(name), bank=bank), quoted=(7,), bank=bank))
        assert [(each.reason.code, each.reason.event, each.excuse) for each in found] == [
            ("DigestNotOfData", event, Workaround.SHIM_AUTHORITY) for event in SHIMS_OF_2019[name]
        ]
        used = uses_of(found, allowed={Workaround.SHIM_AUTHORITY})
        assert [use.excused.event for use in used] == SHIMS_OF_2019[name]


def test_a_duplicate_separator_is_refused_unless_its_workaround_is_named() -> None:
    # The guest's log counts its own registers: what are PCR 1 and 7 elsewhere is one register here.
    found = replay_log(data(DUPLICATE), bank="sha384")
    (reason,) = check_grammar(found, quoted=(1,), bank="sha384")
    assert (reason.code, reason.event) == ("SeparatorRepeated", 16)
    assert list(check_grammar(found, quoted=(1,), bank="sha384", allowed={Workaround.DUPLICATE_SEPARATOR})) == []


def test_missing_exit_boot_services_fail_a_plain_replay_and_match_under_their_workaround_only() -> None:
    sha1, _ = document("go-attestation/expected.json")["ebs_event_missing_eventlog"]["pcr5"]
    values = {5: bytes.fromhex(sha1)}
    found = replay_log(data(MISSING), bank="sha1")
    (reason,) = check_replay(found, values=values, quoted=(5,), bank="sha1")
    assert reason.code == "LogMismatch"
    others = frozenset(Workaround) - {Workaround.MISSING_EXIT_BOOT_SERVICES}
    assert list(check_replay(found, values=values, quoted=(5,), bank="sha1", allowed=others)) == [reason]
    findings = list(find_unreplayed(found, values=values, quoted=(5,), bank="sha1"))
    (use,) = uses_of(findings, allowed={Workaround.MISSING_EXIT_BOOT_SERVICES})
    assert (use.workaround, use.excused) == (Workaround.MISSING_EXIT_BOOT_SERVICES, reason)


def test_an_old_virtual_firmware_needs_its_workarounds_by_name_and_no_more() -> None:
    found = replay_log(data("go-attestation/sb_cert_eventlog"), bank="sha256")
    needed = {Workaround.SHIM_AUTHORITY, Workaround.SEPARATOR_IN_PCR_7_ONLY}
    assert list(check_grammar(found, quoted=range(24), bank="sha256", allowed=needed)) == []
    used = uses_of(find_faults(found, quoted=range(24), bank="sha256"), allowed=frozenset(Workaround))
    assert {use.workaround for use in used} == needed


def test_a_windows_guests_log_explains_every_value_of_its_tpm() -> None:
    vector = document("go-attestation/windows_gcp_shielded_vm.json")["Log"]
    values = {pcr["Index"]: base64.b64decode(pcr["Digest"]) for pcr in vector["PCRs"]}
    assert sorted(values) == list(range(24))
    assert replay_log(base64.b64decode(vector["Raw"]), bank="sha1").values == values


def test_vendor_data_that_the_size_leaves_out_is_refused_unless_its_workaround_is_named() -> None:
    (name,) = PARSING
    with pytest.raises(MalformedError):
        parse_log(data(name))
    log = parse_log(data(name), allowed=PARSING[name])
    assert log.spec_id is not None
    assert log.spec_id.vendor == bytes.fromhex("deadbeef")


def test_padding_is_refused_unless_its_workaround_is_named() -> None:
    whole = data(DUPLICATE)
    padded = whole + b"\xff" * 4096
    with pytest.raises(MalformedError):
        parse_log(padded)
    log = parse_log(padded, allowed=frozenset({Workaround.PADDING_AT_THE_END}))
    assert log.records == parse_log(whole).records
    assert log.workarounds == (Workaround.PADDING_AT_THE_END,)


@pytest.mark.parametrize("name", REAL_AND_WHOLE)
def test_no_extended_event_of_a_real_log_can_be_retyped_unseen_in_pcr_7(name: str) -> None:
    """Retype every event of PCR 7 to every other type that it may hold, and see each change refused."""
    log = parse_log(data(name))
    bank = log.algorithms[0]
    events = log.bank(bank)
    kinds = {event.type for event in events if event.pcr == 7 and event.type != NO_ACTION}
    for place, event in enumerate(events):
        if event.pcr != 7:
            continue
        for kind in kinds - {event.type}:
            forged = type(event)(
                index=event.index, pcr=7, type=kind, digest=event.digest, data=event.data, bank=event.bank
            )
            changed = replay([*events[:place], forged, *events[place + 1 :]])
            codes = {reason.code for reason in check_grammar(changed, quoted=(7,), bank=bank)}
            # A database and an authority are both lists of certificates: whoever needs the database misses it then.
            assert codes or b"d\0b\0" in event.data
