"""The tree is the one that the recursive definition gives, and no other proof holds."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    parse_frontier,
    root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = st.lists(st.binary(max_size=8), max_size=70)


def _root(data: list[bytes]) -> bytes:
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\0" + data[0]).digest()
    split = 1
    while split * 2 < len(data):
        split *= 2
    return sha256(b"\1" + _root(data[:split]) + _root(data[split:])).digest()


def _hashes(data: list[bytes]) -> list[bytes]:
    return [leaf_hash(leaf) for leaf in data]


@given(data=LEAVES, cut=st.integers(0, 70))
def test_root_and_frontier_are_those_of_the_definition(data: list[bytes], cut: int) -> None:
    hashes = _hashes(data)
    assert root(hashes) == _root(data)
    frontier = Frontier().extend(hashes[:cut]).extend(hashes[cut:])
    assert (frontier.size, frontier.root()) == (len(data), _root(data))
    assert parse_frontier(canonical(frontier.to_json())) == frontier


@given(data=LEAVES.filter(bool), where=st.data())
def test_inclusion_holds_for_the_leaf_alone_and_in_its_place_alone(data: list[bytes], where: st.DataObject) -> None:
    index = where.draw(st.integers(0, len(data) - 1))
    hashes, size = _hashes(data), len(data)
    proof = inclusion_proof(index, hashes)
    verify_inclusion(hashes[index], index=index, size=size, proof=proof, root=_root(data))
    other = where.draw(st.integers(-1, len(data)))
    if other not in range(size) or hashes[other] != hashes[index]:
        with pytest.raises(TrustError):
            verify_inclusion(hashes[index], index=other, size=size, proof=proof, root=_root(data))
    with pytest.raises(TrustError):
        verify_inclusion(leaf_hash(b"stranger!"), index=index, size=size, proof=proof, root=_root(data))


@given(data=LEAVES.filter(bool), where=st.data())
def test_consistency_holds_for_a_beginning_and_for_nothing_else(data: list[bytes], where: st.DataObject) -> None:
    old = where.draw(st.integers(0, len(data)))
    size, whole = len(data), _root(data)
    proof = consistency_proof(old, _hashes(data))
    verify_consistency(old=old, old_root=_root(data[:old]), size=size, root=whole, proof=proof)
    if old == 0:
        return
    altered = where.draw(st.integers(0, old - 1))
    forked = [*data[:altered], b"stranger!", *data[altered + 1 :]]
    for fork_proof in (proof, consistency_proof(old, _hashes(forked))):
        with pytest.raises(TrustError):
            verify_consistency(old=old, old_root=_root(data[:old]), size=size, root=_root(forked), proof=fork_proof)
    if proof:
        flipped = where.draw(st.integers(0, len(proof) - 1))
        broken = [*proof[:flipped], bytes(32), *proof[flipped + 1 :]]
        with pytest.raises(TrustError):
            verify_consistency(old=old, old_root=_root(data[:old]), size=size, root=whole, proof=broken)
