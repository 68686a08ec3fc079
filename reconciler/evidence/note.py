"""Signed notes: tree heads as the log's writer signs them and as witnesses co-sign them.

1. A note is parsed strictly, up to ``MAX_NOTE`` bytes, and written back gives the same bytes.
2. Signatures of keys that are not asked for are passed over; a signature in the name and id of a known key that does
   not hold refuses the whole note.
3. A co-signature says when it was made; that is the word of its signer.

Whether one tree head follows another is not looked at here: that is ``merkle``.
Source: C2SP signed-note, tlog-checkpoint and tlog-cosignature (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import InvariantError, TrustError

MAX_NOTE = 65536
MAX_SIGNATURES = 64

_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_HASH_SIZE = 32
_KEY_ID_SIZE = 4
_TIME_SIZE = 8
_MIN_CHECKPOINT_LINES = 3
_LAST_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


class Kind(IntEnum):
    """What a signature says: its type byte."""

    LOG = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head: ``root`` over the first ``size`` leaves of the log named ``origin``."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A public Ed25519 key (32 bytes), the name it signs under, and what its signatures say."""

    name: str
    public: bytes
    kind: Kind = Kind.LOG

    @property
    def key_id(self) -> bytes:
        """Return the four bytes by which a signature line names this key."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_KEY_ID_SIZE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line, unchecked."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text that ends in a newline, and the signature lines below it, unchecked."""

    body: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature that holds; ``at`` is when its signer says that it was made, None where it says nothing."""

    key: NoteKey
    at: datetime | None = None


def checkpoint_body(checkpoint: Checkpoint) -> bytes:
    """Return the text of ``checkpoint`` that is signed; InvariantError if it could not be read back."""
    root = base64.b64encode(checkpoint.root).decode("ascii")
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    body = "".join(f"{line}\n" for line in lines).encode()
    _check_written(checkpoint, body, read=parse_checkpoint)
    return body


def parse_checkpoint(body: bytes) -> Checkpoint:
    """Return the tree head in the text ``body``; raise TrustError if it is none."""
    text = _text(body)
    origin, *lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(lines) < _MIN_CHECKPOINT_LINES - 1 or not all((origin, *lines)):
        raise _malformed("its text is no tree head", reason="CheckpointMalformed")
    size, root = lines[0], _base64(lines[1])
    if not _DECIMAL.fullmatch(size) or len(root) != _HASH_SIZE:
        raise _malformed("its text is no tree head", reason="CheckpointMalformed")
    return Checkpoint(origin=origin, size=int(size), root=root, extensions=tuple(lines[2:]))


def sign_note(body: bytes, *, name: str, public: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the note of ``body`` with one signature; ``sign`` makes a raw Ed25519 one with the key ``public``."""
    key = NoteKey(name=name, public=public)
    return note_bytes(Note(body=body, signatures=(Signature(name=name, key_id=key.key_id, value=sign(body)),)))


def cosign(note: Note, *, name: str, public: bytes, sign: Callable[[bytes], bytes], at: datetime) -> Note:
    """Return ``note`` with the co-signature of the witness ``name`` made ``at`` (whole seconds) as its last line."""
    seconds = int(at.timestamp())
    value = seconds.to_bytes(_TIME_SIZE, "big") + sign(_cosigned(note.body, seconds=seconds))
    key = NoteKey(name=name, public=public, kind=Kind.COSIGNATURE)
    return replace(note, signatures=(*note.signatures, Signature(name=name, key_id=key.key_id, value=value)))


def note_bytes(note: Note) -> bytes:
    """Return ``note`` as it is stored and sent; InvariantError if it could not be read back."""
    lines = "".join(
        f"{_DASH}{line.name} {base64.b64encode(line.key_id + line.value).decode('ascii')}\n" for line in note.signatures
    )
    data = note.body + b"\n" + lines.encode()
    _check_written(note, data, read=parse_note)
    return data


def _check_written(value: Checkpoint | Note, data: bytes, *, read: Callable[[bytes], object]) -> None:
    try:
        is_same = read(data) == value
    except TrustError:
        is_same = False
    if not is_same:
        raise InvariantError("note", "it could not be read back as it was written", reason="NoteUnwritable")


def parse_note(data: bytes) -> Note:
    """Return the note in ``data``, its signatures unchecked; raise TrustError if it is none."""
    if len(data) > MAX_NOTE:
        raise _malformed(f"it is larger than {MAX_NOTE} bytes", reason="NoteTooLarge")
    body, gap, below = _text(data).rpartition("\n\n")
    if not gap or not below.endswith("\n"):
        raise _malformed("it has no signature below a blank line", reason="NoteMalformed")
    lines = below.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed(f"it has more than {MAX_SIGNATURES} signatures", reason="NoteTooLarge")
    return Note(body=f"{body}\n".encode(), signatures=tuple(_signature(line) for line in lines))


def verify_note(note: Note, keys: Iterable[NoteKey]) -> tuple[Signed, ...]:
    """Return which of ``keys`` signed ``note``, in its order.

    Raises TrustError if a signature in the name and id of one of them does not hold, or if none of them signed it.
    """
    known = {(key.name, key.key_id): key for key in keys}
    signed = tuple(
        _verified(note.body, line, known[line.name, line.key_id])
        for line in note.signatures
        if (line.name, line.key_id) in known
    )
    if not signed:
        raise TrustError("note", "no key that is trusted for it signed it", reason="NoteUntrusted")
    return signed


def verify_cosignature(note: Note, *, name: str, public: bytes) -> datetime:
    """Return when the witness ``name`` last co-signed ``note``; raise TrustError as ``verify_note`` does."""
    key = NoteKey(name=name, public=public, kind=Kind.COSIGNATURE)
    return max(signed.at for signed in verify_note(note, (key,)) if signed.at is not None)


def _verified(body: bytes, line: Signature, key: NoteKey) -> Signed:
    signature, message, at = line.value, body, None
    if key.kind is Kind.COSIGNATURE:
        seconds = int.from_bytes(line.value[:_TIME_SIZE], "big")
        if seconds > _LAST_TIME:
            raise _forged(key)
        signature, message = line.value[_TIME_SIZE:], _cosigned(body, seconds=seconds)
        at = datetime.fromtimestamp(seconds, tz=UTC)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise _forged(key) from None
    return Signed(key=key, at=at)


def _cosigned(body: bytes, *, seconds: int) -> bytes:
    return b"cosignature/v1\ntime %d\n%b" % (seconds, body)


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name or "+" in name or any(letter.isspace() for letter in name):
        raise _malformed("a line below its text is no signature", reason="NoteMalformed")
    value = _base64(encoded)
    if len(value) <= _KEY_ID_SIZE:
        raise _malformed("a signature in it is too short", reason="NoteMalformed")
    return Signature(name=name, key_id=value[:_KEY_ID_SIZE], value=value[_KEY_ID_SIZE:])


def _base64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        value = b""
    if not value or base64.b64encode(value).decode("ascii") != text:
        raise _malformed("a value in it is not base64", reason="NoteMalformed")
    return value


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8", reason="NoteMalformed") from None
    if _CONTROL.search(text):
        raise _malformed("it holds a control character", reason="NoteMalformed")
    return text


def _forged(key: NoteKey) -> TrustError:
    message = f"the signature in the name of {key.name} does not hold"
    return TrustError("note", message, reason="NoteForged", hint="the note was altered, or somebody signs as another")


def _malformed(message: str, *, reason: str) -> TrustError:
    return TrustError("note", message, reason=reason)
