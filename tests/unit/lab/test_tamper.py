from __future__ import annotations

import struct

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.lab import tamper


def image(cmdline: bytes, *, raw: int = 512, name: bytes = b".cmdline") -> bytes:
    """Return a PE file with one section; 0x40 is where its header is."""
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 0, 0)
    section = struct.pack("<8sIIIIIIHHI", name, len(cmdline), 0x1000, raw, 0x200, 0, 0, 0, 0, 0)
    return (header + coff + section).ljust(0x200, b"\0") + cmdline.ljust(raw, b"\0") + b"rest"


def content(uki: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", uki, 0x40 + 24 + 8)
    return uki[0x200 : 0x200 + size]


def test_the_command_line_gets_one_more_word_and_nothing_else_moves() -> None:
    before = image(b"console=ttyS0\n")
    after = tamper.changed(before)
    assert content(after) == b"console=ttyS0 tampered=1"
    assert len(after) == len(before)
    assert after[0x400:] == b"rest"


def test_a_full_section_loses_its_end_to_the_word() -> None:
    after = tamper.changed(image(b"x" * 512))
    assert content(after) == b"x" * 501 + b" tampered=1"


@pytest.mark.parametrize(
    ("content_", "says"),
    [
        (b"", "no whole PE"),
        (b"MZ" + bytes(200), "no PE file"),
        (image(b"", name=b".text"), "no .cmdline"),
    ],
)
def test_what_is_no_unified_kernel_image_is_refused(content_: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        tamper.changed(content_)
