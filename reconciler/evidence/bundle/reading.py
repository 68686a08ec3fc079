"""The records of a bundle, out of their statements and rounds.

1. Every envelope is signed by one of the keys that the bundle brings; whether anybody vouches for that is asked later.
2. Every statement stands where it was made for, and every leaf is shown to be one of its signed round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.manifest import Parts
from reconciler.evidence.bundle.multiproof import proven_root
from reconciler.evidence.bundle.pieces import KEYS, ROUNDS, STATEMENTS, RoundPart, parse_key, parse_rounds, signed_by
from reconciler.evidence.canonical import digest
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.merkle import leaf_hash
from reconciler.evidence.round import parse_line, parse_round, records_path, round_path
from reconciler.evidence.statement import Record, parse_statement, statement_path
from reconciler.model.record import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One record: where its statement stands, by which key that was signed, and the digest that the next one names.

    ``endorsement`` is the bare digest of the node's EK that a statement names; leaves name none.
    """

    path: str
    key_id: str
    record: Record
    digest: str
    endorsement: str | None = None


@dataclass(slots=True, kw_only=True)
class Reading:
    """What was read; ``envelopes`` are by path."""

    shown: list[Shown] = field(default_factory=list)
    envelopes: dict[str, bytes] = field(default_factory=dict)


def read_keys(parts: Parts) -> dict[str, Ed25519PublicKey]:
    """Return the evidence keys in ``parts`` by key id; TrustError if one is not the one that it is named after."""
    return dict(parse_key(parts.read(name) or b"", name=name) for name in parts.under(KEYS))


def read_records(parts: Parts, *, keys: Mapping[str, Ed25519PublicKey]) -> Reading:
    """Return every record in ``parts``; TrustError if a signature, a place or a proof does not hold."""
    reading = Reading()
    for path in parts.under(STATEMENTS):
        envelope = parts.read(path) or b""
        payload = open_envelope(envelope, keys=keys)  # 1
        statement = parse_statement(payload)
        record, subject = statement.predicate, statement.subject[0]
        if statement_path(record) != path or subject.name != f"node/{record.node}":  # 2
            raise _moved(path)
        reading.envelopes[path] = envelope
        endorsement = subject.digest.get("sha256", "")
        key_id = signed_by(envelope)
        shown = Shown(path=path, key_id=key_id, record=record, digest=digest(payload), endorsement=endorsement)
        reading.shown.append(shown)
    for name in parts.under(ROUNDS):
        for part in parse_rounds(parts.read(name) or b"", name=name):
            reading.envelopes[part.path] = part.envelope.encode()
            reading.shown += _leaves(part, keys=keys)
    return reading


def _leaves(part: RoundPart, *, keys: Mapping[str, Ed25519PublicKey]) -> list[Shown]:
    envelope = part.envelope.encode()
    statement = parse_round(open_envelope(envelope, keys=keys))  # 1
    signed = statement.predicate
    if round_path(signed.recorded_at) != part.path or statement.subject[0].name != records_path(part.path):
        raise _moved(part.path)
    lines = {leaf.index: leaf.line.encode() for leaf in part.leaves}
    hashes = {index: leaf_hash(line) for index, line in lines.items()}
    root = proven_root(hashes, size=signed.size, proof=[bytes.fromhex(node) for node in part.proof])
    if root.hex() != signed.root or [leaf.index for leaf in part.leaves] != sorted(lines):  # 2
        message = "its records are not those of the signed round"
        raise TrustError(part.path, message, reason="InclusionUnproven", hint="the bundle was altered")
    key_id, shown = signed_by(envelope), []
    for line in lines.values():
        record = parse_line(line)
        own = (record.commit, record.tree, record.recorded_at, record.event, record.clock is None)
        if own != (signed.commit, signed.tree, signed.recorded_at, Event.APPRAISED, False):
            raise TrustError(part.path, "it holds a record that does not belong into a round", reason="RoundMalformed")
        shown.append(Shown(path=part.path, key_id=key_id, record=record, digest=digest(line)))
    return shown


def _moved(path: str) -> TrustError:
    return TrustError(path, "it stands in another place than it was made for", reason="StatementMoved")
