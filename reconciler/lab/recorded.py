"""Recorded firmware event logs: reading one, putting an image's events in, changing one digest.

Pure. Written apart from the verifier's parser on purpose: what is judged must not be made
by the judge. Only crypto-agile logs with SHA-256 digests can be used, because the lab's TPMs
have that bank only. Whether a log makes sense is not checked; whether it is whole is.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2 to 10.4.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.errors.taxonomy import InputError

MAX_LOG = 1 << 20
SHA256 = 0x000B
NO_ACTION = 0x00000003
BOOT_APPLICATION = 0x80000003

_BOOT_PCR = 4
_PCR_COUNT = 24
_DIGEST_SIZE = 32
_SPEC_ID = b"Spec ID Event03\0"
_MAX_ALGORITHMS = 8
_HINT = "give a binary log, as in /sys/kernel/security/tpm0/binary_bios_measurements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event, counted from 1 behind the Spec ID record; ``start``, ``digest_at`` and ``end`` are offsets."""

    index: int
    pcr: int
    type: int
    digest: bytes
    data: bytes
    start: int
    digest_at: int
    end: int

    @property
    def is_extended(self) -> bool:
        """Say whether the event's digest went into a PCR."""
        return self.type != NO_ACTION


def read(log: bytes, *, subject: str) -> tuple[Recorded, ...]:
    """Return the events of ``log``.

    Raises InputError: LabLogMalformed where it is not whole, LabLogBankMissing where it has no SHA-256 digests.
    """
    if len(log) > MAX_LOG:
        raise _malformed(subject, f"is longer than {MAX_LOG} bytes")
    try:
        sizes, at = _header(log, subject=subject)
        found: list[Recorded] = []
        while at < len(log):
            event = _event(log, start=at, index=len(found) + 1, sizes=sizes, subject=subject)
            found.append(event)
            at = event.end
    except struct.error as error:
        raise _malformed(subject, "is cut off") from error
    if not any(event.is_extended for event in found):
        raise _malformed(subject, "holds no event")
    return tuple(found)


def _header(log: bytes, *, subject: str) -> tuple[Mapping[int, int], int]:
    """Return the digest sizes that the Spec ID record names, and where the events begin."""
    pcr, kind, _, size = struct.unpack_from("<II20sI", log)
    end = 32 + size
    if end > len(log):
        raise _malformed(subject, "is cut off in its first record")
    if (pcr, kind) != (0, NO_ACTION) or not log[32:end].startswith(_SPEC_ID):
        if pcr >= _PCR_COUNT:
            raise _malformed(subject, "is no event log")
        raise _no_bank(subject, "its first record is not a Spec ID Event03, so it is a SHA-1 log at best")
    (count,) = struct.unpack_from("<I", log, 32 + 24)
    if not 1 <= count <= _MAX_ALGORITHMS:
        raise _malformed(subject, f"names {count} algorithms, 1 to {_MAX_ALGORITHMS} are possible")
    sizes = dict(struct.unpack_from("<HH", log, 32 + 28 + 4 * number) for number in range(count))
    if sizes.get(SHA256, _DIGEST_SIZE) != _DIGEST_SIZE:
        raise _malformed(subject, "says that SHA-256 digests have another size than 32 bytes")
    if SHA256 not in sizes:
        raise _no_bank(subject, "it names no SHA-256 digests")
    return sizes, end


def _event(log: bytes, *, start: int, index: int, sizes: Mapping[int, int], subject: str) -> Recorded:
    pcr, kind, count = struct.unpack_from("<III", log, start)
    at, digest_at = start + 12, 0
    if not 1 <= count <= len(sizes) or (pcr >= _PCR_COUNT and kind != NO_ACTION):
        raise _malformed(subject, f"event {index} has {count} digests, or is of PCR {pcr}")
    for _ in range(count):
        (algorithm,) = struct.unpack_from("<H", log, at)
        if algorithm not in sizes:
            raise _malformed(subject, f"event {index} has a digest of an unnamed algorithm")
        if algorithm == SHA256:
            digest_at = at + 2
        at += 2 + sizes[algorithm]
    (size,) = struct.unpack_from("<I", log, at)
    end = at + 4 + size
    if end > len(log):
        raise _malformed(subject, f"is cut off in event {index}")
    if not digest_at:
        raise _no_bank(subject, f"event {index} has no SHA-256 digest")
    return Recorded(
        index=index,
        pcr=pcr,
        type=kind,
        digest=log[digest_at : digest_at + _DIGEST_SIZE],
        data=log[at + 4 : end],
        start=start,
        digest_at=digest_at,
        end=end,
    )


def with_image(log: bytes, *, measured: Mapping[int, Sequence[str]], subject: str) -> bytes:
    """Return ``log`` as it would be had it booted an image that measures these digests (hexadecimal, by PCR).

    The recorded image's own events (boot applications in PCR 4, all events of the other PCRs named) take the new
    digests in order. Events too many are dropped; those too few follow the last one of their PCR.
    """
    events = read(log, subject=subject)
    wanted = {pcr: [bytes.fromhex(digest) for digest in digests] for pcr, digests in measured.items()}
    last = {event.pcr: event.index for event in events if _is_of_image(event, wanted)}
    for pcr, digests in wanted.items():
        if digests and pcr not in last:
            raise InputError(subject, f"has no event of an image in PCR {pcr} to learn from", reason="LabLogUnusable")
    return log[: events[0].start] + b"".join(
        piece for event in events for piece in _pieces(log, event, wanted=wanted, last=last)
    )


def _is_of_image(event: Recorded, wanted: Mapping[int, object]) -> bool:
    if event.pcr not in wanted or not event.is_extended:
        return False
    return event.pcr != _BOOT_PCR or event.type == BOOT_APPLICATION


def _pieces(
    log: bytes, event: Recorded, *, wanted: Mapping[int, list[bytes]], last: Mapping[int, int]
) -> Iterator[bytes]:
    if not _is_of_image(event, wanted):
        yield log[event.start : event.end]
        return
    waiting = wanted[event.pcr]
    taken = len(waiting) if event.index == last[event.pcr] else 1
    for digest in waiting[:taken]:
        yield log[event.start : event.digest_at] + digest + log[event.digest_at + _DIGEST_SIZE : event.end]
    del waiting[:taken]


def flipped(log: bytes, *, event: int, subject: str) -> bytes:
    """Return ``log`` with one bit of event ``event``'s SHA-256 digest flipped; raise InputError where there is none."""
    events = read(log, subject=subject)
    if not 1 <= event <= len(events):
        hint = "events are counted as in `ringfence explain`, from 1 behind the Spec ID record"
        raise InputError("--event", f"must be 1 to {len(events)} in this log", reason="LabEventUnknown", hint=hint)
    chosen = events[event - 1]
    if not chosen.is_extended:
        extended = ", ".join(str(other.index) for other in events if not other.is_extended)
        raise InputError(
            f"event {event}",
            "is EV_NO_ACTION, which no TPM is extended with",
            reason="LabEventUnknown",
            hint=f"take another one than {extended}",
        )
    made = bytearray(log)
    made[chosen.digest_at] ^= 0x01
    return bytes(made)


def _malformed(subject: str, message: str) -> InputError:
    return InputError(subject, message, reason="LabLogMalformed", hint=_HINT)


def _no_bank(subject: str, message: str) -> InputError:
    hint = "the lab's TPMs have the SHA-256 bank only: give a crypto-agile log that holds it"
    return InputError(subject, f"cannot be relived: {message}", reason="LabLogBankMissing", hint=hint)
