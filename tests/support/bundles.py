"""Bundles of a simulated world, without a repository: what its ledger holds, signed by a key with a fingerprint."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors.taxonomy import InputError
from reconciler.evidence.bundle.authority import Pin, Told
from reconciler.evidence.bundle.container import MANIFEST, read_tar
from reconciler.evidence.bundle.making import Log, Material, make_parts, show_round
from reconciler.evidence.bundle.manifest import bundle_blocks
from reconciler.evidence.bundle.objects import Commit
from reconciler.evidence.bundle.pieces import key_id_of
from reconciler.evidence.bundle.references import blobs_behind
from reconciler.evidence.bundle.selection import select
from reconciler.evidence.bundle.verifying import Asked, Verified, verify
from reconciler.evidence.canonical import digest
from reconciler.evidence.envelope import open_envelope, seal
from reconciler.evidence.merkle import leaf_hash
from reconciler.evidence.merkle import root as root_of
from reconciler.evidence.note import Checkpoint, Note, checkpoint_body, cosign, parse_note, sign_note
from reconciler.evidence.round import parse_line
from reconciler.evidence.statement import Record, parse_statement, statement_bytes, statement_path
from reconciler.evidence.unverified import unverified_payload
from reconciler.model.record import Event
from tests.support.runner import EVIDENCE_KEY
from tests.support.world import World

ORIGIN = "ringfence/evidence"
KEY_ID = key_id_of(EVIDENCE_KEY.public_key())
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PINNED: Mapping[str, Pin] = {KEY_ID: Pin()}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a record stands: ``index`` is its line in a round."""

    path: str
    index: int | None = None


@dataclass(kw_only=True, repr=False)
class Shelf:
    """The evidence of a world, as a branch would have it; ``key`` signs all of it."""

    key: Ed25519PrivateKey = EVIDENCE_KEY
    envelopes: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, dict[int, tuple[Record, Place]]] = field(default_factory=dict)

    @property
    def checkpoint(self) -> bytes:
        """Return the signed tree head over everything."""
        return self.head(len(self.envelopes))

    def head(self, size: int) -> bytes:
        """Return the signed head of the tree of the first ``size`` entries."""
        hashes = [leaf_hash(envelope) for envelope in list(self.envelopes.values())[:size]]
        body = checkpoint_body(Checkpoint(origin=ORIGIN, size=size, root=root_of(hashes)))
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return sign_note(body, name=ORIGIN, public=public, sign=self.key.sign)

    def cosigned(self, size: int, *, at: datetime, name: str = "tower") -> Note:
        """Return that head, co-signed by ``WITNESS``."""
        public = WITNESS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cosign(parse_note(self.head(size)), name=name, public=public, sign=WITNESS.sign, at=at)

    def add(self, path: str, payload: bytes, *, lines: list[bytes] | None = None) -> None:
        """Put a statement, or a round with its ``lines``, onto the branch."""
        key_id = key_id_of(self.key.public_key())
        self.envelopes[path] = seal(payload, sign=self.key.sign, key_id=key_id)
        if lines is None:
            self._note(parse_statement(payload).predicate, Place(path=path))
            return
        self.lines[path] = lines
        for index, line in enumerate(lines):
            self._note(parse_line(line), Place(path=path, index=index))

    def material(
        self, subject: str, *, since: datetime | None = None, until: datetime | None = None, **more: object
    ) -> Material:
        """Return what the bundle about ``subject`` is made of; ``more`` are other fields of it."""
        chosen: list[tuple[Record, Place]] = []
        kind, _, name = subject.partition("/")
        for node in sorted(self.records):
            own = self.records[node]
            if kind == "enclave" or node == name:
                shown = [own[number][0] for number in sorted(own)]
                chosen += [own[r.sequence] for r in select(shown, subject=subject, since=since, until=until)]
        rounds: dict[str, list[int]] = {}
        for _, place in chosen:
            if place.index is not None:
                rounds.setdefault(place.path, []).append(place.index)
        made = Material(
            statements={p.path: self.envelopes[p.path] for _, p in chosen if p.index is None},
            rounds=[
                show_round(path, envelope=self.envelopes[path], lines=self.lines[path], indexes=indexes)
                for path, indexes in rounds.items()
            ],
            blobs={} if "blobs" in more else blobs_behind([record for record, _ in chosen], self.blobs.get),
            log=Log(
                leaf_hashes=[leaf_hash(envelope) for envelope in self.envelopes.values()],
                places={path: index for index, path in enumerate(self.envelopes)},
            ),
            checkpoint=parse_note(self.checkpoint),
            keys={key_id_of(self.key.public_key()): self.key.public_key()},
        )
        return replace(made, **more)  # type: ignore[arg-type]

    def bundle(self, subject: str, **options: object) -> bytes:
        """Return the bundle about ``subject``."""
        return pack(subject, make_parts(self.material(subject, **options)))  # type: ignore[arg-type]

    def _note(self, record: Record, place: Place) -> None:
        self.records.setdefault(record.node, {})[record.sequence] = (record, place)


