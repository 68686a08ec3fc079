"""The Merkle tree of the log: roots, the compact frontier that a writer keeps, and proofs.

1. Everything works on leaf hashes; ``leaf_hash`` makes one from a leaf's bytes.
2. Nothing recurses: a tree's size is limited by memory only, and a frontier holds at most 64 hashes.
3. A proof that does not hold is a TrustError; there is no yes or no that somebody could forget to read.

What a leaf means is not looked at here. Source: RFC 9162, sections 2.1.1 to 2.1.5, with SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

from reconciler.errors.taxonomy import InvariantError, TrustError
from reconciler.evidence.canonical import is_canonical

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

_HASH_SIZE = 32
_MAX_SIZE = 1 << 63
_MAX_FRONTIER_BYTES = 8192


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of the leaf ``data``."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the inner node above ``left`` and ``right``."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over ``leaf_hashes``, in order."""
    level = list(leaf_hashes)
    while len(level) > 1:
        level = _level_above(level)
    return level[0] if level else EMPTY_ROOT


def _level_above(level: list[bytes]) -> list[bytes]:
    """Return the nodes above ``level``; an odd one at the end has no sibling and moves up as it is."""
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    if len(level) % 2:
        above.append(level[-1])
    return above


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What the next root is computed from: the roots of the full subtrees of ``size`` leaves, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """Return the frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """Return the frontier after ``leaf_hashes``, in order."""
        size, stack = self.size, list(self.hashes)
        for leaf in leaf_hashes:
            node, ends = leaf, size
            while ends & 1:  # Each one at the end of the number is a full subtree that this one completes.
                node = sha256(b"\x01" + stack.pop() + node).digest()
                ends >>= 1
            stack.append(node)
            size += 1
        return Frontier(size=size, hashes=tuple(stack))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            node = node_hash(left, node)
        return node

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that ``parse_frontier`` reads in its canonical form."""
        return {"size": self.size, "hashes": [node.hex() for node in self.hashes]}


def roots_at(leaf_hashes: Iterable[bytes], sizes: Iterable[int]) -> tuple[Frontier, dict[int, bytes]]:
    """Return the frontier over all of ``leaf_hashes``, and the root at each of ``sizes`` that the tree went through.

    ``leaf_hashes`` are read once and not kept.
    """
    leaves, frontier, found = iter(leaf_hashes), Frontier(), {}
    for size in sorted({size for size in sizes if size >= 0}):
        frontier = frontier.extend(islice(leaves, size - frontier.size))
        if frontier.size == size:
            found[size] = frontier.root()
    return frontier.extend(leaves), found


def parse_frontier(data: bytes) -> Frontier:
    """Return the frontier in the canonical JSON ``data``; raise TrustError if there is none, byte for byte."""
    if len(data) > _MAX_FRONTIER_BYTES:
        raise _malformed()
    try:
        document = json.loads(data)
        frontier = Frontier(size=document["size"], hashes=tuple(bytes.fromhex(text) for text in document["hashes"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _malformed() from None
    is_number = type(frontier.size) is int and 0 <= frontier.size < _MAX_SIZE
    if not is_number or len(frontier.hashes) != frontier.size.bit_count():
        raise _malformed()
    if any(len(node) != _HASH_SIZE for node in frontier.hashes) or not is_canonical(data, frontier.to_json()):
        raise _malformed()
    return frontier


def _malformed() -> TrustError:
    message = "it is not a frontier that ringfence writes"
    return TrustError("log frontier", message, reason="FrontierMalformed", hint="compute it again from the log's lines")


def inclusion_proof(index: int, leaf_hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the path from the leaf at ``index`` (from 0) to the root, the lowest sibling first."""
    if not 0 <= index < len(leaf_hashes):
        raise InvariantError("merkle tree", f"it has no leaf {index}", reason="LeafOutOfRange")
    level, proof = list(leaf_hashes), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        level = _level_above(level)
        index >>= 1
    return tuple(proof)


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise TrustError unless ``proof`` leads from the leaf hash at ``index`` to the ``root`` of ``size`` leaves."""
    if not 0 <= index < size:
        raise _unproven(f"leaf {index} in a tree of {size}", reason="InclusionUnproven")
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != _HASH_SIZE:
            raise _unproven(f"leaf {index}", reason="InclusionUnproven")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            position, last = _to_right_child(position, last)
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or node != root:
        raise _unproven(f"leaf {index}", reason="InclusionUnproven")


def consistency_proof(old: int, leaf_hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the nodes that show that the first ``old`` of ``leaf_hashes`` are the beginning of the whole tree."""
    low, high, is_old_root = 0, len(leaf_hashes), True
    if not 0 <= old <= high:
        raise InvariantError("merkle tree", f"a tree of {high} was never one of {old}", reason="LeafOutOfRange")
    if old in {0, high}:
        return ()
    proof = []
    while old != high:
        middle = low + (1 << (high - low - 1).bit_length() - 1)  # The largest power of two below the width.
        if old <= middle:
            proof.append(root(leaf_hashes[middle:high]))
            high = middle
        else:
            proof.append(root(leaf_hashes[low:middle]))
            low, is_old_root = middle, False
    if not is_old_root:
        proof.append(root(leaf_hashes[low:high]))
    return tuple(reversed(proof))


def verify_consistency(*, old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise TrustError unless ``proof`` shows that the tree of ``size`` begins with the tree of ``old``.

    Every tree begins with the empty one, and with itself; their proof is empty.
    """
    refusal = _unproven(f"a tree of {size} after one of {old}", reason="ConsistencyUnproven")
    if not 0 <= old <= size or any(len(node) != _HASH_SIZE for node in proof):
        raise refusal
    if old in {0, size}:
        is_same = old_root == (EMPTY_ROOT if old == 0 else root) and (size > 0 or root == EMPTY_ROOT)
        if proof or not is_same:
            raise refusal
        return
    nodes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not nodes or _roots(nodes, old=old, size=size) != (old_root, root):
        raise refusal


def _roots(nodes: Sequence[bytes], *, old: int, size: int) -> tuple[bytes, bytes] | None:
    """Return both roots that ``nodes`` lead to, or None where they are too few or too many."""
    position, last = old - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    before = after = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            before, after = node_hash(node, before), node_hash(node, after)
            position, last = _to_right_child(position, last)
        else:
            after = node_hash(after, node)
        position, last = position >> 1, last >> 1
    return None if last else (before, after)


def _to_right_child(position: int, last: int) -> tuple[int, int]:
    """Return the place of the lowest node at or above ``position`` that is a right child, or the top."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _unproven(what: str, *, reason: str) -> TrustError:
    return TrustError("merkle proof", f"it does not show {what}", reason=reason)
