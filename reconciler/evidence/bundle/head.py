"""The signed tree head of a bundle: who signed it, which witnesses stand by it, and that every record stands in it.

1. The head is signed by an evidence key under the log's own name.
2. Each statement and round is the leaf that the log part says, and all of them lead to the signed root.
3. A head that a witness co-signed is one that the bundle's own leads on from. Its co-signature is checked for those
   witnesses whose keys were given; of the others nothing is known.

Nothing here says that no record came after the head, or that nobody was shown another one: that takes a witness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.manifest import Parts
from reconciler.evidence.bundle.multiproof import proven_root
from reconciler.evidence.bundle.pieces import CHECKPOINT, COSIGNED, LOG, CosignedPart, LogPart, parse_part
from reconciler.evidence.merkle import leaf_hash, verify_consistency
from reconciler.evidence.note import (
    MAX_NOTE,
    Checkpoint,
    NoteKey,
    parse_checkpoint,
    parse_note,
    verify_cosignature,
    verify_note,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A witness stands by the first ``size`` entries of the log. ``at`` is its word, None if that was not checked."""

    witness: str
    size: int
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """The signed tree head, and by which keys (``SHA256:…``)."""

    origin: str
    size: int
    root: str
    signers: tuple[str, ...]
    cosignatures: tuple[Cosignature, ...]


def log_key(key: Ed25519PublicKey, *, origin: str) -> NoteKey:
    """Return ``key`` as the one that signs tree heads of ``origin``."""
    return NoteKey(name=origin, public=key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def read_head(
    parts: Parts, *, keys: Mapping[str, Ed25519PublicKey], witnesses: Mapping[str, Ed25519PublicKey]
) -> TreeHead:
    """Return the tree head in ``parts``; TrustError if none of ``keys`` signed it, or a co-signature does not hold."""
    note = parse_note(_part(parts, CHECKPOINT))
    head = parse_checkpoint(note.body)
    own = {log_key(key, origin=head.origin): key_id for key_id, key in keys.items()}
    signed = verify_note(note, own)  # 1
    names = parts.under(COSIGNED)
    return TreeHead(
        origin=head.origin,
        size=head.size,
        root=head.root.hex(),
        signers=tuple(sorted({own[each.key] for each in signed})),
        cosignatures=tuple(_cosignature(parts, name, head=head, witnesses=witnesses) for name in names),  # 3
    )


def check_places(parts: Parts, *, head: TreeHead, envelopes: Mapping[str, bytes]) -> dict[str, int]:
    """Return which leaf of the log each of ``envelopes`` (by path) is; TrustError unless that is shown of all."""
    listed = parse_part(LogPart, _part(parts, LOG), name=LOG)
    places = {entry.path: entry.index for entry in listed.entries}
    leaves = {entry.index: leaf_hash(envelopes.get(entry.path, b"")) for entry in listed.entries}
    order = [entry.index for entry in listed.entries]
    if places.keys() != envelopes.keys() or order != sorted(leaves):
        message = "it names other records than the bundle holds, or one of them twice"
        raise TrustError(LOG, message, reason="LogDiffers", hint="the bundle was altered")
    proof = [bytes.fromhex(node) for node in listed.proof]
    if proven_root(leaves, size=head.size, proof=proof).hex() != head.root:  # 2
        message = "the records are not those in the signed tree"
        raise TrustError(LOG, message, reason="InclusionUnproven", hint="the bundle was altered")
    return places


def _cosignature(
    parts: Parts, name: str, *, head: Checkpoint, witnesses: Mapping[str, Ed25519PublicKey]
) -> Cosignature:
    part = parse_part(CosignedPart, _part(parts, name), name=name)
    note = parse_note(part.note.encode()[: MAX_NOTE + 1])
    seen = parse_checkpoint(note.body)
    witness = name.removeprefix(COSIGNED).removesuffix(".json")
    if seen.origin != head.origin:
        raise TrustError(name, "it is the tree head of another log", reason="HeadOfAnotherLog")
    proof = [bytes.fromhex(node) for node in part.proof]
    verify_consistency(old=seen.size, old_root=seen.root, size=head.size, root=head.root, proof=proof)
    key = witnesses.get(witness)
    at = None
    if key is not None:
        at = verify_cosignature(note, name=witness, public=key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return Cosignature(witness=witness, size=seen.size, at=at)


def _part(parts: Parts, name: str) -> bytes:
    content = parts.read(name)
    if content is None:
        raise TrustError(name, "it is missing from the bundle", reason="PartMissing", hint="the bundle was altered")
    return content
