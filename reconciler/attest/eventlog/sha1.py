"""SHA-1 event logs, in the form of TPM 1.2: every record has one digest of 20 bytes.

Old BIOSes, coreboot and hypervisors of some years ago write them, for TPM 2.0 too. A
first record of EV_NO_ACTION need not be a Spec ID, and may be short. Every record must
be whole, and name a PCR that there is unless it is of a type that is never extended.

Source: TCG PC Client Implementation Specification for Conventional BIOS 1.21, 11.1.1;
TCG PC Client Platform Firmware Profile 1.06, 10.2.1.
"""

from __future__ import annotations

import struct

from reconciler.attest.eventlog.events import UNEXTENDED
from reconciler.attest.eventlog.record import MAX_EVENTS, PCR_COUNT, WHAT, Record
from reconciler.attest.reader import MalformedError

HEADER = struct.Struct("<II20sI")
"""PCR, type, digest, and the size of the data that follow."""


def parse_records(data: bytes, *, last: int) -> tuple[tuple[Record, ...], int]:
    """Return the records that start before ``last``, and where they end; each of them must be whole."""
    found: list[Record] = []
    at = 0
    while at < last:
        record, at = parse_record(data, at=at, index=len(found))
        found.append(record)
        if len(found) > MAX_EVENTS:
            raise MalformedError(WHAT, f"more than {MAX_EVENTS} events")
    return tuple(found), at


def parse_record(data: bytes, *, at: int, index: int) -> tuple[Record, int]:
    """Return the record at ``at``, and where the next one starts; MalformedError if it is not whole."""
    start = at + HEADER.size
    if start > len(data):
        raise MalformedError(WHAT, f"ends within the header of event {index}")
    pcr, kind, digest, size = HEADER.unpack_from(data, at)
    if size > len(data) - start:
        raise MalformedError(WHAT, f"ends within a field of {size} bytes of event {index}")
    if pcr >= PCR_COUNT and kind not in UNEXTENDED:
        raise MalformedError(WHAT, f"event {index} is extended into PCR {pcr}, and there is no such PCR")
    record = Record(index=index, pcr=pcr, type=kind, digests={"sha1": digest}, data=data[start : start + size])
    return record, start + size
