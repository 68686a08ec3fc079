"""Mutations of any bytes: bits, numbers at their limits, lengths, chunks moved, repeated, spliced, cut.

All choices come from the ``Random`` that is given, so that a run is told by its seed. An input never grows beyond
``MAX_INPUT``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

MAX_INPUT = 1 << 18
"""The longest input that is made, in bytes."""

Mutation = Callable[[Random, bytes], bytes]

_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_WIDTHS = ("B", "<H", ">H", "<I", ">I", "<Q", ">Q")
_MAX_CHUNK = 64


def flip(random: Random, data: bytes) -> bytes:
    """Flip one bit."""
    if not data:
        return bytes([random.randrange(256)])
    made = bytearray(data)
    made[random.randrange(len(made))] ^= 1 << random.randrange(8)
    return bytes(made)


def number(random: Random, data: bytes) -> bytes:
    """Write a number at a limit, or the number there and a little more or less, at any place and of any width."""
    layout = random.choice(_WIDTHS)
    width = struct.calcsize(layout)
    if len(data) < width:
        return data
    made, at = bytearray(data), random.randrange(len(data) - width + 1)
    (old,) = struct.unpack_from(layout, made, at)
    value = random.choice((*_NUMBERS, old + 1, old - 1, old * 2, len(data), len(data) - at - width))
    struct.pack_into(layout, made, at, value % (1 << 8 * width))
    return bytes(made)


def remove(random: Random, data: bytes) -> bytes:
    """Take a chunk out."""
    at, size = _chunk(random, data)
    return data[:at] + data[at + size :]


def cut(random: Random, data: bytes) -> bytes:
    """Leave the end off."""
    return data[: random.randrange(len(data) + 1)]


def copy(random: Random, data: bytes) -> bytes:
    """Put a chunk at another place too."""
    (at, size), to = _chunk(random, data), random.randrange(len(data) + 1)
    return bounded(data[:to] + data[at : at + size] + data[to:])


def repeat(random: Random, data: bytes) -> bytes:
    """Repeat a chunk, often enough to show what is done for each of many."""
    at, size = _chunk(random, data)
    times = random.choice((2, 3, 16, 256, 4096))
    return bounded(data[:at] + data[at : at + size] * times + data[at + size :])


def noise(random: Random, data: bytes) -> bytes:
    """Overwrite a chunk with chance."""
    at, size = _chunk(random, data)
    return data[:at] + random.randbytes(size) + data[at + size :]


def same(random: Random, data: bytes) -> bytes:
    """Overwrite a chunk with one byte again and again."""
    at, size = _chunk(random, data)
    return data[:at] + random.choice((b"\0", b"\xff", b" ", b"A", b"0", b"\n")) * size + data[at + size :]


PLAIN: tuple[Mutation, ...] = (flip, flip, number, number, number, remove, cut, copy, repeat, noise, same)


def tokens(words: Sequence[bytes]) -> Mutation:
    """Return a mutation that inserts one of ``words``, or writes it over what is there."""

    def insert(random: Random, data: bytes) -> bytes:
        word, at = random.choice(words), random.randrange(len(data) + 1)
        return bounded(data[:at] + word + data[at + random.choice((0, len(word))) :])

    return insert


def splices(others: Sequence[bytes]) -> Mutation:
    """Return a mutation that puts the rest of another input after a beginning of this one."""

    def splice(random: Random, data: bytes) -> bytes:
        other = random.choice(others)
        return bounded(data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :])

    return splice


def mutate(random: Random, data: bytes, mutations: Sequence[Mutation]) -> bytes:
    """Return ``data`` after one to eight of ``mutations``; few are more likely than many."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 8))):
        data = bounded(random.choice(mutations)(random, data))
    return data


def bounded(data: bytes) -> bytes:
    """Return ``data``, cut to MAX_INPUT."""
    return data[:MAX_INPUT]


def _chunk(random: Random, data: bytes) -> tuple[int, int]:
    at = random.randrange(len(data) + 1)
    return at, min(random.randint(1, _MAX_CHUNK), len(data) - at)
