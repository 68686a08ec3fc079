"""Recorded logs: read whole or refused, an image's events put in, one digest changed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.eventlog.log import Event, parse_event_log
from reconciler.errors.taxonomy import InputError
from reconciler.lab import recorded

BASE = (Path(recorded.__file__).parent / "ovmf.eventlog").read_bytes()
FIRST_EVENT = 32 + struct.unpack_from("<I", BASE, 28)[0]


def events_of(log: bytes) -> tuple[Event, ...]:
    return parse_event_log(log, bank="sha256")


def digests(log: bytes, pcr: int) -> list[str]:
    return [event.digest.hex() for event in events_of(log) if event.pcr == pcr]


def test_it_reads_what_the_verifier_reads() -> None:
    ours = [(e.index, e.pcr, e.type, e.digest, e.data) for e in recorded.read(BASE, subject="log")]
    assert ours == [(e.index, e.pcr, e.type, e.digest, e.data) for e in events_of(BASE)]


def test_an_images_events_take_its_digests_and_nothing_else_changes() -> None:
    measured = {4: ["a4" * 32, "b4" * 32], 9: ["a9" * 32, "b9" * 32], 11: [f"{n:02x}" * 32 for n in range(8)]}
    made = recorded.with_image(BASE, measured=measured, subject="log")
    assert digests(made, 4)[-2:] == measured[4]
    assert digests(made, 9) == measured[9]
    assert digests(made, 11) == measured[11]
    for pcr in (0, 1, 2, 3, 5, 6, 7):
        assert digests(made, pcr) == digests(BASE, pcr)
    assert digests(made, 4)[:2] == digests(BASE, 4)[:2]


def test_images_with_more_or_fewer_events_than_the_recorded_one_fit() -> None:
    measured = {4: ["a4" * 32], 9: ["a9" * 32, "b9" * 32, "c9" * 32], 11: list[str]()}
    made = recorded.with_image(BASE, measured=measured, subject="log")
    assert digests(made, 4)[2:] == measured[4]
    assert digests(made, 9) == measured[9]
    assert digests(made, 11) == []
    with pytest.raises(InputError, match="no event of an image in PCR 12"):
        recorded.with_image(BASE, measured={12: ["aa" * 32]}, subject="log")


def test_one_digest_is_flipped_and_no_other_byte() -> None:
    made = recorded.flipped(BASE, event=22, subject="log")
    assert len([at for at, byte in enumerate(BASE) if made[at] != byte]) == 1
    changed = [event.index for event, old in zip(events_of(made), events_of(BASE), strict=True) if event != old]
    assert changed == [22]


def test_an_event_that_is_not_there_or_never_extended_cannot_be_flipped() -> None:
    for event in (0, 36, -1):
        with pytest.raises(InputError, match="must be 1 to 35"):
            recorded.flipped(BASE, event=event, subject="log")
    no_action = struct.pack("<IIIH", 0, recorded.NO_ACTION, 1, recorded.SHA256) + bytes(32) + struct.pack("<I", 0)
    with pytest.raises(InputError, match="EV_NO_ACTION"):
        recorded.flipped(BASE + no_action, event=36, subject="log")


@pytest.mark.parametrize("size", [*range(0, FIRST_EVENT, 7), FIRST_EVENT, FIRST_EVENT + 5, len(BASE) - 1])
def test_a_log_that_is_cut_off_is_refused(size: int) -> None:
    with pytest.raises(InputError) as caught:
        recorded.read(BASE[:size], subject="log cut")
    assert caught.value.reason == "LabLogMalformed"
    assert caught.value.hint


def test_a_log_without_sha_256_is_refused_with_a_hint() -> None:
    sha1 = struct.pack("<II20sI", 0, 8, b"\1" * 20, 2) + b"\0\0"
    other = bytearray(BASE)
    struct.pack_into("<H", other, 60, 0x000C)
    for log in (sha1, bytes(other)):
        with pytest.raises(InputError) as caught:
            recorded.read(log, subject="log")
        assert caught.value.reason == "LabLogBankMissing"
        assert "SHA-256" in caught.value.hint


def test_a_log_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(InputError, match="longer than"):
        recorded.read(bytes(recorded.MAX_LOG + 1), subject="log")


@given(st.integers(0, len(BASE) - 1), st.binary(min_size=1, max_size=8))
def test_whatever_the_bytes_are_it_reads_them_or_raises_an_input_error(at: int, noise: bytes) -> None:
    try:
        recorded.read(BASE[:at] + noise + BASE[at + len(noise) :], subject="log")
    except InputError as error:
        assert error.hint  # noqa: PT017  # either outcome is right
