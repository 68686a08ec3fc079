"""Put a unified kernel image together: systemd's stub and four sections.

Rules: the same inputs give the same bytes (no time stamp, no checksum, no symbols);
sections are page-aligned in memory, follow each other without gaps in the file, and
none is writable or executable. What comes out is what ``reconciler.attest.uki`` reads.
"""

from __future__ import annotations

import struct

from reconciler.attest.prediction.pe import parse_pe
from reconciler.errors.taxonomy import InputError

_SECTION = struct.Struct("<8sIIIIIIHHI")
_INITIALISED_READABLE = 0x40000040
_PAGE = 0x1000
_FILE_ALIGNMENT = 0x200


def assemble(stub: bytes, *, osrel: bytes, command_line: str, initrd: bytes, kernel: bytes) -> bytes:
    """Return the UKI."""
    image = parse_pe(stub, subject="stub")
    (pe_at,) = struct.unpack_from("<I", stub, 0x3C)
    (optional_size,) = struct.unpack_from("<H", stub, pe_at + 20)
    table_at = pe_at + 24 + optional_size
    added = {".osrel": osrel, ".cmdline": command_line.encode("ascii"), ".initrd": initrd, ".linux": kernel}
    count = len(image.sections) + len(added)
    if table_at + _SECTION.size * count > image.headers_size:
        raise InputError("stub", "has no room for four more sections", reason="StubUnfit")
    # What follows the stub's last section is its symbol table, which nothing needs.
    file_end = max(section.raw_offset + section.raw_size for section in image.sections)
    memory_end = max(section.virtual_address + section.virtual_size for section in image.sections)
    headers = bytearray(stub[: image.headers_size])
    body = [stub[image.headers_size : file_end]]
    for number, (name, content) in enumerate(added.items(), len(image.sections)):
        memory_end = _aligned(memory_end, to=_PAGE)
        raw_size = _aligned(len(content), to=_FILE_ALIGNMENT)
        row = (name.encode("ascii"), len(content), memory_end, raw_size, file_end, 0, 0, 0, 0, _INITIALISED_READABLE)
        _SECTION.pack_into(headers, table_at + _SECTION.size * number, *row)
        body += [content, bytes(raw_size - len(content))]
        file_end += raw_size
        memory_end += len(content)
    struct.pack_into("<HIII", headers, pe_at + 6, count, 0, 0, 0)  # sections, time, symbol table, symbols
    struct.pack_into("<I", headers, pe_at + 24 + 56, _aligned(memory_end, to=_PAGE))  # SizeOfImage
    struct.pack_into("<I", headers, image.checksum_at, 0)
    return b"".join([bytes(headers), *body])


def _aligned(value: int, *, to: int) -> int:
    return -(-value // to) * to
