"""Facts of real machines' logs, compared with what tpm2-tools reads from them.

What is expected follows from tpm2_eventlog's decoded events: those that stand beside its own fixtures, and for other
logs those that the installed tool prints. Its view of types and texts is taken, so the comparison is of honest logs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from ruamel.yaml import YAML

from reconciler.attest.eventlog.log import parse_event_log, replay
from reconciler.attest.facts.assertions import check_facts
from reconciler.attest.facts.collect import collect_facts
from reconciler.attest.facts.document import facts_document
from reconciler.attest.facts.suggest import suggest_assertions
from reconciler.attest.facts.values import Facts
from reconciler.model.families import Family
from tests.conformance.vectors import FOLDER, data, document, needs_vectors

pytestmark = needs_vectors

WITH_YAML = [
    "tpm2-tools/event-arch-linux.bin",
    "tpm2-tools/event-bootorder.bin",
    "tpm2-tools/event-gce-ubuntu-2104-log.bin",
    "tpm2-tools/event-moklisttrusted.bin",
    "tpm2-tools/event-postcode.bin",
    "tpm2-tools/event-sd-boot-fedora37.bin",
]
WITHOUT_YAML = [
    "go-attestation/crypto_agile_eventlog",
    "go-attestation/sb_cert_eventlog",
    "go-eventlog/arch-linux-workstation.bin",
    "go-eventlog/rhel8-uefi.bin",
    "go-eventlog/ubuntu-2104-no-secure-boot.bin",
    "keylime/binary_bios_measurements",
    "keylime/binary_bios_measurements-secureboot",
]
LOGS = WITH_YAML + WITHOUT_YAML
SHIMS_ODD_EVENT = {"tpm2-tools/event-postcode.bin", "go-attestation/sb_cert_eventlog"}
X509 = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072"
DER = b"\x30\x82"
CONFIGURATION = {"PK": "pk", "KEK": "kek", "db": "db", "dbx": "dbx"}

Decoded = list[dict[str, Any]]


def decoded(name: str) -> Decoded:
    """Return the events of the log ``name`` as tpm2-tools reads them."""
    if name in WITH_YAML:
        text = data(f"{name}.yaml").decode()
    elif tool := shutil.which("tpm2_eventlog"):
        text = subprocess.run([tool, str(FOLDER / name)], check=True, capture_output=True, timeout=60).stdout.decode()
    else:
        pytest.skip("tpm2_eventlog is not installed")
    events: Decoded = YAML(typ="safe").load(text)["events"]
    return events


def found(name: str) -> Facts:
    events = parse_event_log(data(name), bank="sha256")
    return collect_facts(replay(events), family=Family.UEFI, quoted=range(24), bank="sha256")


def value(facts: Facts, name: str) -> object:
    """Return the value of a verified fact, or None."""
    fact = facts.found.get(name)
    return fact.value if fact is not None and fact.verified else None


def digest_of(event: dict[str, Any]) -> str:
    return next(str(entry["Digest"]) for entry in event["Digests"] if entry["AlgorithmId"] == "sha256")


def of(events: Decoded, pcr: int, *types: str) -> Decoded:
    return [event for event in events if event["PCRIndex"] == pcr and event["EventType"] in types]


def digests(events: Decoded) -> tuple[str, ...]:
    return tuple(digest_of(event) for event in events)


def variables(events: Decoded, kind: str) -> Decoded:
    return [event["Event"] for event in of(events, 7, kind)]


def raw_of(variable: dict[str, Any]) -> bytes:
    """Return the content of a variable that the tool does not decode, as older ones do not."""
    return bytes.fromhex(str(variable.get("VariableData") or ""))


def signatures(variable: dict[str, Any]) -> set[str]:
    """Return the digests of the lists' entries, decoded by the tool, or taken apart here."""
    lists = variable.get("VariableData") or []
    if isinstance(lists, str):
        entries = list(taken_apart(raw_of(variable)))
    else:
        entries = [(each["SignatureType"], str(key["SignatureData"])) for each in lists for key in each["Keys"]]
    return {hashlib.sha256(bytes.fromhex(text)).hexdigest() if kind == X509 else text for kind, text in entries}


