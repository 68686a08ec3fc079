"""From what was read off the evidence branch to the parts of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import InputError, InvariantError
from reconciler.evidence.bundle.head import log_key
from reconciler.evidence.bundle.multiproof import prove
from reconciler.evidence.bundle.pieces import (
    CHECKPOINT,
    COSIGNED,
    LOG,
    CosignedPart,
    Leaf,
    LogEntry,
    LogPart,
    RoundPart,
    blob_part,
    hour_part,
    key_part,
    rounds_bytes,
    signed_by,
)
from reconciler.evidence.canonical import canonical_value
from reconciler.evidence.merkle import consistency_proof, leaf_hash
from reconciler.evidence.merkle import root as root_of
from reconciler.evidence.note import Note, note_bytes, parse_checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The log of the evidence branch: the hashes of all its leaves, and which one each path is."""

    leaf_hashes: Sequence[bytes]
    places: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a bundle is made of. ``statements`` are envelopes by path, ``blobs`` bytes by bare SHA-256.

    ``cosigned`` are the newest notes of witnesses by name, ``keys`` evidence keys by key id, ``objects`` git objects by
    the name of their part.
    """

    statements: Mapping[str, bytes]
    rounds: Sequence[RoundPart]
    blobs: Mapping[str, bytes]
    log: Log
    checkpoint: Note
    cosigned: Mapping[str, Note] = field(default_factory=dict)
    keys: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)
    objects: Mapping[str, bytes] = field(default_factory=dict)


def show_round(path: str, *, envelope: bytes, lines: Sequence[bytes], indexes: Iterable[int]) -> RoundPart:
    """Return the round at ``path`` with the leaves at ``indexes`` of its ``lines``, and the proof of these."""
    shown = sorted(set(indexes))
    proof = prove(shown, [leaf_hash(line) for line in lines])
    return RoundPart(
        path=path,
        envelope=envelope.decode(),
        leaves=tuple(Leaf(index=index, line=lines[index].decode()) for index in shown),
        proof=tuple(node.hex() for node in proof),
    )


def make_parts(material: Material) -> dict[str, bytes]:
    """Return the parts of the bundle by name, without its manifest; InputError if there is nothing to show."""
    envelopes = {**material.statements, **{each.path: each.envelope.encode() for each in material.rounds}}
    if not envelopes:
        hint = "look at the name and the span of time; ringfence explain shows what there is"
        raise InputError("bundle", "there is nothing on record to show", reason="NothingRecorded", hint=hint)
    hours: dict[str, list[RoundPart]] = {}
    for each in material.rounds:
        hours.setdefault(hour_part(each.path), []).append(each)
    parts = dict(material.statements)
    parts |= {name: rounds_bytes(rounds) for name, rounds in hours.items()}
    parts |= {blob_part(digest): data for digest, data in material.blobs.items()}
    parts |= {CHECKPOINT: note_bytes(material.checkpoint), LOG: _log_part(envelopes, material)}
    parts |= {f"{COSIGNED}{name}.json": part for name, part in _cosigned(material)}
    used = {signed_by(envelope) for envelope in envelopes.values()}
    log_keys = _signers_of(material.checkpoint, keys=material.keys)
    parts |= dict(key_part(key) for key_id, key in material.keys.items() if key_id in used | log_keys)
    return parts | dict(material.objects)


def _log_part(envelopes: Mapping[str, bytes], material: Material) -> bytes:
    head = parse_checkpoint(material.checkpoint.body)
    places = {path: material.log.places.get(path, head.size) for path in envelopes}
    hashes = material.log.leaf_hashes[: head.size]
    if any(place >= len(hashes) or hashes[place] != leaf_hash(envelopes[path]) for path, place in places.items()):
        raise InvariantError(
            "bundle", "a record is not where the log has it", reason="LogStray", hint="ringfence audit"
        )
    ordered = sorted(places.items(), key=lambda item: item[1])
    proof = prove([place for _, place in ordered], hashes)
    entries = tuple(LogEntry(index=place, path=path) for path, place in ordered)
    return canonical_value(LogPart(entries=entries, proof=tuple(node.hex() for node in proof)))


def _cosigned(material: Material) -> Iterable[tuple[str, bytes]]:
    """Yield the co-signed heads that the bundle's own leads on from; those of another tree are the audit's to tell."""
    hashes = material.log.leaf_hashes[: parse_checkpoint(material.checkpoint.body).size]
    for name, note in sorted(material.cosigned.items()):
        head = parse_checkpoint(note.body)
        if head.size <= len(hashes) and root_of(hashes[: head.size]) == head.root:
            proof = tuple(node.hex() for node in consistency_proof(head.size, hashes))
            yield name, canonical_value(CosignedPart(note=note_bytes(note).decode(), proof=proof))


def _signers_of(note: Note, *, keys: Mapping[str, Ed25519PublicKey]) -> set[str]:
    names = {(line.name, line.key_id) for line in note.signatures}
    origin = parse_checkpoint(note.body).origin
    own = {key_id: log_key(key, origin=origin) for key_id, key in keys.items()}
    return {key_id for key_id, key in own.items() if (key.name, key.key_id) in names}
