"""The target of unified kernel images: predicted, or refused with its reason."""

from __future__ import annotations

import struct
from random import Random

from reconciler.attest.prediction.uki import predict
from reconciler.errors.taxonomy import InputError
from reconciler.image.assemble import assemble
from tests.fuzz.checks import told
from tests.fuzz.harness import Target
from tests.fuzz.mutate import tokens
from tests.support.images import kernel, pe_image, stub

UKI = assemble(stub(), osrel=b"ID=ringfence\n", command_line="console=ttyS0", initrd=b"initrd", kernel=kernel())
_OPTIONAL_AT = 0x40 + 24
_TABLE_AT = _OPTIONAL_AT + 112 + 8 * 16
_FIELDS = (
    (0x3C, "<I"),
    (0x40 + 4, "<H"),
    (0x40 + 6, "<H"),
    (0x40 + 20, "<H"),
    *((_OPTIONAL_AT + at, "<I") for at in (16, 36, 56, 60, 64, 108, 112 + 32, 112 + 36)),
)
_ROW = ((0, "<Q"), (8, "<I"), (12, "<I"), (16, "<I"), (20, "<I"), (36, "<I"))
_WORDS = tokens(
    [b".linux\0\0", b".cmdline", b".initrd\0", b".osrel\0\0", b".sdmagic", b".ucode\0\0", b"MZ", b"HdrS", b"6.1."]
)


def change_field(random: Random, data: bytes) -> bytes:
    """Give a field of the headers or of a row of the section table a value near one that it may have."""
    start = random.choice((0, data.find(b"MZ", 2), 0))
    at, layout = random.choice(
        (*_FIELDS, *((_TABLE_AT + 40 * random.randrange(8) + place, how) for place, how in _ROW))
    )
    made = bytearray(data)
    width = struct.calcsize(layout)
    if start < 0 or start + at + width > len(made):
        return data
    (old,) = struct.unpack_from(layout, made, start + at)
    near = (old + 1, old - 1, old ^ 1 << random.randrange(8 * width), 0, -1, len(data), len(data) - old, 0x200, 0x400)
    struct.pack_into(layout, made, start + at, random.choice(near) % (1 << 8 * width))
    return bytes(made)


def swap_rows(random: Random, data: bytes) -> bytes:
    """Exchange two rows of the section table, or put one in another's place."""
    one, other = (_TABLE_AT + 40 * random.randrange(6) for _ in range(2))
    made = bytearray(data)
    first, second = data[one : one + 40], data[other : other + 40]
    if len(first) != len(second) or random.random() < 0.3:
        second = first
    made[one : one + 40], made[other : other + 40] = second, first
    return bytes(made)


def run_uki(data: bytes) -> str:
    """Predict what ``data`` measures."""
    try:
        found = predict(data)
    except InputError as error:
        told([error.message, error.hint, error.reason])
        raise
    told([found.command_line, found.digest, {str(pcr): value for pcr, value in found.values().items()}])
    return "predicted"


TARGETS = (
    Target(
        name="uki",
        run=run_uki,
        seeds=[UKI, UKI + bytes(512), stub(), kernel(), bytes(pe_image([]))],
        mutations=(change_field, change_field, swap_rows, _WORDS),
        factor=16,
        brief=50000,
    ),
)
