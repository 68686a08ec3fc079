"""Signed notes: the formats of C2SP, and nothing that only looks like them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import InvariantError, TrustError
from reconciler.evidence.note import (
    MAX_NOTE,
    MAX_SIGNATURES,
    Checkpoint,
    Kind,
    Note,
    NoteKey,
    Signature,
    checkpoint_body,
    cosign,
    note_bytes,
    parse_checkpoint,
    parse_note,
    sign_note,
    verify_cosignature,
    verify_note,
)

LOG = Ed25519PrivateKey.from_private_bytes(bytes(32))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
PUBLIC = LOG.public_key().public_bytes_raw()
WITNESS_PUBLIC = WITNESS.public_key().public_bytes_raw()
ORIGIN = "site-a/evidence"
HEAD = Checkpoint(origin=ORIGIN, size=7, root=bytes(range(32)))
BODY = b"site-a/evidence\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
KEY = NoteKey(name=ORIGIN, public=PUBLIC)
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def _note() -> Note:
    return parse_note(sign_note(BODY, name=ORIGIN, public=PUBLIC, sign=LOG.sign))


def _refused(reason: str) -> pytest.RaisesExc[TrustError]:
    return pytest.raises(TrustError, check=lambda error: error.reason == reason)


def test_body_is_origin_size_and_root_on_lines_of_their_own() -> None:
    assert checkpoint_body(HEAD) == BODY
    assert parse_checkpoint(BODY) == HEAD


def test_extension_lines_come_back() -> None:
    head = Checkpoint(origin=ORIGIN, size=0, root=bytes(32), extensions=("closed 2026", "é"))
    assert parse_checkpoint(checkpoint_body(head)) == head


def test_key_id_is_over_name_newline_type_and_key() -> None:
    assert KEY.key_id == sha256(b"site-a/evidence\n\x01" + PUBLIC).digest()[:4]
    witness = NoteKey(name="w1", public=WITNESS_PUBLIC, kind=Kind.COSIGNATURE)
    assert witness.key_id == sha256(b"w1\n\x04" + WITNESS_PUBLIC).digest()[:4]


def test_signed_note_has_the_published_form() -> None:
    data = sign_note(BODY, name=ORIGIN, public=PUBLIC, sign=LOG.sign)
    line = base64.b64encode(KEY.key_id + LOG.sign(BODY))
    assert data == BODY + b"\n\xe2\x80\x94 site-a/evidence " + line + b"\n"
    assert [signed.key for signed in verify_note(parse_note(data), (KEY,))] == [KEY]


def test_published_example_of_a_note_is_read_byte_for_byte() -> None:
    data = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyW"
        "E+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0"
        "xUe+mbIUBkBIfZ+qnA==\n"
    ).encode()
    note = parse_note(data)
    assert parse_checkpoint(note.body).size == 20852163
    assert [line.name for line in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert note_bytes(note) == data


def test_cosignature_says_who_and_when_over_the_specified_message() -> None:
    note = cosign(_note(), name="w1", public=WITNESS_PUBLIC, sign=WITNESS.sign, at=AT)
    seconds = int(AT.timestamp())
    assert note.signatures[-1].value == seconds.to_bytes(8, "big") + WITNESS.sign(
        b"cosignature/v1\ntime %d\n" % seconds + BODY
    )
    note = parse_note(note_bytes(note))
    assert verify_cosignature(note, name="w1", public=WITNESS_PUBLIC) == AT
    assert verify_note(note, (KEY,))[0].at is None


def test_the_newest_of_a_witness_s_cosignatures_counts() -> None:
    note = _note()
    for day in (25, 27, 26):
        at = datetime(2026, 11, day, tzinfo=UTC)
        note = cosign(note, name="w1", public=WITNESS_PUBLIC, sign=WITNESS.sign, at=at)
    assert verify_cosignature(note, name="w1", public=WITNESS_PUBLIC).day == 27


def test_signatures_of_unknown_keys_are_passed_over_and_alone_count_for_nothing() -> None:
    note = cosign(_note(), name="w1", public=WITNESS_PUBLIC, sign=WITNESS.sign, at=AT)
    for stranger in (
        NoteKey(name=ORIGIN, public=WITNESS_PUBLIC),
        NoteKey(name="other", public=PUBLIC),
        NoteKey(name=ORIGIN, public=PUBLIC, kind=Kind.COSIGNATURE),
    ):
        assert len(verify_note(note, (stranger, KEY))) == 1
        with _refused("NoteUntrusted"):
            verify_note(note, (stranger,))
    with _refused("NoteUntrusted"):
        verify_cosignature(_note(), name="w1", public=WITNESS_PUBLIC)


@pytest.mark.parametrize("value", [bytes(64), b"short", LOG.sign(BODY + b"x")])
def test_signature_of_a_known_key_that_does_not_hold_refuses_the_note(value: bytes) -> None:
    note = Note(body=BODY, signatures=(*_note().signatures, Signature(name=ORIGIN, key_id=KEY.key_id, value=value)))
    with _refused("NoteForged"):
        verify_note(note, (KEY,))


@pytest.mark.parametrize("value", [b"\xff" * 72, b"\x7f" + b"\xff" * 71, b"1234", bytes(72)])
def test_cosignature_that_does_not_hold_refuses_the_note(value: bytes) -> None:
    key = NoteKey(name="w1", public=WITNESS_PUBLIC, kind=Kind.COSIGNATURE)
    note = Note(body=BODY, signatures=(Signature(name="w1", key_id=key.key_id, value=value),))
    with _refused("NoteForged"):
        verify_cosignature(note, name="w1", public=WITNESS_PUBLIC)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"origin\n7\n",
        b"origin\n7\nAAAA\n",
        BODY.removesuffix(b"\n"),
        BODY + b"\n",
        BODY.replace(b"site-a/evidence", b""),
        BODY.replace(b"\n7\n", b"\n07\n"),
        BODY.replace(b"\n7\n", b"\n-7\n"),
        BODY.replace(b"\n7\n", b"\n7 \n"),
        BODY.replace(b"\n7\n", "\n\u0667\n".encode()),
        BODY.replace(b"\n7\n", b"\n99999999999999999999\n"),
        BODY.replace(b"Hh8=", b"Hh9="),
        BODY.replace(b"Hh8=", b"Hh8"),
        BODY.replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_no_tree_head_is_refused(body: bytes) -> None:
    with pytest.raises(TrustError):
        parse_checkpoint(body)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        BODY,
        BODY + b"\n",
        BODY + b"\n\xff\n",
        BODY + b"\n- w1 AAAAAAA=\n",
        BODY + "\n— w1\n".encode(),
        BODY + "\n— w1 \n".encode(),
        BODY + "\n—  AAAAAAA=\n".encode(),
        BODY + "\n— w+1 AAAAAAA=\n".encode(),
        BODY + "\n— w\u00a01 AAAAAAA=\n".encode(),
        BODY + "\n— w1 AAAAAAA\n".encode(),
        BODY + "\n— w1 AAAAAAB=\n".encode(),
        BODY + "\n— w1 AAAAAA==\n".encode(),
        BODY + "\n— w1 AAAAAAA= \n".encode(),
        BODY + "\n— w1 é\n".encode(),
        BODY + "\n— w1 AAAAAAA=".encode(),
        BODY + "\n— w1 AAAAAAA=\r\n".encode(),
        "a\0b\n\n— w1 AAAAAAA=\n".encode(),
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with _refused("NoteMalformed"):
        parse_note(data)


def test_notes_beyond_the_bounds_are_refused() -> None:
    line = "— w1 AAAAAAA=\n".encode()
    parse_note(BODY + b"\n" + line * MAX_SIGNATURES)
    for data in (BODY + b"\n" + line * (MAX_SIGNATURES + 1), b"a" * MAX_NOTE + b"\n\n" + line):
        with _refused("NoteTooLarge"):
            parse_note(data)


def test_text_may_hold_blank_lines() -> None:
    note = parse_note("one\n\n\ntwo\n\n— w1 AAAAAAA=\n".encode())
    assert note.body == b"one\n\n\ntwo\n"


def test_what_could_not_be_read_back_is_never_written() -> None:
    with pytest.raises(InvariantError):
        checkpoint_body(Checkpoint(origin="a\n1", size=7, root=bytes(32)))
    with pytest.raises(InvariantError):
        checkpoint_body(Checkpoint(origin="a", size=7, root=bytes(32), extensions=("one\ntwo",)))
    with pytest.raises(InvariantError):
        note_bytes(Note(body=b"text\n\n", signatures=(Signature(name="a b", key_id=bytes(4), value=b"1"),)))
