"""Crypto-agile event logs: a Spec ID record names the banks, and every later event has digests of some.

The Spec ID bounds everything after it: an event has at most one digest per algorithm that
it names, of the size that it gives, and none of others. Every event must be whole, and
name a PCR that there is unless it is of a type that is never extended. That every event
has a digest of *every* bank is not demanded here but where a bank is read (``EventLog.bank``).

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2.1 (TCG_EfiSpecIDEvent) and 10.2.2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.attest.eventlog.banks import NAMES, SIZES, name_of_algorithm
from reconciler.attest.eventlog.events import UNEXTENDED
from reconciler.attest.eventlog.record import MAX_EVENTS, PCR_COUNT, WHAT, Record
from reconciler.attest.reader import MalformedError, Reader

SIGNATURE = b"Spec ID Event03\0"

_COUNT_AT = len(SIGNATURE) + 8
_MAX_ALGORITHMS = 8
_MAX_DIGEST = 64
_HEAD = struct.Struct("<III")
_SHORT = struct.Struct("<H")
_LONG = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecId:
    """What the first record says of the log: digest sizes by algorithm, in its order, and of its writer."""

    platform_class: int
    version: tuple[int, int, int]
    algorithms: Mapping[int, int]
    vendor: bytes


def parse_spec_id(data: bytes) -> SpecId:
    """Return the Spec ID in ``data``, which it fills to the last byte; MalformedError if it is none.

    ``version`` is major, minor and errata. An algorithm that has a name has the size that is its own.
    """
    reader = Reader(data, what=WHAT, byteorder="little")
    reader.take(len(SIGNATURE))
    platform_class = reader.integer(4)
    minor, major, errata = reader.integer(1), reader.integer(1), reader.integer(1)
    reader.take(1)  # The size of a native integer: nothing in the log depends on it.
    count = reader.integer(4)
    if not 1 <= count <= _MAX_ALGORITHMS:
        raise MalformedError(WHAT, f"names {count} algorithms, 1 to {_MAX_ALGORITHMS} are allowed")
    sizes = {reader.integer(2): reader.integer(2) for _ in range(count)}
    vendor = reader.take(reader.integer(1))
    reader.finish()
    if len(sizes) != count:
        raise MalformedError(WHAT, "names an algorithm twice")
    for algorithm, size in sizes.items():
        if not 1 <= size <= _MAX_DIGEST or (algorithm in NAMES and size != SIZES[NAMES[algorithm]]):
            name = name_of_algorithm(algorithm)
            raise MalformedError(WHAT, f"says that digests of {name} have an impossible size of {size} bytes")
    return SpecId(platform_class=platform_class, version=(major, minor, errata), algorithms=sizes, vendor=vendor)


def uncounted_vendor_data(data: bytes) -> int:
    """Return how many bytes of vendor data the Spec ID in ``data`` announces as its last word, without having them."""
    count = int.from_bytes(data[_COUNT_AT : _COUNT_AT + 4], "little")
    ends_there = len(data) == _COUNT_AT + 4 + 4 * count + 1
    return data[-1] if ends_there else 0


def parse_records(data: bytes, *, at: int, last: int, algorithms: Mapping[int, int]) -> tuple[tuple[Record, ...], int]:
    """Return the records that start at ``at`` and before ``last``, and where they end; each of them must be whole.

    The first of them has index 1.
    """
    found: list[Record] = []
    end = len(data)
    known = {algorithm: (name_of_algorithm(algorithm), size) for algorithm, size in algorithms.items()}
    index = 0
    try:
        while at < last:
            index += 1
            pcr, kind, count = _HEAD.unpack_from(data, at)
            if not 1 <= count <= len(known):
                raise MalformedError(WHAT, f"event {index} has {count} digests of {len(known)} algorithms")
            at += 12
            digests = {}
            for _ in range(count):
                name, size = known[_SHORT.unpack_from(data, at)[0]]
                digests[name] = data[at + 2 : at + 2 + size]
                at += 2 + size
            size = _LONG.unpack_from(data, at)[0]
            at += 4
            if len(digests) != count or size > end - at or (pcr >= PCR_COUNT and kind not in UNEXTENDED):
                raise MalformedError(WHAT, f"event {index} is cut off, repeats a digest or has no such PCR")
            found.append(Record(index=index, pcr=pcr, type=kind, digests=digests, data=data[at : at + size]))
            at += size
            if index > MAX_EVENTS:
                raise MalformedError(WHAT, f"more than {MAX_EVENTS} events")
    except (struct.error, KeyError) as error:
        raise MalformedError(WHAT, f"event {index} is cut off, or names digests that it must not") from error
    return tuple(found), at
