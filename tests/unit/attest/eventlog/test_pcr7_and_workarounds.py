"""What the grammar holds against events that pretend to be others, and what it excuses by name."""

import struct
from collections.abc import Sequence

import pytest

from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.grammar import check_grammar, find_faults
from reconciler.attest.eventlog.log import Event, replay
from reconciler.attest.eventlog.variables import SHIM
from reconciler.attest.eventlog.workarounds import uses_of
from reconciler.model.policy import Workaround
from tests.support.firmware import GLOBAL, SECURITY_DATABASE, variable

SEPARATOR, ACTION, COMPACT, CRTM = 4, 5, 0xC, 8
CONFIG, BOOT, APPLICATION, GPT, EFI_ACTION, BOOT2 = (0x80000000 + number for number in (1, 2, 3, 6, 7, 0xC))
AUTHORITY, POLICY, SPDM_AUTHORITY = 0x800000E0, 0x800000E3, 0x800000E4
ZEROS = bytes(4)
BARE = struct.pack("<QQ", 4, 6) + "Shim".encode("utf-16-le") + b"0\x82cert"


def event(pcr: int, kind: int, data: bytes, *, measured: bytes | None = None) -> Event:
    digest = digest_of(data if measured is None else measured, bank="sha256")
    return Event(index=9, pcr=pcr, type=kind, digest=digest, data=data)


def found(events: Sequence[Event], *, pcr: int, allowed: frozenset[Workaround] = frozenset()) -> set[str]:
    reasons = check_grammar(replay(events), quoted=(pcr,), bank="sha256", allowed=allowed)
    return {reason.code for reason in reasons}


def separated(*events: Event, pcr: int = 7) -> list[Event]:
    return [*events, event(pcr, SEPARATOR, ZEROS)]


def shims(surplus: bytes = bytes(5), *, hidden: bytes = b"\xaf", vendor: bytes = SHIM.bytes_le) -> Event:
    data = vendor + BARE + surplus
    return event(7, AUTHORITY, data + hidden, measured=data)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (event(7, CONFIG, ZEROS), "SeparatorDisguised"),
        (event(7, AUTHORITY, b"\xff" * 4), "SeparatorDisguised"),
        (event(7, AUTHORITY, b"no variable"), "VariableMalformed"),
        (event(7, AUTHORITY, variable("SecureBoot", b"\0")), "VariableMisplaced"),
        (event(7, SPDM_AUTHORITY, variable("PK", b"key")), "VariableMisplaced"),
        (event(7, EFI_ACTION, variable("SecureBoot", b"\0")), "ActionUnknown"),
        (event(7, EFI_ACTION, b"Calling EFI Application from Boot Option"), "ActionUnknown"),
        (event(7, CONFIG, variable("SecureBoot", b"\1\1")), "VariableMalformed"),
        (event(7, POLICY, b"x", measured=b"y"), "DigestNotOfData"),
        (event(7, COMPACT, b"text"), "UnknownEventType"),
    ],
)
def test_an_event_of_pcr_7_that_pretends_to_be_another_is_refused(fault: Event, code: str) -> None:
    assert code in found(separated(fault), pcr=7)


def test_what_pcr_7_may_hold_is_accepted() -> None:
    before = [
        event(7, CONFIG, variable("SecureBoot", b"")),
        event(7, CONFIG, variable("PK", b"")),
        event(7, POLICY, variable("devdb", b"", guid=SECURITY_DATABASE)),
        event(7, EFI_ACTION, b"UEFI Debug Mode"),
        event(7, EFI_ACTION, b"DMA Protection Disabled\0"),
        event(7, AUTHORITY, variable("db", b"owner and key", guid=SECURITY_DATABASE)),
    ]
    after = [event(7, SPDM_AUTHORITY, variable("devdb", b"key", guid=SECURITY_DATABASE))]
    assert found([*separated(*before), *after], pcr=7) == set()


def test_a_device_policy_stands_before_the_separator_like_other_configuration() -> None:
    late = [*separated(), event(7, POLICY, variable("devdb", b""))]
    assert found(late, pcr=7) == {"VariableAfterSeparator"}