def shelf_of(world: World) -> Shelf:
    """Return the evidence of ``world`` as a branch would have it."""
    shelf = Shelf()
    for entry in (entry for entries in world.ledger.rounds for entry in entries):
        payload = open_envelope(entry.envelope, keys={"evidence": EVIDENCE_KEY.public_key()})
        lines = [line for content in entry.attached.values() for line in content.split(b"\n")[:-1]]
        shelf.add(entry.path, payload, lines=lines if entry.attached else None)
        shelf.blobs |= dict(entry.blobs)
    return shelf


def rewritten(
    shelf: Shelf,
    change: Callable[[Record], Record | None],
    *,
    node: str = "n1",
    key: Ed25519PrivateKey = EVIDENCE_KEY,
    twice: Event | None = None,
) -> Shelf:
    """Return a branch on which whoever holds ``key`` wrote the statements of ``node`` anew, as ``change`` has them.

    Its rounds are left out, and all that comes after the first; records of the event ``twice`` are written twice.
    """
    made, last = Shelf(key=key, blobs=shelf.blobs), None
    for number in sorted(shelf.records[node]):
        record, place = shelf.records[node][number]
        if place.index is not None:
            break
        endorsement = json.loads(unverified_payload(shelf.envelopes[place.path]))["subject"][0]["digest"]["sha256"]
        changed = change(record)
        for _ in range(0 if changed is None else 1 + (record.event is twice)):
            assert changed is not None
            sequence, previous = (last[0] + 1, last[1]) if last else (1, None)
            own = changed.model_copy(update={"sequence": sequence, "previous": previous})
            payload = statement_bytes(own, endorsement=f"sha256:{endorsement}")
            last = (sequence, digest(payload))
            made.add(statement_path(own), payload)
    return made


def pack(subject: str, parts: Mapping[str, bytes]) -> bytes:
    """Return the bundle with ``parts`` and a manifest that fits them, as anybody could write it."""
    return b"".join(bundle_blocks(subject, parts))


def unpack(bundle: bytes) -> dict[str, bytes]:
    """Return the parts of ``bundle``, without the manifest."""
    return {name: bytes(content) for name, content in read_tar(bundle).items() if name != MANIFEST}


def readable(bundle: bytes) -> bytes:
    """Return everything that can be read in ``bundle``, what stands in envelopes included."""
    parts = unpack(bundle)
    rounds = [json.loads(line)["envelope"] for name in parts if name.endswith(".jsonl") for line in parts[name].split()]
    envelopes = [*rounds, *(parts[name] for name in parts if name.startswith("statements/"))]
    return bundle + b"".join(base64.b64decode(json.loads(envelope)["payload"]) for envelope in envelopes)


def no_documents(commit: Commit) -> Told:
    """Read no documents, as where there is no reader of them."""
    raise InputError(f"commit {commit.commit}", "is not read", reason="NoSigners")


def check(
    bundle: bytes,
    *,
    pins: Mapping[str, Pin] = PINNED,
    witnesses: Mapping[str, Ed25519PublicKey] | None = None,
) -> Verified:
    """Return what verifying ``bundle`` gives."""
    return verify(bundle, asked=Asked(pins=pins, witnesses=witnesses or {}, documents=no_documents))


def digest_of(data: bytes) -> str:
    """Return the bare SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()
