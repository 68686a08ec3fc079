from collections.abc import Sequence

import pytest

from reconciler.attest.eventlog.log import Event, Replay, replay
from reconciler.attest.eventlog.measured import check_image, check_replay
from reconciler.attest.verdict import Reason
from tests.support.appraisals import MEASUREMENTS, booted, codes_of, expected_of, rejected
from tests.support.firmware import (
    EV_EFI_ACTION,
    EV_EFI_BOOT_SERVICES_APPLICATION,
    EV_IPL,
    EV_SEPARATOR,
    LogEvent,
    change_digest,
    hashed,
    sha256,
)
from tests.support.softtpm import DEFAULT_PCRS, SoftTpm

CALLING = b"Calling EFI Application from Boot Option"


def logged(*events: LogEvent) -> Replay:
    return replay(
        Event(index=index, pcr=event.pcr, type=event.type, digest=event.digest, data=event.data)
        for index, event in enumerate(events, start=1)
    )


def application(digest: str) -> LogEvent:
    return LogEvent(pcr=4, type=EV_EFI_BOOT_SERVICES_APPLICATION, data=b"path", digest=bytes.fromhex(digest))


def judge(*events: LogEvent, quoted: Sequence[int] = (4,)) -> list[tuple[str, int | None, str | None, str | None]]:
    reasons = check_image(logged(*events), measurements=MEASUREMENTS, quoted=quoted, bank="sha256")
    return [(reason.code, reason.event, reason.expected, reason.found) for reason in reasons]


FIRST, SECOND = MEASUREMENTS.pcr4


def test_the_firmwares_own_events_may_stand_anywhere_among_the_images() -> None:
    own = (hashed(4, EV_EFI_ACTION, CALLING), hashed(4, EV_SEPARATOR, bytes(4)))
    booting = hashed(4, EV_EFI_ACTION, b"Booting to Boot001F Option")
    assert judge(*own, booting, application(FIRST), own[0], application(SECOND)) == []


@pytest.mark.parametrize(
    "event",
    [
        hashed(4, EV_EFI_ACTION, b"Calling something else"),
        hashed(4, EV_EFI_ACTION, b"Booting to Boot001F Option too"),
        change_digest(hashed(4, EV_EFI_ACTION, CALLING)),
        change_digest(hashed(4, EV_SEPARATOR, bytes(4))),
        hashed(4, EV_IPL, CALLING),
    ],
)
def test_an_event_that_only_looks_like_the_firmwares_is_unexpected(event: LogEvent) -> None:
    assert judge(application(FIRST), application(SECOND), event) == [
        ("MeasurementUnexpected", 3, None, event.digest.hex())
    ]


def test_every_position_that_differs_is_named() -> None:
    other = sha256(b"other").hex()
    assert judge(application(other), application(other)) == [
        ("MeasurementMismatch", 1, FIRST, other),
        ("MeasurementMismatch", 2, SECOND, other),
    ]
    assert judge(application(SECOND), application(FIRST)) == [
        ("MeasurementMismatch", 1, FIRST, SECOND),
        ("MeasurementMismatch", 2, SECOND, FIRST),
    ]
    assert judge(application(FIRST)) == [("MeasurementMissing", None, SECOND, None)]
    assert judge() == [("MeasurementMissing", None, FIRST, None), ("MeasurementMissing", None, SECOND, None)]


@pytest.mark.parametrize("pcr", [8, 12, 14, 16, 23])
def test_nothing_but_the_image_measures_above_the_firmware(pcr: int) -> None:
    event = hashed(pcr, EV_IPL, b"grub")
    assert judge(event, quoted=(pcr,)) == [("MeasurementUnexpected", 1, None, event.digest.hex())]
    assert judge(event, quoted=()) == []


def test_a_logged_event_in_a_pcr_that_the_image_leaves_alone_is_rejected() -> None:
    tpm = booted()
    tpm.measure([hashed(12, EV_IPL, b"another command line")])
    (reason,) = rejected(tpm.evidence(), expected_of(tpm)).reasons
    assert (reason.code, reason.pcr, reason.event, reason.event_type) == (
        "MeasurementUnexpected",
        12,
        len(tpm.events),
        "EV_IPL",
    )


def test_a_second_application_after_the_image_is_rejected() -> None:
    tpm = booted()
    tpm.measure([application(sha256(b"shell").hex())])
    assert codes_of(tpm.evidence(), expected_of(tpm)) == {"MeasurementUnexpected"}


def explained(tpm: SoftTpm, values: dict[int, bytes]) -> list[Reason]:
    replayed = logged(*tpm.events)
    return list(check_replay(replayed, values=values, quoted=DEFAULT_PCRS, bank="sha256"))


def test_an_unexplained_pcr_is_not_a_log_that_does_not_replay() -> None:
    tpm = booted()
    tpm.extend(4)
    tpm.extend(12)
    mismatch, unexplained = explained(tpm, tpm.pcrs)
    assert (mismatch.code, mismatch.pcr, mismatch.found) == ("LogMismatch", 4, tpm.pcrs[4].hex())
    assert (unexplained.code, unexplained.pcr, unexplained.expected) == ("UnexplainedPcr", 12, "00" * 32)


def test_a_value_that_is_missing_is_left_to_the_quotes_checks() -> None:
    assert explained(booted(), {}) == []
