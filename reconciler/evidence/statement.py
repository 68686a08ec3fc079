"""Statements: what is recorded about a node, as in-toto statements.

One statement, one event, chained to the node's previous one by sequence number and
digest. What a statement does to the node's head is in ``fold``.
Source: in-toto Attestation Framework, Statement v1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value, is_canonical, to_json
from reconciler.evidence.raw import CommitId, Submitted
from reconciler.model.base import Digest, Name, Value
from reconciler.model.record import Clock, Event


class Appraisal(Value):
    """A verdict, and everything that is needed to compute it again.

    ``verdict`` is ``report.describe`` of it, left out in the records of a round; ``verdict_digest`` is over its
    canonical bytes. ``evidence`` is what was received, ``rules`` the blob of what it was held against: the ``policy``
    for the ``image`` at the record's commit. ``previous`` and ``must_be_same_boot`` say how fresh it had to be.
    ``image_commit`` is set where the image's document is one of an earlier trusted commit: that of a member that waits
    for its restart.
    """

    verdict: dict[str, Any] | None = None
    verdict_digest: Digest
    evidence: Submitted
    rules: Digest
    policy: Name
    image: Name
    image_commit: CommitId | None = None
    previous: Clock | None = None
    must_be_same_boot: bool


class Record(Value):
    """One event in a node's life.

    ``commit`` and ``tree`` are the desired state it happened under. ``ports`` is what was read back from the switch
    (``access 200``), by interface. ``enrolment`` is the blob of the session that an enrolment began.
    """

    node: Name
    sequence: Annotated[int, Field(ge=1)]
    previous: Digest | None = None
    event: Event
    recorded_at: AwareDatetime
    commit: CommitId
    tree: CommitId
    verifier: str
    enclave: Name | None = None
    attempt: str | None = None
    image: Digest | None = None
    contacted_at: AwareDatetime | None = None
    accepted_at: AwareDatetime | None = None
    nonce: str | None = None
    clock: Clock | None = None
    enrolment: Digest | None = None
    appraisal: Appraisal | None = None
    keys: dict[Name, int] = Field(default_factory=dict)
    ports: dict[str, str] = Field(default_factory=dict)
    causes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str | None:
        """Return what an appraisal came to, ``accepted`` or ``rejected``; None if this records none."""
        if self.event is not Event.APPRAISED or self.appraisal is None:
            return None
        return "accepted" if self.clock is not None else "rejected"


class Subject(Value):
    """Whom the statement is about: the node, by the digest of its endorsement key."""

    name: str
    digest: dict[Literal["sha256"], str]


class Statement(Value):
    """An in-toto statement around a record."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")] = (
        "https://in-toto.io/Statement/v1"
    )
    subject: tuple[Subject]
    predicate_type: Literal["urn:ringfence:record:v2"] = "urn:ringfence:record:v2"
    predicate: Record


def statement_bytes(record: Record, *, endorsement: str) -> bytes:
    """Return the canonical statement around ``record``; ``endorsement`` is the node's ``sha256:…``."""
    subject = Subject(name=f"node/{record.node}", digest={"sha256": endorsement.removeprefix("sha256:")})
    return canonical_value(Statement(subject=(subject,), predicate=record))


def parse_statement(payload: bytes) -> Statement:
    """Return the statement in ``payload``; raise TrustError if it is not one of ours, byte for byte."""
    try:
        statement = Statement.model_validate_json(payload)
    except ValidationError:
        statement = None
    if statement is None or not is_canonical(payload, to_json(statement)):
        raise TrustError(
            "evidence record",
            "it is not a statement that ringfence writes",
            reason="StatementMalformed",
            hint="the evidence branch was altered, or a newer ringfence wrote it",
        )
    return statement


def statement_path(record: Record) -> str:
    """Return where on the evidence branch the statement of ``record`` stands."""
    return f"statements/{record.recorded_at:%Y/%m/%d/%H}/{record.node}-{record.sequence}.dsse.json"
