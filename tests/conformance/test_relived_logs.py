"""Logs of real machines, relived on a real TPM: what it then holds is what others' tools say of the log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.lab import recorded, relive
from tests.conformance.vectors import data, document, names, needs_vectors
from tests.support.swtpm import cold, make_state

pytestmark = needs_vectors

_SHA256 = re.compile(rb"^  sha256\s*:\s*$((?:\n    \d+\s*:.*)+)", re.MULTILINE)
_PCR = re.compile(rb"(\d+)\s*:\s*0x([0-9a-fA-F]{64})")
Relive = Callable[[str], dict[int, str]]


@pytest.fixture(scope="module")
def relived(tmp_path_factory: pytest.TempPathFactory) -> Relive:
    state = make_state(tmp_path_factory.mktemp("tpm"))

    def bring(name: str) -> dict[int, str]:
        from reconciler.agent.tpm import Tpm

        with cold(state, socket=tmp_path_factory.mktemp("run") / "tpm") as socket:
            relive.relive(recorded.read(data(name), subject=name), socket=socket, subject=name)
            with Tpm(f"swtpm:path={socket}") as tpm:
                return {pcr: value.hex() for pcr, value in tpm.read_pcrs(bank="sha256", pcrs=range(24)).items()}

    return bring


def compare(relived: Relive, name: str, expected: dict[int, str]) -> None:
    """Relive and compare, or see the log refused if others find no SHA-256 bank in it."""
    if not expected:
        with pytest.raises(InputError, match="cannot be relived"):
            relived(name)
        return
    found = relived(name)
    assert {pcr: found[pcr] for pcr in expected} == expected


@pytest.mark.parametrize("name", names("tpm2-tools/event*.bin"))
def test_a_tpm_holds_what_tpm2_tools_say_of_the_log(relived: Relive, name: str) -> None:
    bank = _SHA256.search(data(f"{name}.yaml").rpartition(b"\npcrs:")[2])
    compare(relived, name, {int(pcr): value.decode().lower() for pcr, value in _PCR.findall(bank[1] if bank else b"")})


@pytest.mark.parametrize("name", [name for name in names("go-eventlog/*.bin") if "dupe-separator" not in name])
def test_a_tpm_holds_what_go_eventlog_says_of_the_log(relived: Relive, name: str) -> None:
    expected = document("go-eventlog/expected.json")[name.removeprefix("go-eventlog/")]["pcrs"].get("sha256", {})
    compare(relived, name, {int(pcr): value for pcr, value in expected.items()})


def test_a_boot_guard_log_is_relived_from_locality_3(relived: Relive) -> None:
    name = "keylime/binary_bios_measurements"
    events = recorded.read(data(name), subject=name)
    assert relive.startup_locality(events) == 3
    value = bytes(31) + b"\x03"
    for event in events:
        if event.pcr == 0 and event.is_extended:
            value = hashlib.sha256(value + event.digest).digest()
    assert relived(name)[0] == value.hex()


def test_a_log_that_is_nonsense_is_refused(relived: Relive) -> None:
    with pytest.raises(InputError):
        relived("keylime/binary_bios_measurements-bogus")
