"""A witness that is shown any sequence of heads signs a chain of consistent ones and nothing else."""

from __future__ import annotations

from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.merkle import leaf_hash, root, roots_at
from reconciler.evidence.note import Checkpoint, NoteKey, checkpoint_body, parse_note, sign_note
from reconciler.evidence.witness import Course, Seen, Sighting, follow

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
ORIGIN = "site-a/evidence"
NOTE_KEY = NoteKey(name=ORIGIN, public=KEY.public_key().public_bytes_raw())

Shown = tuple[int, int, bool, bool]
"""Of which history, how much, whether the lines are those that were signed, and whether a stranger signed."""

SHOWN = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.sampled_from([True, True, True, False]), st.booleans()),
    max_size=12,
)


def _sighting(leaves: list[bytes], *, lines: list[bytes], seen: Seen | None, key: Ed25519PrivateKey) -> Sighting:
    body = checkpoint_body(Checkpoint(origin=ORIGIN, size=len(leaves), root=root(leaves)))
    signed = sign_note(body, name=ORIGIN, public=key.public_key().public_bytes_raw(), sign=key.sign)
    frontier, found = roots_at(lines, [seen.size] if seen else [])
    return Sighting(
        commit="0" * 40,
        note=parse_note(signed),
        lines=frontier.size,
        root=frontier.root(),
        root_before=found.get(seen.size) if seen else None,
        course=Course.ONWARD,
    )


@given(forks=st.tuples(st.integers(0, 11), st.integers(0, 11)), shown=SHOWN)
def test_what_a_witness_signs_is_one_growing_tree(forks: tuple[int, int], shown: list[Shown]) -> None:
    honest = [leaf_hash(bytes([number])) for number in range(12)]
    histories = [honest]
    for fork, where in enumerate(forks):
        histories.append([*honest[:where], *(leaf_hash(bytes([fork, n])) for n in range(where, 12))])
    seen: Seen | None = None
    signed: list[list[bytes]] = []
    for history, size, is_whole, is_strange in shown:
        leaves = histories[history][:size]
        lines = leaves if is_whole else histories[(history + 1) % 3][:size]
        now = _sighting(leaves, lines=lines, seen=seen, key=STRANGER if is_strange else KEY)
        leads_on = not signed or leaves[: len(signed[-1])] == signed[-1]
        try:
            seen = follow(seen, now, origin=ORIGIN, keys=[NOTE_KEY])
        except TrustError:
            assert is_strange or lines != leaves or not leads_on, "an honest head was refused"
            continue
        assert leads_on
        assert lines == leaves
        assert not is_strange
        signed.append(leaves)
    for before, after in pairwise(signed):
        assert after[: len(before)] == before
