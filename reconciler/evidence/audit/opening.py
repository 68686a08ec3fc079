"""Statements and rounds, opened: signed by a key of the state that they name, in their place, canonical, whole."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit.archive import Archive
from reconciler.evidence.canonical import canonical, digest, to_json
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.round import Round, open_round, parse_line, records_path, round_path
from reconciler.evidence.statement import Record, Statement, parse_statement, statement_path
from reconciler.model.record import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One record, and the digest that the next one of its node names."""

    record: Record
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRound:
    """A round that holds together; ``lines`` are its records, unread."""

    signed: Round
    lines: list[bytes]


def open_statement(path: str, envelope: bytes, *, archive: Archive) -> tuple[Statement, Opened]:
    """Return the statement in ``envelope`` and its record; TrustError if it is not signed, or stands elsewhere."""
    payload = open_envelope(envelope, keys=archive.keys(claimed_commit(envelope)))
    statement = parse_statement(payload)
    if statement_path(statement.predicate) != path:
        raise _moved(path)
    return statement, Opened(record=statement.predicate, digest=digest(payload))


def open_round_file(path: str, envelope: bytes, records: bytes, *, archive: Archive) -> OpenedRound:
    """Return the round in ``envelope`` with its ``records``; TrustError if they do not belong together, or here."""
    payload = open_envelope(envelope, keys=archive.keys(claimed_commit(envelope)))
    statement, lines = open_round(payload, records=records)
    if round_path(statement.predicate.recorded_at) != path or statement.subject[0].name != records_path(path):
        raise _moved(path)
    return OpenedRound(signed=statement.predicate, lines=lines)


def open_line(line: bytes, *, signed: Round) -> Opened:
    """Return the record that is a leaf of the round ``signed``; TrustError if it does not belong into it."""
    record = parse_line(line)
    if canonical(to_json(record)) != line:
        raise TrustError("round", "one of its records is not in its canonical form", reason="RoundMalformed")
    own = (record.commit, record.tree, record.recorded_at, record.verifier, record.event)
    is_leaf = own == (signed.commit, signed.tree, signed.recorded_at, signed.verifier, Event.APPRAISED)
    if not is_leaf or record.clock is None or record.appraisal is None or record.appraisal.verdict is not None:
        message = f"the record of node {record.node} in it does not belong into a round"
        raise TrustError("round", message, reason="RoundMalformed")
    return Opened(record=record, digest=digest(line))


def claimed_commit(envelope: bytes) -> str:
    """Return the commit that ``envelope`` says it was made under, unchecked: it tells which keys to check it with."""
    return str(claimed(envelope).get("commit"))


def claimed(envelope: bytes) -> Mapping[str, Any]:
    """Return the predicate in ``envelope``, unchecked; TrustError if there is none."""
    try:
        predicate = json.loads(base64.b64decode(json.loads(envelope)["payload"], validate=True))["predicate"]
    except (ValueError, KeyError, TypeError, RecursionError):
        predicate = None
    if not isinstance(predicate, dict):
        raise TrustError("evidence record", "it is not a DSSE envelope of ours", reason="EnvelopeMalformed")
    return predicate


def _moved(path: str) -> TrustError:
    return TrustError(path, "it stands in another place than it was made for", reason="StatementMoved")
