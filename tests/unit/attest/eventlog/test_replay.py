"""Where PCRs start, and the workaround of replaying."""

import pytest

from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.log import Event, Replay, initial_value, parse_log, replay, replay_log
from reconciler.attest.eventlog.measured import check_replay, find_unreplayed
from reconciler.attest.eventlog.replay import extend, parse_locality
from reconciler.attest.eventlog.workarounds import uses_of
from reconciler.model.policy import Workaround
from tests.support.eventlogs import new, old, spec_id

EXIT = (b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success")


def event(pcr: int, kind: int, data: bytes, *, bank: str = "sha256", index: int = 1) -> Event:
    return Event(index=index, pcr=pcr, type=kind, digest=digest_of(data, bank=bank), data=data, bank=bank)


def locality(value: int) -> Event:
    return event(0, 3, b"StartupLocality\0" + bytes([value]))


def test_a_log_that_claims_a_launch_starts_its_pcrs_at_zero() -> None:
    launched = replay([event(17, 0x402, b"sinit")])
    assert launched.is_launched
    assert launched.values[17] == extend(bytes(32), digest_of(b"sinit", bank="sha256"), bank="sha256")
    assert launched.values[22] == bytes(32)
    assert replay([]).values[22] == b"\xff" * 32


def test_whether_there_was_a_launch_can_be_decided_from_outside() -> None:
    denied = replay([event(17, 0x402, b"sinit")], is_launched=False)
    assert denied.values[17] == extend(b"\xff" * 32, digest_of(b"sinit", bank="sha256"), bank="sha256")
    assert replay([], is_launched=True).values[18] == bytes(32)
    assert initial_value(17, is_launched=True) == bytes(32)


def test_a_launch_that_the_log_does_not_name_is_unexplained() -> None:
    values = {17: bytes(32), 18: b"\xff" * 32}
    (reason,) = check_replay(replay([]), values=values, quoted=(17, 18), bank="sha256")
    assert (reason.code, reason.pcr, reason.expected) == ("UnexplainedPcr", 17, "ff" * 32)


def test_a_launch_that_did_not_happen_is_a_mismatch() -> None:
    claimed = replay([event(17, 0x402, b"sinit")])
    (reason,) = check_replay(claimed, values={17: b"\xff" * 32}, quoted=(17,), bank="sha256")
    assert reason.code == "LogMismatch"


@pytest.mark.parametrize("value", [0, 3, 4])
def test_the_locality_is_where_pcr_0_starts_in_every_bank(value: int) -> None:
    found = replay([locality(value), event(1, 4, bytes(4), bank="sha384")])
    assert found.locality == value
    assert found.values[0] == bytes(47) + bytes([value])


def test_h_crtm_starts_pcr_0_at_4_whatever_the_log_says_of_locality() -> None:
    found = replay([locality(3), event(0, 0x80000010, b"HCRTM")])
    assert found.locality == 4


def test_without_a_word_about_it_there_is_no_locality() -> None:
    assert replay([event(0, 3, b"something else")]).locality is None
    assert parse_locality(b"StartupLocality\0\1") == -1
    assert parse_locality(b"StartupLocality") is None


def exited(*logged: bytes) -> tuple[Replay, bytes]:
    """Return a replay with the ``logged`` actions in PCR 5, and the value after both exit actions on top."""
    found = replay([event(5, 0x80000007, text) for text in logged])
    value = found.values[5]
    for text in EXIT:
        value = extend(value, digest_of(text, bank="sha256"), bank="sha256")
    return found, value


def test_exit_events_that_are_missing_are_excused_by_name_and_reported() -> None:
    found, value = exited(b"Calling EFI Application from Boot Option")
    findings = list(find_unreplayed(found, values={5: value}, quoted=(5,), bank="sha256"))
    (use,) = uses_of(findings, allowed=frozenset(Workaround))
    assert (use.workaround, use.excused.code) == (Workaround.MISSING_EXIT_BOOT_SERVICES, "LogMismatch")
    assert not list(uses_of(findings, allowed=()))
    allowed = {Workaround.MISSING_EXIT_BOOT_SERVICES}
    assert not list(check_replay(found, values={5: value}, quoted=(5,), bank="sha256", allowed=allowed))
    assert list(check_replay(found, values={5: value}, quoted=(5,), bank="sha256"))


@pytest.mark.parametrize("logged", [(), EXIT, EXIT[:1]])
def test_exit_events_are_missing_only_where_others_are_logged_and_none_of_them(logged: tuple[bytes, ...]) -> None:
    found, value = exited(*logged)
    everything = frozenset(Workaround)
    assert list(check_replay(found, values={5: value}, quoted=(5,), bank="sha256", allowed=everything))


def test_another_value_is_not_excused() -> None:
    found, _ = exited(b"Calling EFI Application from Boot Option")
    everything = frozenset(Workaround)
    assert list(check_replay(found, values={5: b"x" * 32}, quoted=(5,), bank="sha256", allowed=everything))


@pytest.mark.parametrize("kind", [3, 0x401, 0x503, 0x504])
def test_marks_are_not_extended_and_may_name_any_pcr(kind: int) -> None:
    log = spec_id("sha256") + new("sha256", pcr=255, kind=kind) + new("sha256", pcr=17, kind=0x404)
    found = replay_log(log, bank="sha256")
    assert [event.type for event in found.extended[17]] == [0x404]
    assert parse_log(old(pcr=255, kind=kind)).records[0].pcr == 255


def test_an_event_that_is_passed_off_as_a_mark_is_missed_in_its_pcr() -> None:
    honest = replay([event(8, 0xD, b"command")])
    retyped = replay([event(8, 0x401, b"command")])
    (reason,) = check_replay(retyped, values=honest.values, quoted=range(24), bank="sha256")
    assert (reason.code, reason.pcr) == ("UnexplainedPcr", 8)
