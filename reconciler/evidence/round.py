"""Rounds: the repeated proofs of many members under one signature, each proof a leaf of a Merkle tree.

A leaf is a record's canonical bytes, a line of the file beside the round's statement. The statement holds the root
(RFC 9162, SHA-256) and the digest of the file. What belongs into a round is decided where records are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value, digest, is_canonical, to_json
from reconciler.evidence.merkle import leaf_hash, root
from reconciler.evidence.raw import CommitId
from reconciler.evidence.statement import Record, Subject
from reconciler.model.base import HexDigest, Value


class Round(Value):
    """Some records of one pass: how many, and the root of the tree whose leaves they are, in order."""

    recorded_at: AwareDatetime
    commit: CommitId
    tree: CommitId
    verifier: str
    size: Annotated[int, Field(ge=1)]
    root: HexDigest


class RoundStatement(Value):
    """An in-toto statement around a round; its subject is the file with the records."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")] = (
        "https://in-toto.io/Statement/v1"
    )
    subject: tuple[Subject]
    predicate_type: Literal["urn:ringfence:round:v1"] = "urn:ringfence:round:v1"
    predicate: Round


def round_path(recorded_at: datetime) -> str:
    """Return where the statement of the round of ``recorded_at`` stands; its records stand beside it."""
    return f"rounds/{recorded_at:%Y/%m/%d/%H/%M%S-%f}.dsse.json"


def records_path(path: str) -> str:
    """Return where the records of the round at ``path`` stand."""
    return path.removesuffix(".dsse.json") + ".records"


def records_bytes(lines: Sequence[bytes]) -> bytes:
    """Return the file of the records with the canonical bytes ``lines``."""
    return b"".join(line + b"\n" for line in lines)


def round_bytes(lines: Sequence[bytes], *, recorded_at: datetime, commit: str, tree: str, verifier: str) -> bytes:
    """Return the canonical statement around the records with the canonical bytes ``lines``, at least one."""
    made = Round(
        recorded_at=recorded_at,
        commit=commit,
        tree=tree,
        verifier=verifier,
        size=len(lines),
        root=root([leaf_hash(line) for line in lines]).hex(),
    )
    file_digest = digest(records_bytes(lines)).removeprefix("sha256:")
    subject = Subject(name=records_path(round_path(recorded_at)), digest={"sha256": file_digest})
    return canonical_value(RoundStatement(subject=(subject,), predicate=made))


def parse_round(payload: bytes) -> RoundStatement:
    """Return the round's statement in ``payload``; raise TrustError if it is not one of ours, byte for byte."""
    try:
        statement = RoundStatement.model_validate_json(payload)
    except ValidationError:
        statement = None
    if statement is None or not is_canonical(payload, to_json(statement)):
        raise _malformed("it is not a round that ringfence writes")
    return statement


def open_round(payload: bytes, *, records: bytes) -> tuple[RoundStatement, list[bytes]]:
    """Return the statement in ``payload`` and the lines of ``records``; TrustError if they do not belong together."""
    statement = parse_round(payload)
    if statement.subject[0].digest["sha256"] != digest(records).removeprefix("sha256:"):
        raise TrustError("round", "its records are not the ones that were signed", reason="RoundAltered")
    lines = records.split(b"\n")
    if lines.pop() or len(lines) != statement.predicate.size:
        raise _malformed("its records are not as many as were signed")
    if root([leaf_hash(line) for line in lines]).hex() != statement.predicate.root:
        raise TrustError("round", "its records have another root than the signed one", reason="RoundAltered")
    return statement, lines


def parse_line(line: bytes) -> Record:
    """Return the record that is a leaf; raise TrustError if it is none."""
    try:
        return Record.model_validate_json(line)
    except ValidationError:
        raise _malformed("one of its records is not what ringfence writes") from None


def _malformed(message: str) -> TrustError:
    hint = "the evidence branch was altered, or a newer ringfence wrote it"
    return TrustError("round", message, reason="RoundMalformed", hint=hint)
