from dataclasses import replace

import pytest

from tests.support.firmware import (
    EV_EFI_ACTION,
    EV_EFI_PLATFORM_FIRMWARE_BLOB,
    EV_NO_ACTION,
    EV_S_CRTM_VERSION,
    LogEvent,
    change_digest,
    hashed,
    sha256,
)
from tests.support.measured import EV_DRIVER, blob, device_path, digest, facts_of, partition_table, separator, values_of

EV_CONTENTS = 0x7
EV_NONHOST_INFO = 0x11
EV_HCRTM = 0x80000010
EV_APPLICATION = 0x80000003
EV_GPT = 0x80000006
VERSION = hashed(0, EV_S_CRTM_VERSION, "edk2-1\0".encode("utf-16-le"))
VOLUME = blob(0, "volume", kind=EV_EFI_PLATFORM_FIRMWARE_BLOB)
INVOKED = hashed(5, EV_EFI_ACTION, b"Exit Boot Services Invocation")
SUCCEEDED = hashed(5, EV_EFI_ACTION, b"Exit Boot Services Returned with Success")
FAILED = hashed(5, EV_EFI_ACTION, b"Exit Boot Services Returned with Failure")


def locality(number: int) -> LogEvent:
    return LogEvent(pcr=0, type=EV_NO_ACTION, data=b"StartupLocality\0" + bytes([number]), digest=bytes(32))


def boot_guard(text: bytes = b"Boot Guard Measured S-CRTM\0") -> LogEvent:
    return LogEvent(pcr=0, type=EV_CONTENTS, data=text, digest=sha256(b"boot block"))


@pytest.mark.parametrize(
    ("events", "number", "hcrtm", "guarded"),
    [
        ([VERSION], 0, False, False),
        ([locality(3), boot_guard(), VERSION], 3, False, True),
        ([boot_guard(), VERSION], 0, False, False),
        ([locality(3), VERSION, boot_guard()], 3, False, False),
        ([locality(3), boot_guard(b"something else")], 3, False, False),
        ([locality(4), VERSION], 4, True, False),
        ([LogEvent(pcr=0, type=EV_HCRTM, data=b"HCRTM", digest=sha256(b"x"))], 4, True, False),
        ([], 0, False, False),
    ],
)
def test_the_start_is_the_one_that_leads_to_the_value(
    events: list[LogEvent], number: int, *, hcrtm: bool, guarded: bool
) -> None:
    values = values_of(facts_of([*events, separator(0)]))
    assert values["startupLocality"] == number
    assert values["hcrtm"] is hcrtm
    assert values["bootGuard"] is guarded


def test_a_misplaced_locality_leaves_the_start_open() -> None:
    facts = facts_of([VERSION, locality(3), separator(0)])
    assert not {"startupLocality", "hcrtm", "bootGuard"} & facts.found.keys()
    (problem,) = facts.problems_of("bootGuard")
    assert problem.pcr == 0


def test_the_version_is_a_text_or_hexadecimal() -> None:
    assert values_of(facts_of([VERSION, separator(0)]))["scrtmVersion"] == "edk2-1"
    guid = hashed(0, EV_S_CRTM_VERSION, bytes(range(16)))
    assert values_of(facts_of([guid, separator(0)]))["scrtmVersion"] == bytes(range(16)).hex()


def test_a_version_that_was_not_measured_is_told_but_not_verified() -> None:
    facts = facts_of([change_digest(VERSION), separator(0)])
    assert facts.found["scrtmVersion"].value == "edk2-1"
    assert not facts.found["scrtmVersion"].verified
    assert facts.found["firmwareBlobs"].value == (change_digest(VERSION).digest.hex(),)


@pytest.mark.parametrize(
    "events", [[VERSION, VERSION, separator(0)], [VERSION], [VERSION, separator(0), VERSION, separator(0)]]
)
def test_a_version_that_is_repeated_or_not_delimited_is_no_fact(events: list[LogEvent]) -> None:
    facts = facts_of(events)
    assert "scrtmVersion" not in facts.found
    assert facts.problems_of("scrtmVersion")


def test_a_version_after_the_separator_is_not_the_firmwares() -> None:
    facts = facts_of([separator(0), VERSION])
    assert "scrtmVersion" not in facts.found
    assert facts.problems_of("scrtmVersion") == ()


