"""What was booted: the image's measurements, event by event, and what the log explains.

Digests are compared; paths and other texts in events are not, for nothing measures them.
The firmware's own events in PCR 4 are known texts whose digests were recomputed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest

from reconciler.attest.eventlog import events
from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.record import Event
from reconciler.attest.eventlog.replay import Replay, extend, initial_value
from reconciler.attest.eventlog.workarounds import Finding, reasons_of
from reconciler.attest.verdict import Reason
from reconciler.model.kinds import Measurements
from reconciler.model.policy import Workaround

_EXIT_PCR = 5


def check_replay(
    replay: Replay,
    *,
    values: Mapping[int, bytes],
    quoted: Collection[int],
    bank: str,
    allowed: Collection[Workaround] = (),
) -> Iterator[Reason]:
    """Yield a reason for each quoted PCR that the log does not bring to its quoted value.

    A PCR that no event names, and that was extended all the same, is a finding of its own: unexplained.
    """
    return reasons_of(find_unreplayed(replay, values=values, quoted=quoted, bank=bank), allowed=allowed)


def find_unreplayed(
    replay: Replay, *, values: Mapping[int, bytes], quoted: Collection[int], bank: str
) -> Iterator[Finding]:
    """Yield what check_replay finds, with the workaround that would excuse it."""
    for pcr in sorted(quoted):
        value = values.get(pcr)
        if value is None or value == replay.values[pcr]:
            continue  # A missing value was already found with the quote.
        is_named = bool(replay.extended[pcr])
        expected = replay.values[pcr] if is_named else initial_value(pcr, bank=bank, is_launched=replay.is_launched)
        message = "the log does not replay to the quoted value" if is_named else "extended, but no event says by what"
        reason = Reason(
            code="LogMismatch" if is_named else "UnexplainedPcr",
            message=f"PCR {pcr}: {message}",
            pcr=pcr,
            bank=bank,
            expected=expected.hex(),
            found=value.hex(),
        )
        lacks_exit = pcr == _EXIT_PCR and is_named and _lacks_exit(replay, value=value)
        yield Finding(reason=reason, excuse=Workaround.MISSING_EXIT_BOOT_SERVICES if lacks_exit else None)


def _lacks_exit(replay: Replay, *, value: bytes) -> bool:
    # Some firmware extends PCR 5 while it exits, when it cannot write to its log any more.
    reached = replay.values[_EXIT_PCR]
    for text in events.EXIT_BOOT_SERVICES:
        reached = extend(reached, digest_of(text, bank=replay.bank), bank=replay.bank)
    is_logged = any(event.data in events.EXIT_BOOT_SERVICES for event in replay.extended[_EXIT_PCR])
    return reached == value and not is_logged


def check_image(replay: Replay, *, measurements: Measurements, quoted: Collection[int], bank: str) -> Iterator[Reason]:
    """Yield every difference between what was measured above the firmware and what the image measures.

    PCR 4, 9, 11 and 12 hold the image's events in order; any other quoted PCR from 8 up holds none.
    """
    expected = {4: measurements.pcr4, 9: measurements.pcr9, 11: measurements.pcr11, 12: measurements.pcr12}
    for pcr in sorted(quoted):
        if pcr in expected or pcr not in events.FIRMWARE_PCRS:
            found = [event for event in replay.extended[pcr] if not _is_the_firmwares(event)]
            yield from _compare(found, expected=expected.get(pcr, ()), pcr=pcr, bank=bank)


def _is_the_firmwares(event: Event) -> bool:
    if event.pcr != events.BOOT_PCR or not event.is_verified:
        return False
    return event.type == events.SEPARATOR or (event.type == events.EFI_ACTION and events.is_boot_action(event.data))


def _compare(found: Sequence[Event], *, expected: Sequence[str], pcr: int, bank: str) -> Iterator[Reason]:
    for event, digest in zip_longest(found, expected):
        if event is not None and event.digest.hex() == digest:
            continue
        code, message = "MeasurementMismatch", "something else was measured than the image"
        if event is None:
            code, message = "MeasurementMissing", "a part of the image was not measured"
        elif digest is None:
            code, message = "MeasurementUnexpected", "something was measured that is not of the image"
        yield Reason(
            code=code,
            message=f"PCR {pcr}: {message}",
            pcr=pcr,
            bank=bank,
            event=None if event is None else event.index,
            event_type=None if event is None else event.type_name,
            expected=digest,
            found=None if event is None else event.digest.hex(),
        )
