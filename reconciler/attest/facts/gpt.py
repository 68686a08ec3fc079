"""UEFI_GPT_DATA: which disk's partition table was measured.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2.4; UEFI 2.10, 5.3.2.
"""

from __future__ import annotations

from uuid import UUID

from reconciler.attest.reader import MalformedError, Reader

MAGIC = b"EFI PART"

_WHAT = "partition table"
_GUID_AT = 56
_ENTRY_SIZE_AT = 84
_HEADER = 92
_MAX_ENTRY = 4096


def parse_gpt(data: bytes) -> tuple[str, int]:
    """Return the disk's GUID and how many partitions it has; raise MalformedError if ``data`` is no such table."""
    reader = Reader(data, what=_WHAT, byteorder="little")
    header = reader.take(_HEADER)
    if not header.startswith(MAGIC):
        raise MalformedError(_WHAT, "does not begin as one")
    count = reader.integer(8)
    size = int.from_bytes(header[_ENTRY_SIZE_AT : _ENTRY_SIZE_AT + 4], "little")
    if not 0 < size <= _MAX_ENTRY or count * size != len(data) - _HEADER - 8:
        raise MalformedError(_WHAT, f"says {count} partitions of {size} bytes")
    return str(UUID(bytes_le=header[_GUID_AT : _GUID_AT + 16])), count
