"""Reading DER element by element: bounded, without recursion, definite lengths only.

Elements within a SET may be in any order: some of Nuvoton's EK certificates have them
unordered, and a signature covers them as they are. High tag numbers do not occur in
certificates and are refused. Values are not judged here.

Source: ITU-T X.690, 8.1 and 10.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.attest.reader import MalformedError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL = 0x01, 0x02, 0x03, 0x04, 0x05
OBJECT_IDENTIFIER, ENUMERATED, UTC_TIME, GENERALIZED_TIME = 0x06, 0x0A, 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31

_LONG_TAG = 0x1F
_LONG_LENGTH = 0x80
_MAX_LENGTH_OCTETS = 3
_SHORT_HEADER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element: its ``tag``, its ``content``, and the whole of it as ``raw``."""

    tag: int
    content: bytes
    raw: bytes


def header(data: bytes, *, at: int, what: str) -> tuple[int, int, int]:
    """Return the tag of the element at offset ``at``, and where its content starts and ends, both within ``data``."""
    start, size = at + _SHORT_HEADER, len(data)
    if size < start:
        raise MalformedError(what, "ends within an element's header")
    tag, length = data[at], data[at + 1]
    if tag & _LONG_TAG == _LONG_TAG:
        raise MalformedError(what, "a tag number is above 30")
    if length >= _LONG_LENGTH:
        octets = length & 0x7F
        first, start = start, start + octets
        if not 1 <= octets <= _MAX_LENGTH_OCTETS or size < start:
            raise MalformedError(what, "a length is not definite, or too long")
        length = int.from_bytes(data[first:start])
        if length < _LONG_LENGTH or length.bit_length() <= 8 * (octets - 1):
            raise MalformedError(what, "a length is not written in its shortest form")
    if start + length > size:
        raise MalformedError(what, "an element is longer than what holds it")
    return tag, start, start + length


def first_element(data: bytes, *, what: str) -> Element:
    """Return the element at the start of ``data``; whatever follows it is left alone."""
    tag, start, end = header(data, at=0, what=what)
    return Element(tag=tag, content=data[start:end], raw=data[:end])


def only_element(data: bytes, *, tag: int, what: str) -> Element:
    """Return the element with ``tag`` that fills ``data`` to the last byte."""
    element = first_element(data, what=what)
    if element.tag != tag or len(element.raw) != len(data):
        raise MalformedError(what, f"is not one element with tag 0x{tag:02x}")
    return element


def elements(content: bytes, *, what: str) -> Iterator[Element]:
    """Yield the elements of ``content``, which they fill to the last byte."""
    at = 0
    while at < len(content):
        tag, start, end = header(content, at=at, what=what)
        yield Element(tag=tag, content=content[start:end], raw=content[at:end])
        at = end


def expect(children: Iterator[Element], *, tag: int, what: str) -> Element:
    """Return the next of ``children``, which must have ``tag``."""
    element = next(children, None)
    if element is None or element.tag != tag:
        raise MalformedError(what, f"an element with tag 0x{tag:02x} is missing")
    return element


def finish(children: Iterator[Element], *, what: str) -> None:
    """Raise MalformedError unless all ``children`` were taken."""
    if next(children, None) is not None:
        raise MalformedError(what, "an element is followed by another that does not belong there")
