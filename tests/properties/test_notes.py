"""A note says what its signer said, or it is refused; no bytes get anything else out of the parser."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.note import (
    Checkpoint,
    Kind,
    NoteKey,
    checkpoint_body,
    cosign,
    note_bytes,
    parse_checkpoint,
    parse_note,
    sign_note,
    verify_note,
)

LOG = Ed25519PrivateKey.from_private_bytes(bytes(32))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
NAME = "site-a/evidence"
KEYS = (
    NoteKey(name=NAME, public=LOG.public_key().public_bytes_raw()),
    NoteKey(name="w1", public=WITNESS.public_key().public_bytes_raw(), kind=Kind.COSIGNATURE),
)
LINES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=12)
HEADS = st.builds(
    Checkpoint,
    origin=LINES,
    size=st.integers(0, 10**18),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(LINES, max_size=2).map(tuple),
)
TIMES = st.integers(0, 2**33).map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC))


def _cosigned(head: Checkpoint, at: datetime) -> bytes:
    note = parse_note(sign_note(checkpoint_body(head), name=NAME, public=KEYS[0].public, sign=LOG.sign))
    return note_bytes(cosign(note, name="w1", public=KEYS[1].public, sign=WITNESS.sign, at=at))


@given(head=HEADS, at=TIMES)
def test_what_was_signed_comes_back_with_who_and_when(head: Checkpoint, at: datetime) -> None:
    note = parse_note(_cosigned(head, at))
    assert parse_checkpoint(note.body) == head
    assert [(signed.key, signed.at) for signed in verify_note(note, KEYS)] == [(KEYS[0], None), (KEYS[1], at)]


@given(head=HEADS, at=TIMES, where=st.integers(0), bit=st.integers(0, 7))
def test_any_flipped_bit_leaves_no_signature_over_another_text(
    head: Checkpoint, at: datetime, where: int, bit: int
) -> None:
    data = bytearray(_cosigned(head, at))
    data[where % len(data)] ^= 1 << bit
    try:
        note = parse_note(bytes(data))
        signed = verify_note(note, KEYS)
    except TrustError:
        return
    assert len(signed) == 1, "a line under another name or id is passed over; the other one still holds"
    assert parse_checkpoint(note.body) == head


@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_are_a_note_that_is_written_back_the_same_or_a_trust_error(data: bytes) -> None:
    with contextlib.suppress(TrustError):
        assert note_bytes(parse_note(data)) == data
    with contextlib.suppress(TrustError):
        assert checkpoint_body(parse_checkpoint(data)) == data


@given(
    pieces=st.lists(st.sampled_from(["a\n", "\n", "— ", "w1 ", "AAAAAAA=", "\n\n", "7\n", " ", "é", "\r"]), max_size=12)
)
def test_what_looks_like_a_note_is_one_or_a_trust_error(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    with contextlib.suppress(TrustError):
        assert note_bytes(parse_note(data)) == data
        with pytest.raises(TrustError):
            verify_note(parse_note(data), KEYS)