def test_blobs_are_all_that_is_not_explained_whatever_it_calls_itself() -> None:
    renamed = replace(VOLUME, type=EV_NONHOST_INFO, data=b"nothing to see here")
    disguised = hashed(0, EV_NONHOST_INFO, b"MZ" + bytes(2000))
    facts = facts_of([VERSION, VOLUME, renamed, disguised, separator(0)])
    assert facts.found["firmwareBlobs"].value == (digest("volume"), digest("volume"), disguised.digest.hex())
    assert facts.found["firmwareBlobs"].events == (2, 3, 4)


def test_drivers_cannot_be_hidden_by_another_type() -> None:
    driver = blob(2, "driver", kind=EV_DRIVER, data=device_path("\\rom.efi"))
    renamed = replace(driver, type=EV_NONHOST_INFO)
    facts = facts_of([driver, renamed, separator(2), blob(3, "settings"), blob(1, "setup")])
    assert facts.found["drivers"].value == (digest("driver"), digest("driver"))
    assert facts.found["drivers"].labels == ("\\rom.efi", "EV_NONHOST_INFO")
    assert values_of(facts)["driverConfig"] == (digest("settings"),)
    assert values_of(facts)["firmwareConfig"] == (digest("setup"),)


def test_no_drivers_are_an_empty_list_and_not_nothing() -> None:
    assert values_of(facts_of([separator(2)]))["drivers"] == ()


def test_boot_applications_are_in_order_and_actions_are_not_among_them() -> None:
    calling = hashed(4, EV_EFI_ACTION, b"Calling EFI Application from Boot Option")
    first, second = (blob(4, name, kind=EV_APPLICATION, data=device_path(name)) for name in ("shim", "grub"))
    facts = facts_of([calling, separator(4), first, second])
    assert facts.found["bootApplications"].value == (digest("shim"), digest("grub"))
    assert facts.found["bootApplications"].events == (3, 4)
    assert facts.found["bootApplications"].labels == ("shim", "grub")


def test_an_application_that_calls_itself_an_action_is_still_an_application() -> None:
    fake = LogEvent(pcr=4, type=EV_EFI_ACTION, data=b"Calling EFI Application", digest=sha256(b"evil"))
    program = hashed(4, EV_EFI_ACTION, b"MZ\x90\0 the whole program as its own data")
    facts = facts_of([separator(4), fake, program])
    assert facts.found["bootApplications"].value == (digest("evil"), program.digest.hex())


def test_partition_tables_are_digests_and_their_disks_are_told() -> None:
    table = hashed(5, EV_GPT, partition_table())
    facts = facts_of([table, separator(5)])
    assert values_of(facts)["gpt"] == (table.digest.hex(),)
    assert values_of(facts)["gptDisks"] == ("03020100-0504-0706-0809-0a0b0c0d0e0f",)


def test_disks_are_unverified_if_anything_in_their_pcr_is() -> None:
    facts = facts_of([hashed(5, EV_GPT, partition_table()), blob(5, "more"), separator(5)])
    assert not facts.found["gptDisks"].verified


def test_a_table_that_cannot_be_read_leaves_the_disks_open() -> None:
    facts = facts_of([hashed(5, EV_GPT, b"EFI PART\0"), separator(5)])
    assert "gptDisks" not in facts.found
    assert facts.problems_of("gptDisks")[0].event == 1


@pytest.mark.parametrize(
    ("events", "value"),
    [
        ([], False),
        ([INVOKED, SUCCEEDED], True),
        ([INVOKED, FAILED, INVOKED, SUCCEEDED], True),
        ([INVOKED], None),
        ([SUCCEEDED], None),
        ([INVOKED, FAILED], None),
        ([SUCCEEDED, INVOKED], None),
        ([INVOKED, SUCCEEDED, INVOKED, SUCCEEDED], None),
    ],
)
def test_the_operating_system_took_over_if_boot_services_ended_in_order(events: list[LogEvent], value: object) -> None:
    facts = facts_of([separator(5), *events])
    assert values_of(facts).get("exitBootServices") is value
    assert bool(facts.problems_of("exitBootServices")) is (value is None)


def test_a_replay_that_no_start_leads_to_is_a_problem() -> None:
    from reconciler.attest.eventlog.log import parse_event_log
    from reconciler.attest.eventlog.log import replay as replayed
    from reconciler.attest.facts.collect import collect_facts
    from reconciler.model.families import Family
    from tests.support.firmware import encode

    found = replayed(parse_event_log(encode([VERSION]), bank="sha256"))
    other = replace(found, values={**found.values, 0: b"\x07" * 32})
    facts = collect_facts(other, family=Family.UEFI, quoted=(0,), bank="sha256")
    assert facts.problems_of("startupLocality")
