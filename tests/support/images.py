"""PE32+ images made at run time: a stub and a kernel that a unified kernel image can be assembled of."""

from __future__ import annotations

import struct

from reconciler.attest.prediction.pe import EXECUTABLE

_PE_AT = 0x40
_OPTIONAL_AT = _PE_AT + 24
_DIRECTORIES = 16
_TABLE_AT = _OPTIONAL_AT + 112 + 8 * _DIRECTORIES
_CODE = EXECUTABLE | 0x60000020
_DATA = 0x40000040
_MAGIC = b"#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0"


def pe_image(sections: list[tuple[bytes, bytes, int]], *, headers: int = 0x400, tail: bytes = b"") -> bytearray:
    """Return a PE32+ image of sections, each a name, a content and flags."""
    made = bytearray(headers)
    made[:2] = b"MZ"
    struct.pack_into("<I", made, 0x3C, _PE_AT)
    struct.pack_into("<4sHH", made, _PE_AT, b"PE\0\0", 0x8664, len(sections))
    struct.pack_into("<H", made, _PE_AT + 20, 112 + 8 * _DIRECTORIES)
    struct.pack_into("<H", made, _OPTIONAL_AT, 0x20B)
    struct.pack_into("<I", made, _OPTIONAL_AT + 16, 0x1000)
    struct.pack_into("<I", made, _OPTIONAL_AT + 60, headers)
    struct.pack_into("<I", made, _OPTIONAL_AT + 108, _DIRECTORIES)
    memory = 0x1000
    for number, (name, content, flags) in enumerate(sections):
        raw = content + bytes(-len(content) % 0x200)
        row = (name, len(content), memory, len(raw), len(made), 0, 0, 0, 0, flags)
        struct.pack_into("<8sIIIIIIHHI", made, _TABLE_AT + 40 * number, *row)
        made += raw
        memory += -(-len(content) // 0x1000) * 0x1000
    return made + tail


def kernel(version: bytes = b"6.1.0-56-cloud-amd64 (x)\0") -> bytes:
    """Return something with a kernel's headers and ``version``."""
    made = pe_image([(b".text", b"kernel", _CODE)])
    made[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", made, 0x20E, 0x100)
    made[0x300 : 0x300 + len(version)] = version
    return bytes(made)


def stub(magic: bytes = _MAGIC) -> bytes:
    """Return something with the stub's sections."""
    return bytes(pe_image([(b".text", b"stub", _CODE), (b".sdmagic", magic, _DATA)], tail=b"symbols"))
