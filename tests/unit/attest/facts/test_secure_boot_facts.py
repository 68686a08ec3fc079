import hashlib
from dataclasses import replace

import pytest

from reconciler.attest.facts.values import Facts
from tests.support.firmware import (
    EV_EFI_ACTION,
    EV_EFI_VARIABLE_DRIVER_CONFIG,
    EV_SEPARATOR,
    GLOBAL,
    SECURITY_DATABASE,
    LogEvent,
    change_digest,
    hashed,
    variable,
)
from tests.support.measured import (
    EV_AUTHORITY,
    OWNER,
    SBAT,
    SHA256,
    SHIM,
    X509,
    blob,
    certificate,
    facts_of,
    separator,
    signature_list,
    values_of,
)

BEFORE = ("secureBoot", "pk", "kek", "db", "dbx", "authoritiesBeforeSeparator")
AFTER = ("authoritiesAfterSeparator", "sbatLevel", "sbatGenerations")
DEBUG = hashed(7, EV_EFI_ACTION, b"UEFI Debug Mode")


def known(name: str) -> str:
    return hashlib.sha256(certificate(name)).hexdigest()


def config(name: str, content: bytes, guid: bytes = GLOBAL) -> LogEvent:
    return hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable(name, content, guid=guid))


def authority(name: str, content: bytes, guid: bytes = SECURITY_DATABASE) -> LogEvent:
    return hashed(7, EV_AUTHORITY, variable(name, content, guid=guid))


SECURE = config("SecureBoot", b"\x01")
PK = config("PK", signature_list(X509, certificate("pk")))
KEK = config("KEK", signature_list(X509, certificate("kek")) + signature_list(X509, certificate("kek2")))
DB = config("db", signature_list(X509, certificate("ca")), SECURITY_DATABASE)
DBX = config("dbx", signature_list(SHA256, b"x" * 32, b"y" * 32), SECURITY_DATABASE)
ROM = authority("db", OWNER + b"r" * 32)
CA = authority("db", OWNER + certificate("ca"))
VENDOR = authority("Shim", certificate("vendor"), SHIM)
LEVEL = authority("SbatLevel", SBAT, SHIM)
TRUSTED = authority("MokListTrusted", b"\x01", SHIM)
BOOT = [SECURE, PK, KEK, DB, DBX, ROM, separator(7), CA, LEVEL, TRUSTED, VENDOR]


def without_facts(facts: Facts, names: tuple[str, ...]) -> bool:
    return not facts.found.keys() & set(names) and all(facts.problems_of(name) for name in names)


def test_a_whole_boot_proves_keys_authorities_and_levels() -> None:
    facts = facts_of(BOOT, quoted=(7,))
    assert facts.problems == ()
    assert values_of(facts) == {
        "secureBoot": True,
        "pk": {known("pk")},
        "kek": {known("kek"), known("kek2")},
        "db": {known("ca")},
        "dbx": {(b"x" * 32).hex(), (b"y" * 32).hex()},
        "authoritiesBeforeSeparator": {(b"r" * 32).hex()},
        "authoritiesAfterSeparator": {known("ca"), known("vendor")},
        "sbatLevel": 2023012900,
        "sbatGenerations": {"sbat": 1, "shim": 2, "grub": 3},
        "uefiDebugMode": False,
        "dmaProtectionDisabled": False,
    }
    assert facts.found["secureBoot"].events == (1,)
    assert facts.found["authoritiesAfterSeparator"].events == (8, 11)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"UEFI Debug Mode", "uefiDebugMode"),
        (b"UEFI Debug Mode\0", "uefiDebugMode"),
        (b"DMA Protection Disabled", "dmaProtectionDisabled"),
        (b"DMA Protection Disabled\0", "dmaProtectionDisabled"),
    ],
)
@pytest.mark.parametrize("at", [0, 8])
def test_what_weakens_the_machine_is_seen_even_if_its_text_is_hidden(text: bytes, name: str, at: int) -> None:
    event = hashed(7, EV_EFI_ACTION, text)
    facts = facts_of([*BOOT[:at], event, *BOOT[at:]], quoted=(7,))
    assert facts.problems == ()
    assert values_of(facts)[name] is True
    hidden = facts_of([*BOOT[:at], replace(event, data=b"hidden", type=EV_AUTHORITY), *BOOT[at:]], quoted=(7,))
    assert values_of(hidden)[name] is True


