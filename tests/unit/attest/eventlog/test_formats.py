"""Both formats, every bank, and the workarounds of parsing."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.eventlog.banks import SIZES, digest_of
from reconciler.attest.eventlog.events import name_of_type
from reconciler.attest.eventlog.log import (
    MAX_EVENTS,
    MAX_LOG,
    FormatError,
    LogFormat,
    parse_event_log,
    parse_log,
    parse_uncached,
    replay,
    replay_log,
)
from reconciler.attest.reader import MalformedError
from reconciler.model.policy import Workaround
from tests.support.eventlogs import AGILE, BANKS, OLD, ZEROS, new, old, spec_id
from tests.support.firmware import EV_NO_ACTION

PADDING = frozenset({Workaround.PADDING_AT_THE_END})
UNCOUNTED = frozenset({Workaround.VENDOR_DATA_UNCOUNTED})


@pytest.mark.parametrize("bank", ["sha1", "sha256", "sha384", "sha512"])
def test_every_bank_of_a_log_replays_by_its_own_hash(bank: str) -> None:
    replayed = replay_log(AGILE, bank=bank)
    start = bytes(SIZES[bank])
    assert replayed.values[0] == digest_of(start + digest_of(ZEROS, bank=bank), bank=bank)
    assert replayed.values[17] == b"\xff" * SIZES[bank]
    assert replayed.bank == bank
    assert all(event.is_verified and event.bank == bank for event in replayed.extended[0])


def test_a_bank_that_cannot_be_computed_is_parsed_and_not_replayed() -> None:
    log = parse_log(AGILE)
    assert log.algorithms == BANKS
    assert log.records[1].digests["sm3_256"] == bytes(32)
    with pytest.raises(FormatError):
        log.bank("sm3_256")


def test_a_sha1_log_has_one_bank_and_no_spec_id() -> None:
    log = parse_log(OLD)
    assert (log.format, log.algorithms, log.spec_id) == (LogFormat.SHA1, ("sha1",), None)
    assert [event.index for event in log.bank("sha1")] == list(range(8))
    with pytest.raises(FormatError):
        log.bank("sha256")


def test_the_spec_id_says_who_wrote_the_log() -> None:
    log = parse_log(spec_id("sha256", vendor=b"vendor"))
    assert log.format is LogFormat.CRYPTO_AGILE
    assert log.spec_id is not None
    assert (log.spec_id.version, log.spec_id.vendor, log.spec_id.platform_class) == ((2, 0, 106), b"vendor", 1)
    assert log.bank("sha256") == ()


def test_a_short_first_event_and_an_older_spec_id_do_not_make_a_log_crypto_agile() -> None:
    for data in (b"StartupLocality\0\3", b"", b"Spec ID Event00\0" + bytes(9)):
        log = parse_log(old(kind=EV_NO_ACTION, data=data) + OLD)
        assert (log.format, len(log.records)) == (LogFormat.SHA1, 9)


def test_an_algorithm_without_a_name_is_known_by_its_number() -> None:
    named = struct.pack("<HH", 0x7777, 5)
    body = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 1) + named + b"\0"
    event = struct.pack("<IIIH5sI", 0, 4, 1, 0x7777, b"abcde", 0)
    log = parse_log(struct.pack("<II20xI", 0, EV_NO_ACTION, len(body)) + body + event)
    assert log.algorithms == ("0x7777",)
    assert log.records[1].digests == {"0x7777": b"abcde"}
    assert log.records[1].type_name == "EV_SEPARATOR"


def test_an_event_that_lacks_the_bank_is_refused_where_that_bank_is_read() -> None:
    log = parse_log(spec_id("sha1", "sha256") + new("sha1"))
    assert len(log.bank("sha1")) == 1
    with pytest.raises(MalformedError, match="no digest of the sha256 bank"):
        log.bank("sha256")


@pytest.mark.parametrize("log", [AGILE, OLD])
def test_padding_is_cut_off_only_where_its_workaround_is_allowed(log: bytes) -> None:
    padded = log + b"\xff" * 64
    with pytest.raises(MalformedError):
        parse_log(padded)
    parsed = parse_log(padded, allowed=PADDING)
    assert parsed.records == parse_log(log).records
    assert parsed.workarounds == (Workaround.PADDING_AT_THE_END,)
    with pytest.raises(MalformedError, match="3 bytes too many"):
        parse_log(log + b"\xff" * 3, allowed=PADDING)
    with pytest.raises(MalformedError):
        parse_log(log + b"\xff" * 64 + b"\0", allowed=PADDING)


def test_an_event_that_ends_in_ff_is_whole_with_and_without_the_workaround() -> None:
    log = AGILE + new(*BANKS, data=b"\xff" * 9)
    assert parse_log(log, allowed=PADDING) == parse_log(log)


def test_vendor_data_that_the_size_does_not_count_are_read_only_where_the_workaround_is_allowed() -> None:
    log = spec_id("sha256", vendor=b"data", uncounted=True) + new("sha256")
    with pytest.raises(MalformedError):
        parse_log(log)
    parsed = parse_log(log, allowed=UNCOUNTED)
    assert parsed.spec_id is not None
    assert (parsed.spec_id.vendor, parsed.workarounds) == (b"data", (Workaround.VENDOR_DATA_UNCOUNTED,))
    assert len(parsed.bank("sha256")) == 1
    for cut in range(1, len(log)):
        with pytest.raises(MalformedError):
            parse_log(log[:-cut] if cut < len(new("sha256")) else log[: -cut - 1], allowed=UNCOUNTED)


def test_a_log_of_too_many_events_is_refused() -> None:
    for start, event in ((b"", old(data=b"")), (spec_id("sha1"), new("sha1", data=b""))):
        with pytest.raises(MalformedError, match=f"more than {MAX_EVENTS} events"):
            parse_log(start + event * (MAX_EVENTS + 1))


def test_a_log_of_too_many_bytes_is_refused_unread() -> None:
    for read in (parse_log, lambda data: replay_log(data, bank="sha1")):
        with pytest.raises(MalformedError, match="at most"):
            read(bytes(MAX_LOG + 1))


def test_a_long_log_is_judged_like_a_short_one() -> None:
    long = OLD + old(pcr=8, kind=0xD, data=bytes(1 << 17))
    assert replay_log(long, bank="sha1") == replay(parse_event_log(long, bank="sha1"))


def test_a_log_that_is_read_again_gives_the_same() -> None:
    assert parse_log(bytes(bytearray(AGILE))) is parse_log(AGILE)
    assert parse_uncached(AGILE) == parse_log(AGILE)
    assert replay_log(AGILE, bank="sha256") is replay_log(bytes(bytearray(AGILE)), bank="sha256")
    assert replay_log(AGILE, bank="sha256") is not replay_log(AGILE, bank="sha1")


def test_types_of_launches_have_names_and_unknown_ones_a_number() -> None:
    assert name_of_type(0x404) == "EVTYPE_MLE_HASH"
    assert name_of_type(0x12345678) == "0x12345678"


LOGS = st.sampled_from([AGILE, OLD])


@given(LOGS, st.data())
def test_a_cut_off_log_is_refused_or_ends_between_two_events(log: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(log) - 1))
    whole = parse_log(log).records
    try:
        found = parse_log(log[:end]).records
    except MalformedError:
        return
    assert found == whole[: len(found)]
    assert len(found) < len(whole)


@given(LOGS, st.data())
def test_a_flipped_bit_is_refused_or_changes_only_the_pcrs_of_its_event(log: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(log) - 1))
    changed = bytearray(log)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    before = replay_log(log, bank="sha1")
    try:
        after = replay_log(bytes(changed), bank="sha1")
    except MalformedError:
        return
    # An event that moves to another PCR changes two; one in PCR 17 to 22 says that there was a launch.
    differing = {pcr for pcr in range(17) if before.values[pcr] != after.values[pcr]}
    assert len(differing) <= 2


@given(st.integers(0, 7), st.integers(0, 159))
def test_a_flipped_bit_of_a_digest_changes_its_own_pcr_and_no_other(pcr: int, bit: int) -> None:
    changed = bytearray(OLD)
    changed[pcr * len(old()) + 8 + bit // 8] ^= 1 << bit % 8
    before, after = replay_log(OLD, bank="sha1").values, replay_log(bytes(changed), bank="sha1").values
    assert {number for number in range(24) if before[number] != after[number]} == {pcr}


@given(st.sampled_from([b"", spec_id("sha1", "sha256")]), st.binary(max_size=400))
def test_no_bytes_make_the_parser_raise_anything_else(start: bytes, tail: bytes) -> None:
    data = start + tail
    for allowed in (frozenset[Workaround](), frozenset(Workaround)):
        try:
            log = parse_log(data, allowed=allowed)
        except MalformedError:
            continue
        assert sum(len(record.data) for record in log.records) <= len(data)
        assert len(log.records) <= len(data) // 18 + 1
