"""One proof for many leaves: it leads to the root, and to no other."""

from __future__ import annotations

from itertools import combinations

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.multiproof import prove, proven_root
from reconciler.evidence.merkle import inclusion_proof, leaf_hash, root

LEAVES = [leaf_hash(bytes([number])) for number in range(9)]


def test_any_leaves_of_any_tree_lead_to_its_root() -> None:
    for size in range(1, 10):
        leaves = LEAVES[:size]
        for count in range(1, size + 1):
            for indexes in combinations(range(size), count):
                shown = {index: leaves[index] for index in indexes}
                assert proven_root(shown, size=size, proof=prove(indexes, leaves)) == root(leaves)


def test_a_proof_of_all_leaves_is_empty_and_one_of_a_single_leaf_is_that_of_the_rfc() -> None:
    assert prove(range(9), LEAVES) == ()
    for index in range(9):
        assert sorted(prove([index], LEAVES)) == sorted(inclusion_proof(index, LEAVES))


def test_another_leaf_leads_to_another_root() -> None:
    proof = prove([2, 5], LEAVES)
    assert proven_root({2: LEAVES[2], 5: LEAVES[6]}, size=9, proof=proof) != root(LEAVES)


@pytest.mark.parametrize("leaves", [{}, {-1: LEAVES[0]}, {9: LEAVES[0]}])
def test_leaves_outside_the_tree_are_refused(leaves: dict[int, bytes]) -> None:
    with pytest.raises(TrustError):
        proven_root(leaves, size=9, proof=())


def test_a_tree_larger_than_any_is_refused() -> None:
    with pytest.raises(TrustError):
        proven_root({0: LEAVES[0]}, size=1 << 64, proof=())


def test_a_proof_that_is_too_short_too_long_or_of_other_hashes_is_refused() -> None:
    proof = prove([2], LEAVES)
    for other in (proof[:-1], (*proof, LEAVES[0]), (*proof[:-1], b"short")):
        with pytest.raises(TrustError) as refused:
            proven_root({2: LEAVES[2]}, size=9, proof=other)
        assert refused.value.reason == "InclusionUnproven"