@pytest.mark.parametrize("events", [[], BOOT[:6], [*BOOT, separator(7)]])
def test_without_exactly_one_separator_nothing_else_is_proven(events: list[LogEvent]) -> None:
    assert without_facts(facts_of(events, quoted=(7,)), BEFORE + AFTER)


def test_a_retyped_separator_is_still_the_separator() -> None:
    # The attack: the real events are retyped to something ignored, and forged ones appended behind them.
    real = [config("SecureBoot", b"\0"), PK, KEK, DB, DBX, separator(7)]
    retyped = [replace(event, type=EV_AUTHORITY) for event in real]
    retyped[-1] = replace(separator(7), type=EV_EFI_ACTION)
    forged = [SECURE, PK, KEK, DB, DBX, hashed(7, EV_SEPARATOR, bytes(4))]
    assert without_facts(facts_of([*retyped, *forged], quoted=(7,)), BEFORE + AFTER)
    assert values_of(facts_of(retyped, quoted=(7,)))["secureBoot"] is False


def test_types_decide_nothing() -> None:
    swapped = [replace(event, type=EV_EFI_ACTION) for event in BOOT]
    assert values_of(facts_of(swapped, quoted=(7,))) == values_of(facts_of(BOOT, quoted=(7,)))


def test_an_event_that_does_not_prove_its_variable_tells_it_unverified_and_hides_the_others() -> None:
    facts = facts_of([change_digest(SECURE), *BOOT[1:]], quoted=(7,))
    assert facts.found["secureBoot"].value is True
    assert not facts.found["secureBoot"].verified
    assert without_facts(facts, ("pk", "kek", "db", "dbx", "authoritiesBeforeSeparator"))
    assert "sbatLevel" in values_of(facts)


@pytest.mark.parametrize("hidden", [blob(7, "hidden", data=b"no variable"), change_digest(ROM)])
def test_one_hidden_event_before_the_separator_hides_all(hidden: LogEvent) -> None:
    facts = facts_of([hidden, *BOOT], quoted=(7,))
    assert "secureBoot" not in values_of(facts)
    assert facts.problems_of("secureBoot")[0].event == 1


def test_a_hidden_event_after_the_separator_leaves_what_stands_before_it() -> None:
    facts = facts_of([*BOOT, change_digest(CA)], quoted=(7,))
    assert without_facts(facts, AFTER)
    assert values_of(facts)["secureBoot"] is True


@pytest.mark.parametrize("data", [b"no variable\0\x01", b"\0"])
def test_what_cannot_be_read_leaves_its_half_open(data: bytes) -> None:
    event = hashed(7, EV_AUTHORITY, data)
    assert without_facts(facts_of([event, *BOOT], quoted=(7,)), BEFORE)
    assert without_facts(facts_of([*BOOT, event], quoted=(7,)), AFTER)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (config("SecureBoot", b""), "secureBoot"),
        (config("SecureBoot", b"\x02"), "secureBoot"),
        (config("SecureBoot", b"\x01\x01"), "secureBoot"),
        (config("PK", b"nonsense"), "pk"),
    ],
)
def test_a_variable_that_is_not_in_its_form_is_no_fact(event: LogEvent, name: str) -> None:
    assert without_facts(facts_of([event, separator(7)], quoted=(7,)), (name,))


@pytest.mark.parametrize(("event", "name"), [(SECURE, "secureBoot"), (PK, "pk"), (DB, "db")])
def test_a_variable_that_is_measured_twice_or_too_late_is_no_fact(event: LogEvent, name: str) -> None:
    assert without_facts(facts_of([event, *BOOT], quoted=(7,)), (name,))
    assert without_facts(facts_of([*BOOT, event], quoted=(7,)), (name,))


@pytest.mark.parametrize("event", [LEVEL, authority("SbatLevel", b"sbat,9,2999010100\n", SHIM)])
def test_an_sbat_level_that_is_measured_twice_is_no_fact(event: LogEvent) -> None:
    assert without_facts(facts_of([*BOOT, event], quoted=(7,)), ("sbatLevel", "sbatGenerations"))


def test_an_sbat_level_that_cannot_be_read_is_no_fact() -> None:
    event = authority("SbatLevel", b"nonsense", SHIM)
    assert without_facts(facts_of([separator(7), event], quoted=(7,)), ("sbatLevel", "sbatGenerations"))


def test_a_variable_of_another_vendor_is_another_variable() -> None:
    facts = facts_of([config("SecureBoot", b"\x01", SECURITY_DATABASE), separator(7)], quoted=(7,))
    assert "secureBoot" not in facts.found
