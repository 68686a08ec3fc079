from __future__ import annotations

import re

import pytest

from reconciler.attest.eventlog.grammar import check_grammar
from reconciler.attest.eventlog.log import FormatError, parse_event_log, replay
from reconciler.attest.reader import MalformedError
from tests.conformance.vectors import data, document, names, needs_vectors

pytestmark = needs_vectors

_BANK = re.compile(r"^  (sha\d+)\s*:\s*$")
_PCR = re.compile(r"^    (\d+)\s*:\s*0x([0-9a-fA-F]+)\s*$")


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


def check(log: bytes, expected: dict[int, str] | None) -> None:
    """Replay ``log`` and compare, or see it refused if nothing is ``expected`` of its SHA-256 bank."""
    if not expected:
        with pytest.raises(FormatError):
            parse_event_log(log, bank="sha256")
        return
    values = replay(parse_event_log(log, bank="sha256")).values
    assert {pcr: values[pcr].hex() for pcr in expected} == expected


@pytest.mark.parametrize("name", names("tpm2-tools/event*.bin"))
def test_logs_replay_as_tpm2_tools_say(name: str) -> None:
    check(data(name), tpm2_tools_pcrs(name).get("sha256"))


@pytest.mark.parametrize("name", [name for name in names("go-eventlog/*.bin") if "dupe-separator" not in name])
def test_logs_replay_as_go_eventlog_says(name: str) -> None:
    expected = document("go-eventlog/expected.json")[name.removeprefix("go-eventlog/")]["pcrs"].get("sha256", {})
    check(data(name), {int(pcr): value for pcr, value in expected.items()})


@pytest.mark.parametrize("name", ["binary_bios_measurements", "binary_bios_measurements-secureboot"])
def test_keylimes_logs_parse(name: str) -> None:
    assert parse_event_log(data(f"keylime/{name}"), bank="sha256")


def test_nonsense_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse_event_log(data("keylime/binary_bios_measurements-bogus"), bank="sha256")


@pytest.mark.parametrize(
    "name",
    [
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
    ],
)
def test_whole_logs_of_real_machines_keep_to_the_grammar(name: str) -> None:
    replayed = replay(parse_event_log(data(name), bank="sha256"))
    assert list(check_grammar(replayed, quoted=range(24), bank="sha256")) == []


def test_shims_odd_authority_event_is_refused_as_long_as_no_workaround_is_named() -> None:
    replayed = replay(parse_event_log(data("tpm2-tools/event-postcode.bin"), bank="sha256"))
    reasons = check_grammar(replayed, quoted=range(24), bank="sha256")
    assert {(reason.code, reason.pcr, reason.event_type) for reason in reasons} == {
        ("DigestNotOfData", 7, "EV_EFI_VARIABLE_AUTHORITY")
    }


def test_a_log_with_a_duplicate_separator_is_refused() -> None:
    # It is a SHA-1 log besides, which is refused before anything in it is looked at.
    with pytest.raises(FormatError):
        parse_event_log(data("go-eventlog/cos-113-intel-tdx-dupe-separator-unpadded.bin"), bank="sha256")
