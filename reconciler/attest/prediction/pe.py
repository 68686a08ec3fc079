"""Bounded parser of PE32+ images, and the digest that firmware extends for one.

Rules: every offset and count is checked before it is used; an image in which some
byte could be loaded without being hashed is refused (sections that overlap or leave
gaps, a section table outside the headers, a certificate table that is not last).
It does not check signatures, relocations or whether the code is sensible.

Source: Microsoft "PE Format"; "Windows Authenticode Portable Executable Signature
Format", Calculating the PE Image Hash; TCG PC Client Platform Firmware Profile, 3.3.4.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Never

from reconciler.errors.taxonomy import InputError

EXECUTABLE = 0x20000000
_MAX_IMAGE = 512 * 1024 * 1024
_MAX_SECTIONS = 96  # the Windows loader's limit, which signing tools keep
_MAX_DIRECTORIES = 16
_SECURITY_DIRECTORY = 4
_DOS_SIZE = 0x40
_COFF_SIZE = 24  # signature included
_OPTIONAL_FIXED = 112  # PE32+ optional header up to its data directories
_SECTION_SIZE = 40
_PE32_PLUS = 0x20B
_AMD64 = 0x8664


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One row of the section table."""

    name: str
    virtual_size: int
    virtual_address: int
    raw_size: int
    raw_offset: int
    characteristics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeImage:
    """A PE32+ image in which every byte that can be loaded is hashed by the firmware."""

    data: bytes
    headers_size: int
    checksum_at: int
    security_at: int
    certificates_size: int
    entry_point: int
    sections: tuple[Section, ...]

    def content(self, section: Section) -> bytes:
        """Return what lies in memory for a section (``VirtualSize`` bytes, never more than the file has)."""
        size = min(section.virtual_size, section.raw_size)
        return self.data[section.raw_offset : section.raw_offset + size]


def refuse(subject: str, message: str) -> Never:
    """Raise the one refusal of this room: the image cannot be used where measurements count."""
    raise InputError(
        subject,
        message,
        reason="UnmeasurableImage",
        hint="build a unified kernel image with `ringfence image build`",
    )


def parse_pe(data: bytes, *, subject: str) -> PeImage:
    """Parse an x86-64 PE32+ image; raise InputError where the firmware's hash would not cover it all.

    1. The headers are there, are PE32+ for x86-64, and their sizes fit the file.
    2. Sections follow the headers without gap or overlap, and lie inside the file.
    3. A certificate table, the only part that is not hashed, is the file's end.
    """
    # 1
    if len(data) > _MAX_IMAGE:
        refuse(subject, f"larger than {_MAX_IMAGE} bytes")
    if len(data) < _DOS_SIZE or data[:2] != b"MZ":
        refuse(subject, "not a PE image: no MZ header")
    (pe_at,) = struct.unpack_from("<I", data, 0x3C)
    optional_at = pe_at + _COFF_SIZE
    if optional_at + _OPTIONAL_FIXED > len(data) or data[pe_at : pe_at + 4] != b"PE\0\0":
        refuse(subject, "not a PE image: no PE header")
    machine, count = struct.unpack_from("<HH", data, pe_at + 4)
    (optional_size,) = struct.unpack_from("<H", data, pe_at + 20)
    (magic,) = struct.unpack_from("<H", data, optional_at)
    if machine != _AMD64 or magic != _PE32_PLUS:
        refuse(subject, "not a PE32+ image for x86-64")
    (entry_point,) = struct.unpack_from("<I", data, optional_at + 16)
    (headers_size,) = struct.unpack_from("<I", data, optional_at + 60)
    (directories,) = struct.unpack_from("<I", data, optional_at + 108)
    table_at = optional_at + optional_size
    if not _SECURITY_DIRECTORY < directories <= _MAX_DIRECTORIES:
        refuse(subject, f"{directories} data directories, 5 to 16 expected")
    if optional_size < _OPTIONAL_FIXED + 8 * directories or not 1 <= count <= _MAX_SECTIONS:
        refuse(subject, "optional header or section count out of bounds")
    if not table_at + _SECTION_SIZE * count <= headers_size <= len(data):
        refuse(subject, "the section table lies outside the headers")
    # 2
    sections = tuple(_section(data, at=table_at + _SECTION_SIZE * i, subject=subject) for i in range(count))
    end = headers_size
    for section in sorted((s for s in sections if s.raw_size), key=lambda s: s.raw_offset):
        if section.raw_offset != end:
            refuse(subject, f"section {section.name} leaves a gap or overlaps, so bytes of it may go unmeasured")
        end += section.raw_size
    if end > len(data):
        refuse(subject, "truncated: a section reaches past the end of the file")
    # 3
    security_at = optional_at + _OPTIONAL_FIXED + 8 * _SECURITY_DIRECTORY
    certificates_at, certificates_size = struct.unpack_from("<II", data, security_at)
    if certificates_size and (certificates_at < end or certificates_at + certificates_size != len(data)):
        refuse(subject, "the certificate table is not the end of the file")
    return PeImage(
        data=data,
        headers_size=headers_size,
        checksum_at=optional_at + 64,
        security_at=security_at,
        certificates_size=certificates_size,
        entry_point=entry_point,
        sections=sections,
    )


def authenticode_sha256(image: PeImage) -> str:
    """Return the hexadecimal SHA-256 that firmware extends into PCR 4 for a boot application.

    Everything but the checksum, the certificate table's directory entry and the
    certificate table itself. Sections follow the headers without gaps
    (``parse_pe`` saw to it), so the order of their offsets is the file's order.
    """
    view = memoryview(image.data)
    digest = hashlib.sha256(view[: image.checksum_at])
    digest.update(view[image.checksum_at + 4 : image.security_at])
    digest.update(view[image.security_at + 8 : len(view) - image.certificates_size])
    return digest.hexdigest()


def _section(data: bytes, *, at: int, subject: str) -> Section:
    raw_name, virtual_size, virtual_address, raw_size, raw_offset = struct.unpack_from("<8sIIII", data, at)
    (characteristics,) = struct.unpack_from("<I", data, at + 36)
    stripped = raw_name.rstrip(b"\0")
    if not stripped.isascii() or b"\0" in stripped:
        refuse(subject, "a section name is not plain ASCII")
    return Section(
        name=stripped.decode("ascii"),
        virtual_size=virtual_size,
        virtual_address=virtual_address,
        raw_size=raw_size,
        raw_offset=raw_offset,
        characteristics=characteristics,
    )
