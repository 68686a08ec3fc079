"""What a witness takes as the next head, and what it refuses and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.merkle import leaf_hash, root
from reconciler.evidence.note import Checkpoint, Note, NoteKey, Signature, checkpoint_body, parse_note, sign_note
from reconciler.evidence.witness import Course, Seen, Sighting, follow

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
ORIGIN = "site-a/evidence"
LEAVES = [leaf_hash(bytes([number])) for number in range(8)]
FORK = [*LEAVES[:3], leaf_hash(b"other"), *LEAVES[4:]]
NOTE_KEY = NoteKey(name=ORIGIN, public=KEY.public_key().public_bytes_raw())


def note(leaves: list[bytes], *, key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> Note:
    body = checkpoint_body(Checkpoint(origin=origin, size=len(leaves), root=root(leaves)))
    return parse_note(sign_note(body, name=origin, public=key.public_key().public_bytes_raw(), sign=key.sign))


def sighting(
    leaves: list[bytes], *, before: int = 0, course: Course = Course.ONWARD, shown: Note | None = None
) -> Sighting:
    return Sighting(
        commit=f"{len(leaves):040x}",
        note=shown or note(leaves),
        lines=len(leaves),
        root=root(leaves),
        root_before=root(leaves[:before]) if before <= len(leaves) else None,
        course=course,
    )


def first(size: int = 4) -> Seen:
    return follow(None, sighting(LEAVES[:size]), origin=ORIGIN, keys=[NOTE_KEY])


def refused(seen: Seen | None, now: Sighting, *, origin: str = ORIGIN) -> TrustError:
    with pytest.raises(TrustError) as caught:
        follow(seen, now, origin=origin, keys=[NOTE_KEY])
    return caught.value


def test_first_head_is_taken_as_it_is() -> None:
    seen = first()
    assert (seen.origin, seen.size, seen.root, seen.commit) == (ORIGIN, 4, root(LEAVES[:4]).hex(), f"{4:040x}")
    assert parse_note(seen.note.encode()) == note(LEAVES[:4])
    assert Seen.model_validate_json(seen.model_dump_json(by_alias=True, exclude_none=True)) == seen


def test_head_that_leads_on_is_followed_and_so_is_the_same_one_again() -> None:
    seen = first()
    for size in (4, 5, 8):
        seen = follow(seen, sighting(LEAVES[:size], before=seen.size), origin=ORIGIN, keys=[NOTE_KEY])
        assert seen.size == size


def test_smaller_tree_is_a_rollback_and_both_are_named() -> None:
    error = refused(first(), sighting(LEAVES[:3], before=4))
    assert error.reason == "HeadRolledBack"
    assert root(LEAVES[:3]).hex() in error.message
    assert root(LEAVES[:4]).hex() in error.message
    assert "tree of 3" in error.message
    assert "tree of 4" in error.message


@pytest.mark.parametrize("size", [4, 6])
def test_tree_that_begins_otherwise_is_a_fork(size: int) -> None:
    assert refused(first(), sighting(FORK[:size], before=4)).reason == "HeadForked"


def test_same_tree_at_a_commit_from_before_is_a_rollback() -> None:
    assert refused(first(), sighting(LEAVES[:4], before=4, course=Course.BACK)).reason == "HeadRolledBack"


def test_commits_that_do_not_lead_on_are_a_fork_whatever_the_log_says() -> None:
    assert refused(first(), sighting(LEAVES[:6], before=4, course=Course.APART)).reason == "HistoryForked"


def test_stranger_s_signature_is_refused() -> None:
    shown = note(LEAVES[:4], key=STRANGER)
    assert refused(None, sighting(LEAVES[:4], shown=shown)).reason == "NoteUntrusted"


def test_head_of_another_log_is_refused() -> None:
    shown = note(LEAVES[:4], origin="site-b/evidence")
    assert refused(None, sighting(LEAVES[:4], shown=shown)).reason == "OriginOther"
    assert (
        refused(first(), sighting(LEAVES[:4], shown=shown, before=4), origin="site-b/evidence").reason == "OriginOther"
    )


def test_head_that_the_lines_do_not_come_to_is_refused() -> None:
    for shown in (note(LEAVES[:5]), note(FORK[:4])):
        assert refused(None, sighting(LEAVES[:4], shown=shown)).reason == "HeadUnfounded"


def test_lines_of_strangers_are_not_passed_on_and_there_can_be_no_flood_of_them() -> None:
    signed = note(LEAVES[:4])
    flood = [Signature(name=f"s{number}", key_id=bytes(4), value=b"x") for number in range(63)]
    shown = replace(signed, signatures=(*flood, *signed.signatures))
    seen = follow(None, sighting(LEAVES[:4], shown=shown), origin=ORIGIN, keys=[NOTE_KEY])
    assert parse_note(seen.note.encode()) == signed


def test_head_with_much_more_to_it_is_refused() -> None:
    shown = replace(note(LEAVES[:4]), body=note(LEAVES[:4]).body + b"x" * 4096 + b"\n")
    assert refused(None, sighting(LEAVES[:4], shown=shown)).reason == "NoteTooLarge"


def test_head_after_one_without_a_commit_is_held_against_the_tree_alone() -> None:
    seen = first().model_copy(update={"commit": None})
    assert follow(seen, sighting(LEAVES[:5], before=4), origin=ORIGIN, keys=[NOTE_KEY]).size == 5
    assert "unknown" in refused(seen, sighting(FORK[:5], before=4)).message