def taken_apart(lists: bytes) -> Iterator[tuple[str, str]]:
    while lists:
        whole, header, entry = struct.unpack_from("<III", lists, 16)
        for at in range(28 + header, whole, entry):
            yield str(UUID(bytes_le=lists[:16])), lists[at + 16 : at + entry].hex()
        lists = lists[whole:]


def authorities(events: Decoded) -> set[str]:
    """Return the digests of certificates; the tool takes the first bytes of shim's own for an owner's GUID."""
    contents = []
    for variable in variables(events, "EV_EFI_VARIABLE_AUTHORITY"):
        told = variable["VariableData"]
        if isinstance(told, str):
            contents.append(raw_of(variable))
        elif isinstance(told, list):
            contents += [UUID(key["SignatureOwner"]).bytes_le + bytes.fromhex(key["SignatureData"]) for key in told]
    alone = [content if content[:2] == DER else content[16:] for content in contents]
    return {hashlib.sha256(content).hexdigest() for content in alone if content[:2] == DER}


def text_of(event: dict[str, Any]) -> str:
    """Return the text of an EV_IPL event, without quotes and NULs, whichever way a tool writes them."""
    return str(event["Event"]["String"]).strip('"').replace("\\0", "").strip("\0\n ")


@pytest.mark.parametrize("name", LOGS)
def test_secure_boots_state_and_keys_are_those_of_the_decoded_log(name: str) -> None:
    events, facts = decoded(name), found(name)
    seen = set()
    for variable in variables(events, "EV_EFI_VARIABLE_DRIVER_CONFIG"):
        what = str(variable["UnicodeName"])
        if what == "SecureBoot":
            # A variable of no bytes is not the one byte that says so; the tool reads it as "No".
            told = variable.get("VariableData")
            is_on = told["Enabled"] == "Yes" if isinstance(told, dict) else told == "01"
            assert value(facts, "secureBoot") == (is_on if variable["VariableDataLength"] == 1 else None)
        elif what in CONFIGURATION:
            seen.add(what)
            assert value(facts, CONFIGURATION[what]) == signatures(variable), what
    assert seen == set(CONFIGURATION)


@pytest.mark.parametrize("name", LOGS)
def test_authorities_are_those_of_the_decoded_log(name: str) -> None:
    events, facts = decoded(name), found(name)
    assert value(facts, "authoritiesBeforeSeparator") == set()
    if name in SHIMS_ODD_EVENT:
        assert value(facts, "authoritiesAfterSeparator") is None
        assert facts.problems_of("authoritiesAfterSeparator")
    else:
        assert value(facts, "authoritiesAfterSeparator") == authorities(events)


@pytest.mark.parametrize("name", LOGS)
def test_sbat_levels_are_those_of_the_decoded_log(name: str) -> None:
    levels = [
        variable["VariableData"]
        for variable in variables(decoded(name), "EV_EFI_VARIABLE_AUTHORITY")
        if variable["UnicodeName"] == "SbatLevel"
    ]
    facts = found(name)
    assert (value(facts, "sbatLevel") is None) == (not levels)
    for level in levels:
        text = level["String"] if isinstance(level, dict) else bytes.fromhex(str(level)).decode()
        lines = [line.split(",") for line in text.split()]
        assert value(facts, "sbatLevel") == int(lines[0][2])
        assert value(facts, "sbatGenerations") == {line[0]: int(line[1]) for line in lines}


def disk_of(table: dict[str, Any] | str) -> str:
    if isinstance(table, dict):
        return str(table["Header"]["DiskGUID"])
    return str(UUID(bytes_le=bytes.fromhex(table)[56:72]))


