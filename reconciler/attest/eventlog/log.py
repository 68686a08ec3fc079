"""Crypto-agile event logs: parsing one, and replaying the bank that was quoted.

Bounded by the log's own size: no count or length is used before it is compared with
what is left. A log is a claim; only its replay to quoted values makes it more. SHA-1
logs (no "Spec ID Event03" in the first record) are refused, not replayed.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2 to 10.4.5.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.attest.algorithms import BANKS
from reconciler.attest.eventlog.events import EFI_HCRTM_EVENT, NO_ACTION, name_of_type
from reconciler.attest.reader import MalformedError, Reader

MAX_LOG = 1 << 20
"""Longer logs are refused unread."""

PCR_COUNT = 24

_WHAT = "event log"
_SPEC_ID = b"Spec ID Event03\0"
_LOCALITY = b"StartupLocality\0"
_LOCALITIES = frozenset({0, 3, 4})
_HCRTM_LOCALITY = 4
_MAX_ALGORITHMS = 8
_MAX_DIGEST = 64
_DRTM_PCRS = range(17, 23)


class FormatError(MalformedError):
    """The log is not a crypto-agile one that holds the bank in question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: ``index`` counts from 0 (the Spec ID record); ``digest`` is that of the quoted ``bank``."""

    index: int
    pcr: int
    type: int
    digest: bytes
    data: bytes
    bank: str = "sha256"

    @property
    def type_name(self) -> str:
        """Return the specification's name of the event's type."""
        return name_of_type(self.type)

    @property
    def is_verified(self) -> bool:
        """Return whether the digest is that of the data, so that the data says what was measured."""
        return hashlib.new(self.bank, self.data).digest() == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replayed log: PCR values, the events that were extended into each PCR, and what was odd at the start."""

    values: Mapping[int, bytes]
    extended: Mapping[int, tuple[Event, ...]]
    misplaced_localities: tuple[Event, ...]


def initial_value(pcr: int) -> bytes:
    """Return the value of ``pcr`` after a reset without a dynamic launch."""
    return (b"\xff" if pcr in _DRTM_PCRS else b"\0") * 32


def parse_event_log(data: bytes, *, bank: str) -> tuple[Event, ...]:
    """Return the events of ``data`` with their digests in ``bank``, the Spec ID record left out.

    MalformedError if it cannot be parsed; FormatError if it is a SHA-1 log, or lacks ``bank``.
    """
    if len(data) > MAX_LOG:
        raise MalformedError(_WHAT, f"{len(data)} bytes long, at most {MAX_LOG} are allowed")
    reader = Reader(data, what=_WHAT, byteorder="little")
    header = reader.take(32)
    pcr, kind = struct.unpack_from("<II", header)
    (size,) = struct.unpack_from("<I", header, 28)
    spec_id = reader.take(size)
    if (pcr, kind) != (0, NO_ACTION) or not spec_id.startswith(_SPEC_ID):
        raise FormatError(_WHAT, "is a SHA-1 log: its first record is not a Spec ID Event03")
    sizes = _parse_spec_id(spec_id)
    if BANKS[bank] not in sizes:
        raise FormatError(_WHAT, f"holds no digests of the {bank} bank")
    return _parse_events(data, start=32 + size, sizes=sizes, bank=BANKS[bank])


def _parse_spec_id(spec_id: bytes) -> Mapping[int, int]:
    reader = Reader(spec_id, what=_WHAT, byteorder="little")
    reader.take(len(_SPEC_ID) + 8)  # Platform class, version, errata and the size of a native integer.
    count = reader.integer(4)
    if not 1 <= count <= _MAX_ALGORITHMS:
        raise MalformedError(_WHAT, f"names {count} algorithms, 1 to {_MAX_ALGORITHMS} are allowed")
    named = [(reader.integer(2), reader.integer(2)) for _ in range(count)]
    reader.take(reader.integer(1))
    reader.finish()
    sizes = dict(named)
    if len(sizes) != count or not all(1 <= size <= _MAX_DIGEST for size in sizes.values()):
        raise MalformedError(_WHAT, "names an algorithm twice, or a digest of an impossible size")
    if sizes.get(BANKS["sha256"], 32) != hashlib.sha256().digest_size:
        raise MalformedError(_WHAT, "says that SHA-256 digests have another size than 32 bytes")
    return sizes


def _parse_events(data: bytes, *, start: int, sizes: Mapping[int, int], bank: int) -> tuple[Event, ...]:
    found: list[Event] = []
    at, end = start, len(data)
    try:
        while at < end:
            pcr, kind, count = struct.unpack_from("<III", data, at)
            if not 1 <= count <= len(sizes):
                raise MalformedError(_WHAT, f"event {len(found) + 1} has {count} digests of {len(sizes)} algorithms")
            at += 12
            digests: dict[int, bytes] = {}
            for _ in range(count):
                (algorithm,) = struct.unpack_from("<H", data, at)
                size = sizes[algorithm]
                digests[algorithm] = data[at + 2 : at + 2 + size]
                at += 2 + size
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
            if size > end - at or len(digests) != count or (pcr >= PCR_COUNT and kind != NO_ACTION):
                raise MalformedError(_WHAT, f"event {len(found) + 1} is cut off, repeats a digest or has no such PCR")
            found.append(
                Event(index=len(found) + 1, pcr=pcr, type=kind, digest=digests[bank], data=data[at : at + size])
            )
            at += size
    except (struct.error, KeyError) as error:
        raise MalformedError(_WHAT, f"event {len(found) + 1} is cut off, or names digests that it must not") from error
    return tuple(found)


def replay(events: Iterable[Event]) -> Replay:
    """Return the values that ``events`` bring PCR 0 to 23 to, by SHA-256.

    EV_NO_ACTION is never extended. A "StartupLocality" before anything else in PCR 0 starts it at that locality; an
    H-CRTM event first in PCR 0 starts it at 4.
    """
    values = {pcr: initial_value(pcr) for pcr in range(PCR_COUNT)}
    extended: dict[int, list[Event]] = {pcr: [] for pcr in range(PCR_COUNT)}
    misplaced = []
    localities = 0
    for event in events:
        if event.type == NO_ACTION:
            if event.data.startswith(_LOCALITY):
                localities += 1
                locality = event.data[len(_LOCALITY) :]
                if event.pcr or extended[0] or localities > 1 or len(locality) != 1 or locality[0] not in _LOCALITIES:
                    misplaced.append(event)
                else:
                    values[0] = bytes(31) + locality
            continue
        if event.type == EFI_HCRTM_EVENT and event.pcr == 0 and not extended[0]:
            values[0] = bytes([*bytes(31), _HCRTM_LOCALITY])
        values[event.pcr] = hashlib.sha256(values[event.pcr] + event.digest).digest()
        extended[event.pcr].append(event)
    return Replay(
        values=values,
        extended={pcr: tuple(found) for pcr, found in extended.items()},
        misplaced_localities=tuple(misplaced),
    )
