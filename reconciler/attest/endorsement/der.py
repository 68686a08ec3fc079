"""Reading DER element by element: bounded, without recursion, definite lengths only.

Elements within a SET may be in any order: some of Nuvoton's EK certificates have them
unordered, and a signature covers them as they are. High tag numbers do not occur in
certificates and are refused.

Source: ITU-T X.690, 8.1 and 10.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.attest.reader import MalformedError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING = 0x01, 0x02, 0x03, 0x04
OBJECT_IDENTIFIER, UTC_TIME, GENERALIZED_TIME, SEQUENCE = 0x06, 0x17, 0x18, 0x30

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


def first_element(data: bytes, *, what: str) -> Element:
    """Return the element at the start of ``data``; whatever follows it is left alone."""
    if len(data) < _SHORT_HEADER:
        raise MalformedError(what, "ends within an element's header")
    tag, length, start = data[0], data[1], _SHORT_HEADER
    if tag & _LONG_TAG == _LONG_TAG:
        raise MalformedError(what, "a tag number is above 30")
    if length >= _LONG_LENGTH:
        octets = length & 0x7F
        start += octets
        if not 1 <= octets <= _MAX_LENGTH_OCTETS or len(data) < start:
            raise MalformedError(what, "a length is not definite, or too long")
        length = int.from_bytes(data[_SHORT_HEADER:start])
        if length < _LONG_LENGTH or length.bit_length() <= 8 * (octets - 1):
            raise MalformedError(what, "a length is not written in its shortest form")
    if start + length > len(data):
        raise MalformedError(what, "an element is longer than what holds it")
    return Element(tag=tag, content=data[start : start + length], raw=data[: start + length])


def elements(content: bytes, *, what: str) -> Iterator[Element]:
    """Yield the elements of ``content``, which they fill to the last byte."""
    while content:
        element = first_element(content, what=what)
        yield element
        content = content[len(element.raw) :]


def expect(children: Iterator[Element], *, tag: int, what: str) -> Element:
    """Return the next of ``children``, which must have ``tag``."""
    element = next(children, None)
    if element is None or element.tag != tag:
        raise MalformedError(what, f"an element with tag 0x{tag:02x} is missing")
    return element
