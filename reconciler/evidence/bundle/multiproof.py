"""One proof that many leaves stand in a Merkle tree: the roots of all subtrees without any of them, from left to right.

For leaves that stand close together it is much shorter than a path for each. Source: RFC 9162, section 2.1.1 (how the
tree is split); the proof is that of section 2.1.3 for several leaves at once, ordered by place instead of height.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.merkle import node_hash
from reconciler.evidence.merkle import root as root_of

_HASH_SIZE = 32
_MAX_SIZE = 1 << 63


def prove(indexes: Sequence[int], leaf_hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the proof for the leaves at ``indexes`` (ascending, at least one, each in range) of ``leaf_hashes``."""
    proof: list[bytes] = []

    def pass_over(start: int, end: int) -> bytes:
        proof.append(root_of(leaf_hashes[start:end]))
        return proof[-1]

    _climb(0, len(leaf_hashes), indexes=indexes, leaf=lambda index: leaf_hashes[index], other=pass_over)
    return tuple(proof)


def proven_root(leaves: Mapping[int, bytes], *, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root to which ``leaves`` (hash by index) in a tree of ``size`` lead; TrustError if to none."""
    indexes = sorted(leaves)
    if not indexes or indexes[0] < 0 or indexes[-1] >= size or size > _MAX_SIZE:
        raise _unproven()
    if any(len(node) != _HASH_SIZE for node in proof):
        raise _unproven()
    rest = iter(proof)

    def take(_start: int, _end: int) -> bytes:
        node = next(rest, None)
        if node is None:
            raise _unproven()
        return node

    found = _climb(0, size, indexes=indexes, leaf=leaves.__getitem__, other=take)
    if next(rest, None) is not None:
        raise _unproven()
    return found


def _climb(
    start: int,
    end: int,
    *,
    indexes: Sequence[int],
    leaf: Callable[[int], bytes],
    other: Callable[[int, int], bytes],
) -> bytes:
    """Return the root over the leaves from ``start`` to ``end``; ``other`` gives that of a range without ``indexes``.

    It calls itself once a level, and a tree has at most 63.
    """
    if bisect_left(indexes, start) == bisect_left(indexes, end):
        return other(start, end)
    if end - start == 1:
        return leaf(start)
    middle = start + (1 << (end - start - 1).bit_length() - 1)  # The largest power of two below the width.
    left = _climb(start, middle, indexes=indexes, leaf=leaf, other=other)
    return node_hash(left, _climb(middle, end, indexes=indexes, leaf=leaf, other=other))


def _unproven() -> TrustError:
    message = "its entries are not shown to stand in the tree that was signed"
    return TrustError("merkle proof", message, reason="InclusionUnproven", hint="the bundle was altered")
