"""DER taken apart and put together again, so that one element can be changed and all lengths around it fit."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutate import MAX_INPUT, PLAIN, bounded, mutate
from tests.support.pki import element

_MAX_DEPTH = 24
_MAX_PARSED = 1 << 15
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x1E, 0x30, 0x31, 0x80, 0xA0, 0xA3, 0x1F)
_STRINGS = (0x03, 0x04)


@dataclass(kw_only=True)
class Node:
    """An element: its tag, and its content as bytes or as elements; ``lead`` is the first byte of a bit string."""

    tag: int
    content: bytes | list[Node]
    lead: bytes = b""

    def encode(self) -> bytes:
        """Return its DER."""
        content = self.content if isinstance(self.content, bytes) else b"".join(node.encode() for node in self.content)
        return element(self.tag, self.lead, content)


def parse(data: bytes, *, depth: int = 0) -> list[Node] | None:
    """Return the elements that ``data`` is made of, None if it is not."""
    nodes, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            return None
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            octets = size & 0x7F
            size, at = int.from_bytes(data[at : at + octets]), at + octets
        if size > len(data) - at or tag & 0x1F == 0x1F:
            return None
        nodes.append(_node(tag, data[at : at + size], depth=depth))
        at += size
    return nodes


def _node(tag: int, content: bytes, *, depth: int) -> Node:
    lead = content[:1] if tag == _STRINGS[0] else b""
    inner = None
    if depth < _MAX_DEPTH and (tag & 0x20 or tag in _STRINGS) and len(content) > len(lead):
        inner = parse(content[len(lead) :], depth=depth + 1)
    return Node(tag=tag, content=content[len(lead) :] if inner is None else inner, lead=lead)


def _lists(nodes: list[Node]) -> Iterator[list[Node]]:
    yield nodes
    for node in nodes:
        if isinstance(node.content, list):
            yield from _lists(node.content)


def change_element(random: Random, data: bytes) -> bytes:
    """Change one to three elements of the DER in ``data``: content, tag, order, number or depth."""
    nodes = parse(data) if len(data) <= _MAX_PARSED else None
    if not nodes:
        return data
    for _ in range(random.choice((1, 1, 2, 3))):
        found = [part for part in _lists(nodes) if part]
        if not found:
            break
        _change(random, random.choice(found), others=found)
    return bounded(b"".join(node.encode() for node in nodes))


def _change(random: Random, nodes: list[Node], *, others: list[list[Node]]) -> None:
    at = random.randrange(len(nodes))
    node, kind = nodes[at], random.randrange(8)
    if kind <= 2 and isinstance(node.content, bytes):
        node.content = mutate(random, node.content, PLAIN)
    elif kind == 3:
        node.tag = random.choice(_TAGS)
    elif kind == 4:
        nodes.insert(at, deepcopy(random.choice(random.choice(others))))
    elif kind == 5:
        content = node.encode()
        times = min(random.choice((1, 1, 1, 1, 30, 1000)), MAX_INPUT // len(content))
        nodes[at:at] = [Node(tag=node.tag, content=content[2:])] * times
    elif kind == 6:
        content = node.encode()
        for _ in range(random.choice((1, 1, 1, 1, 20, 3000))):
            content = element(0x30, content) if len(content) < 1 << 14 else content
        nodes[at] = Node(tag=0x30, content=content)
    else:
        del nodes[at]
