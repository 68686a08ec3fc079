"""The tree: roots and proofs as RFC 9162 has them, and nothing else passes."""

from __future__ import annotations

from hashlib import sha256

import pytest

from reconciler.errors.taxonomy import InvariantError, TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    parse_frontier,
    root,
    roots_at,
    verify_consistency,
    verify_inclusion,
)

EIGHT = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
EIGHT.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(data) for data in EIGHT]


def _refused(reason: str) -> pytest.RaisesExc[TrustError]:
    return pytest.raises(TrustError, check=lambda error: error.reason == reason)


def test_roots_of_the_well_known_eight_leaves_are_the_published_ones() -> None:
    assert [root(LEAVES[:size]).hex() for size in range(1, 9)] == list(ROOTS)
    assert root([]) == EMPTY_ROOT == sha256(b"").digest()


def test_frontier_has_the_root_of_the_tree_at_every_size() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for leaf, expected in zip(LEAVES, ROOTS, strict=True):
        frontier = frontier.append(leaf)
        assert frontier.root().hex() == expected
    assert frontier == Frontier().extend(LEAVES)


def test_roots_of_many_sizes_are_found_in_one_reading() -> None:
    frontier, found = roots_at(iter(LEAVES), (7, 0, 3, 9, -1))
    assert frontier == Frontier().extend(LEAVES)
    assert found == {0: EMPTY_ROOT, 3: root(LEAVES[:3]), 7: root(LEAVES[:7])}


def test_published_inclusion_proof_of_the_sixth_leaf_holds() -> None:
    proof = inclusion_proof(5, LEAVES)
    assert [node.hex() for node in proof] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    verify_inclusion(LEAVES[5], index=5, size=8, proof=proof, root=root(LEAVES))


def test_published_consistency_proof_from_six_to_eight_holds() -> None:
    proof = consistency_proof(6, LEAVES)
    assert [node.hex() for node in proof] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    verify_consistency(old=6, old_root=root(LEAVES[:6]), size=8, root=root(LEAVES), proof=proof)


def test_published_consistency_proof_from_one_to_eight_holds() -> None:
    proof = consistency_proof(1, LEAVES)
    assert [node.hex() for node in proof] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    verify_consistency(old=1, old_root=LEAVES[0], size=8, root=root(LEAVES), proof=proof)


def test_inclusion_is_refused_with_a_proof_that_is_short_long_or_of_another_leaf() -> None:
    good, whole = inclusion_proof(4, LEAVES[:5]), root(LEAVES[:5])
    verify_inclusion(LEAVES[4], index=4, size=5, proof=good, root=whole)
    others: list[tuple[int, int, tuple[bytes, ...]]] = [
        (4, 5, ()),
        (4, 5, (*good, good[0])),
        (4, 5, (good[0][:31],)),
        (3, 5, good),
        (4, 8, good),
        (5, 5, good),
        (-1, 5, good),
    ]
    for index, size, proof in others:
        with _refused("InclusionUnproven"):
            verify_inclusion(LEAVES[4], index=index, size=size, proof=proof, root=whole)


def test_consistency_is_refused_with_a_proof_that_is_short_long_or_of_other_trees() -> None:
    old, whole, good = root(LEAVES[:6]), root(LEAVES), consistency_proof(6, LEAVES)
    others: list[tuple[int, bytes, int, bytes, tuple[bytes, ...]]] = [
        (6, old, 8, whole, ()),
        (6, old, 8, whole, good[:-1]),
        (6, old, 8, whole, (*good, good[0])),
        (6, old, 8, whole, (*good[:-1], good[-1][:31])),
        (6, whole, 8, whole, good),
        (6, old, 8, old, good),
        (9, old, 8, whole, good),
        (-1, old, 8, whole, good),
        (8, old, 8, whole, ()),
        (8, whole, 8, whole, good),
        (0, whole, 8, whole, ()),
        (0, EMPTY_ROOT, 0, whole, ()),
        (4, root(LEAVES[:4]), 8, whole, ()),
    ]
    for size_before, root_before, size, now, proof in others:
        with _refused("ConsistencyUnproven"):
            verify_consistency(old=size_before, old_root=root_before, size=size, root=now, proof=proof)


def test_every_tree_begins_with_the_empty_one_and_with_itself() -> None:
    assert consistency_proof(0, LEAVES) == consistency_proof(8, LEAVES) == ()
    verify_consistency(old=0, old_root=EMPTY_ROOT, size=8, root=root(LEAVES), proof=())
    verify_consistency(old=8, old_root=root(LEAVES), size=8, root=root(LEAVES), proof=())
    verify_consistency(old=0, old_root=EMPTY_ROOT, size=0, root=EMPTY_ROOT, proof=())


def test_asking_for_a_leaf_that_is_not_there_is_our_own_bug() -> None:
    with pytest.raises(InvariantError):
        inclusion_proof(8, LEAVES)
    with pytest.raises(InvariantError):
        consistency_proof(9, LEAVES)


def test_frontier_comes_back_from_its_json() -> None:
    for size in range(9):
        frontier = Frontier().extend(LEAVES[:size])
        assert parse_frontier(canonical(frontier.to_json())) == frontier


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"hashes":[],"size":true}',
        b'{"hashes":[],"size":-1}',
        b'{"hashes":[],"size":1}',
        b'{"hashes":["00"],"size":1}',
        b'{"hashes":["zz"],"size":1}',
        b'{"hashes":[7],"size":1}',
        b'{"hashes":[],"size":0,"more":1}',
        b'{"size":0,"hashes":[]}',
        b'{"hashes":[],"size":9223372036854775808}',
        b'{"hashes":[],"size":0}' + b" " * 9000,
        b"[" * 8000,
    ],
)
def test_what_is_no_frontier_is_refused(data: bytes) -> None:
    with _refused("FrontierMalformed"):
        parse_frontier(data)


def test_a_leaf_is_never_taken_for_a_node() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])
