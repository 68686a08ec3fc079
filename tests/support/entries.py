"""The records in what a ledger was given, read by the code under test."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.round import open_round, parse_line
from reconciler.evidence.statement import Record, parse_statement
from reconciler.ports.ledger import Entry


def records_of(entry: Entry, *, keys: Mapping[str, Ed25519PublicKey]) -> list[Record]:
    """Return the records in ``entry``, signed by one of ``keys``: one, or as many as a round has lines."""
    payload = open_envelope(entry.envelope, keys=keys)
    if not entry.attached:
        return [parse_statement(payload).predicate]
    (content,) = entry.attached.values()
    return [parse_line(line) for line in open_round(payload, records=content)[1]]