@pytest.mark.parametrize("pcr", range(8))
def test_a_retyped_separator_is_known_by_its_digest(pcr: int) -> None:
    """Malware cannot move the separator: it retypes the real one, measures its own events and a new one."""
    real = event(pcr, SEPARATOR, ZEROS)
    retyped = Event(index=1, pcr=pcr, type=1, digest=real.digest, data=b"ACPI DATA")
    assert "SeparatorDisguised" in found([retyped, *separated(pcr=pcr)], pcr=pcr)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (event(4, COMPACT, b"path", measured=b"application"), "DigestNotOfData"),
        (event(4, ACTION, b"MZ\x90\0" + bytes(300)), "DigestNotOfData"),
        (event(4, EFI_ACTION, b"MZ\x90\0 an application as its own text"), "ActionUnknown"),
        (event(4, EFI_ACTION, b"x" * 257), "ActionUnknown"),
        (event(5, GPT, b"table", measured=b"other"), "DigestNotOfData"),
        (event(0, CRTM, b"version", measured=b"other"), "DigestNotOfData"),
        (event(1, BOOT2, variable("Boot0000", b"x"), measured=b"x"), "DigestNotOfData"),
    ],
)
def test_an_event_whose_data_do_not_say_what_was_measured_is_refused(fault: Event, code: str) -> None:
    assert found(separated(fault, pcr=fault.pcr), pcr=fault.pcr) == {code}


@pytest.mark.parametrize(
    "fine",
    [
        event(4, COMPACT, b"\x10\0\0\0"),
        event(4, ACTION, b"Calling INT 19h"),
        event(4, EFI_ACTION, b"Returning from EFI Application from Boot Option"),
        event(4, APPLICATION, b"path", measured=b"application"),
        event(1, BOOT, variable("Boot0000", b"x"), measured=b"x"),
        event(0, 1, b"ACPI DATA", measured=b"tables"),
    ],
)
def test_what_real_firmware_measures_is_accepted(fine: Event) -> None:
    assert found(separated(fine, pcr=fine.pcr), pcr=fine.pcr) == set()


def test_shims_odd_event_is_excused_by_name_and_reported() -> None:
    events = [*separated(), shims()]
    assert found(events, pcr=7) == {"DigestNotOfData"}
    assert found(events, pcr=7, allowed=frozenset({Workaround.SHIM_AUTHORITY})) == set()
    (use,) = uses_of(find_faults(replay(events), quoted=(7,), bank="sha256"), allowed=frozenset(Workaround))
    assert (use.workaround, use.excused.event) == (Workaround.SHIM_AUTHORITY, 9)


@pytest.mark.parametrize(
    "fault",
    [
        shims(vendor=GLOBAL),
        shims(b"\0\0\1\0\0"),
        shims(bytes(8)),
        event(7, AUTHORITY, b"no variable at all!", measured=b"no variable at all"),
        event(7, AUTHORITY, SHIM.bytes_le + BARE + b"\xaf", measured=b"something else"),
        event(7, CONFIG, SHIM.bytes_le + BARE + b"\xaf", measured=SHIM.bytes_le + BARE),
    ],
)
def test_only_shims_odd_event_is_excused(fault: Event) -> None:
    assert "DigestNotOfData" in found([*separated(), fault], pcr=7, allowed=frozenset(Workaround))


def test_a_duplicate_separator_is_excused_by_name_but_not_an_error() -> None:
    twice = [*separated(pcr=1), *separated(pcr=1)]
    assert found(twice, pcr=1) == {"SeparatorRepeated"}
    assert found(twice, pcr=1, allowed=frozenset({Workaround.DUPLICATE_SEPARATOR})) == set()
    failed = [*separated(pcr=1), event(1, SEPARATOR, b"\xff" * 4)]
    assert found(failed, pcr=1, allowed=frozenset(Workaround)) == {"SeparatorRepeated", "SeparatorInvalid"}
    after_the_first = [*separated(), event(7, CONFIG, variable("PK", b"")), *separated()]
    assert found(after_the_first, pcr=7, allowed=frozenset(Workaround)) == {"VariableAfterSeparator"}


def test_firmware_that_separates_pcr_7_only_is_excused_by_name() -> None:
    allowed = frozenset({Workaround.SEPARATOR_IN_PCR_7_ONLY})
    assert found(separated(), pcr=4) == {"SeparatorMissing"}
    assert found(separated(), pcr=4, allowed=allowed) == set()
    assert found([*separated(), *separated(pcr=2)], pcr=4, allowed=allowed) == {"SeparatorMissing"}
    assert found([], pcr=7, allowed=allowed) == {"SeparatorMissing"}