@pytest.mark.parametrize("name", LOGS)
def test_what_was_started_is_what_the_decoded_log_says(name: str) -> None:
    events, facts = decoded(name), found(name)
    assert value(facts, "bootApplications") == digests(of(events, 4, "EV_EFI_BOOT_SERVICES_APPLICATION"))
    assert value(facts, "drivers") == digests(of(events, 2, "EV_EFI_BOOT_SERVICES_DRIVER"))
    tables = of(events, 5, "EV_EFI_GPT_EVENT")
    assert value(facts, "gpt") == digests(tables)
    assert value(facts, "gptDisks") == tuple(disk_of(event["Event"]) for event in tables)
    actions = [str(event["Event"]) for event in of(events, 5, "EV_EFI_ACTION")]
    assert value(facts, "exitBootServices") == ("Exit Boot Services Returned with Success" in actions)


@pytest.mark.parametrize("name", LOGS)
def test_the_firmware_is_that_of_the_decoded_log(name: str) -> None:
    events, facts = decoded(name), found(name)
    blobs = of(events, 0, "EV_EFI_PLATFORM_FIRMWARE_BLOB", "EV_POST_CODE", "EV_S_CRTM_CONTENTS")
    measured = value(facts, "firmwareBlobs")
    assert isinstance(measured, tuple)
    assert set(digests(blobs)) <= set(measured)
    # What else is there has a digest that its short data does not explain.
    others = of(events, 0, "EV_NONHOST_INFO")
    assert set(measured) <= {*digests(blobs), *digests(others)}
    (version,) = of(events, 0, "EV_S_CRTM_VERSION")
    raw = bytes.fromhex(str(version["Event"]))
    expected = {raw.hex(), raw.decode("utf-16-le", "replace").rstrip("\0")}
    # One log is of a firmware that writes no separator into PCR 0, so that its version could have been added later.
    assert value(facts, "scrtmVersion") in (expected if of(events, 0, "EV_SEPARATOR") else {None})


@pytest.mark.parametrize("name", LOGS)
def test_kernels_and_shims_variables_are_those_of_the_decoded_log(name: str) -> None:
    events, facts = decoded(name), found(name)
    texts = [text_of(event) for event in of(events, 8, "EV_IPL")]
    lines = [text.partition("kernel_cmdline")[2].lstrip(": ") for text in texts if "kernel_cmdline" in text[:20]]
    commands = [text for text in texts if "grub_cmd" in text[:8]]
    line = value(facts, "kernelCommandLine")
    if lines:
        assert [str(line).rstrip()] == lines
        told = value(facts, "grubCommands")
        assert isinstance(told, tuple)
        assert len(told) == len(commands)
    else:
        assert (line is None) == (not texts)
    assert value(facts, "loadedFiles") == digests(of(events, 9, "EV_IPL", "EV_EVENT_TAG"))
    mok = of(events, 14, "EV_IPL")
    assert value(facts, "mokState") == digests(mok)
    for event in mok:
        label = text_of(event)
        assert value(facts, label[0].lower() + label[1:]) == digest_of(event)


def test_keylimes_machine_has_boot_guard_and_the_others_do_not() -> None:
    guarded = {name for name in LOGS if value(found(name), "bootGuard")}
    assert guarded == {"keylime/binary_bios_measurements"}
    for name in LOGS:
        _, told, rest = data(name).partition(b"StartupLocality\0")
        assert value(found(name), "startupLocality") == (rest[0] if told else 0)


@pytest.mark.parametrize("name", [name for name in LOGS if name.startswith("go-eventlog/")])
def test_the_logs_of_these_facts_replay_to_the_values_on_record(name: str) -> None:
    expected = document("go-eventlog/expected.json")[name.removeprefix("go-eventlog/")]["pcrs"]["sha256"]
    values = replay(parse_event_log(data(name), bank="sha256")).values
    assert {pcr: values[int(pcr)].hex() for pcr in expected} == expected


@pytest.mark.parametrize("name", LOGS)
def test_what_a_log_proves_holds_of_it_and_of_no_other_log(name: str) -> None:
    facts = found(name)
    assert json.loads(json.dumps(facts_document(facts))) == facts_document(facts)
    suggested = list(suggest_assertions(facts))
    assert list(check_facts(facts, suggested)) == []
    for other in LOGS:
        if data(other) != data(name):
            assert list(check_facts(found(other), suggested)), other
