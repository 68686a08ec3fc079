"""The audit: every record read again, every verdict computed again, by somebody who trusts nobody.

1. Each envelope is signed by an evidence key of the desired state it was made under.
2. Each node's records form a chain without a gap, and its head is their sum.
3. Each verdict, computed again from the raw evidence, is the recorded one byte for byte.
4. No key was released and no node admitted without an acceptance in the same attempt before it.
5. Every record was made under a commit of the trusted history.
6. Nothing else lies on the branch.

Whether the branch was rolled back as a whole is not seen here: that takes a witness.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.attest.appraise import appraise
from reconciler.attest.expectation import Attempt, Expectation, expect
from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.fold import fold
from reconciler.evidence.raw import RawReader
from reconciler.evidence.report import describe
from reconciler.evidence.round import open_round, parse_line, parse_round, records_path, round_path
from reconciler.evidence.rules import pack_rules, read_rules
from reconciler.evidence.statement import Appraisal, Record, parse_statement, statement_path
from reconciler.model.desired import DesiredState
from reconciler.model.record import Clock, Event, Head
from reconciler.model.submission import BootClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something that should not be on the evidence branch, or is missing there."""

    path: str
    code: str
    message: str


@dataclass(slots=True, kw_only=True)
class Findings:
    """What an audit found; ``heads`` are the sums of the records, ``records`` all of them in chain order."""

    flaws: list[Flaw] = field(default_factory=list)
    heads: dict[str, Head] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    verdicts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What an audit reads, each part by a function.

    ``desired`` gives the desired state at a commit, raising TrustError for one outside the trusted history; ``keys``
    the evidence keys of that state, by key id; ``blob`` raw bytes by bare SHA-256, None where there are none.
    """

    desired: Callable[[str], DesiredState]
    keys: Callable[[str], Mapping[str, Ed25519PublicKey]]
    blob: Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """One record, where it stands, and the digest that the next one names."""

    path: str
    record: Record
    digest: str


def audit(
    statements: Iterable[tuple[str, bytes]],
    *,
    archive: Archive,
    heads: Mapping[str, Head],
    rounds: Iterable[tuple[str, bytes, bytes]] = (),
) -> Findings:
    """Return everything found on a branch of ``statements`` (path, envelope) with the ``heads`` that it claims.

    ``rounds`` are path, envelope and records of each.
    """
    found = Findings()
    opened: list[_Opened] = []
    for path, envelope in statements:
        try:
            opened.append(_open(path, envelope, archive))
        except RingfenceError as error:
            found.flaws.append(_flaw(path, error))
    for path, envelope, records in rounds:
        try:
            opened.extend(_open_round(path, envelope, records, archive))
        except RingfenceError as error:
            found.flaws.append(_flaw(path, error))
    reader = RawReader(archive.blob)
    for item in sorted(opened, key=lambda item: (item.record.node, item.record.sequence)):
        _take(found, item, archive, reader)
    found.records.sort(key=lambda record: (record.recorded_at, record.node, record.sequence))
    for node in sorted(heads.keys() | found.heads.keys()):
        if heads.get(node) != found.heads.get(node):
            found.flaws.append(
                Flaw(
                    path=f"nodes/{node}/head.json",
                    code="HeadMismatch",
                    message="the head is not the sum of the node's records",
                )
            )
    return found


def _open(path: str, envelope: bytes, archive: Archive) -> _Opened:
    """Return the record in ``envelope``, once its signer and its place are checked."""
    unchecked = parse_statement(_open_unverified(envelope)).predicate.commit
    payload = open_envelope(envelope, keys=archive.keys(unchecked))
    record = parse_statement(payload).predicate
    if record.commit != unchecked or statement_path(record) != path:
        raise _moved(path)
    return _Opened(path=path, record=record, digest=digest(payload))


def _open_round(path: str, envelope: bytes, records: bytes, archive: Archive) -> list[_Opened]:
    """Return the records of a round, once its signer, its place and its root are checked."""
    unchecked = parse_round(_open_unverified(envelope)).predicate.commit
    payload = open_envelope(envelope, keys=archive.keys(unchecked))
    statement, lines = open_round(payload, records=records)
    signed = statement.predicate
    if round_path(signed.recorded_at) != path or statement.subject[0].name != records_path(path):
        raise _moved(path)
    opened = [_Opened(path=path, record=parse_line(line), digest=digest(line)) for line in lines]
    for record in (item.record for item in opened):
        own = (record.commit, record.tree, record.recorded_at, record.event, record.clock is None)
        if own != (signed.commit, signed.tree, signed.recorded_at, Event.APPRAISED, False):
            raise TrustError(path, "it holds a record that does not belong into a round", reason="RoundMalformed")
    return opened


def _moved(path: str) -> TrustError:
    return TrustError(path, "it stands in another place than it was made for", reason="StatementMoved")


def _open_unverified(envelope: bytes) -> bytes:
    """Return the payload of ``envelope`` unchecked; only for finding out which keys to check it with."""
    try:
        return base64.b64decode(json.loads(envelope)["payload"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TrustError("evidence record", "it is not a DSSE envelope", reason="EnvelopeMalformed") from None


def _take(found: Findings, item: _Opened, archive: Archive, reader: RawReader) -> None:
    record, before = item.record, found.heads.get(item.record.node)
    try:
        head = fold(before, record, digest=item.digest)
        _check_gate(before, record)
        if record.event is Event.APPRAISED:
            _check_verdict(record, archive, reader, before=before)
            found.verdicts += 1
        found.heads[record.node] = head
        found.records.append(record)
    except RingfenceError as error:
        found.flaws.append(_flaw(item.path, error))


def _check_gate(head: Head | None, record: Record) -> None:
    is_gated = record.event in {Event.RELEASED, Event.ADMITTED, Event.CONFIRMED}
    is_open = head is not None and head.nonce is not None and head.attempt == record.attempt
    if is_gated and not is_open:
        raise TrustError(f"node {record.node}", f"it was {record.event} without proof", reason="GateSkipped")


def _check_verdict(record: Record, archive: Archive, reader: RawReader, *, before: Head | None) -> None:
    appraisal = record.appraisal
    if appraisal is None:
        raise TrustError(f"node {record.node}", "an appraisal without a verdict", reason="StatementMalformed")
    evidence = reader.read(appraisal.evidence)
    desired = judged_under(record, appraisal, desired=archive.desired)
    archive.desired(appraisal.evidence.commit)
    is_dated = appraisal.image_commit is not None
    if is_dated and (before is None or before.image != desired.images[appraisal.image].spec.digest):
        message = "it was held against an image that it was not assigned"
        raise TrustError(f"node {record.node}", message, reason="RecordStray")
    expectation = expectation_of(record, appraisal, desired, evidence.received_at)
    if pack_rules(expectation.rules()).digest != appraisal.rules:
        message = "it was held against other rules than its commit holds"
        raise TrustError(f"node {record.node}", message, reason="RulesDiffer")
    read_rules(archive.blob, appraisal.rules)
    told = describe(appraise(evidence, expectation=expectation))
    same = (appraisal.verdict_digest, appraisal.verdict or told) == (digest(canonical(told)), told)
    if not same:
        raise TrustError(f"node {record.node}", "its verdict, computed again, is another one", reason="VerdictDiffers")


def judged_under(record: Record, appraisal: Appraisal, *, desired: Callable[[str], DesiredState]) -> DesiredState:
    """Return the state that a recorded appraisal was made under, with the image that it was held against.

    ``desired`` is as in ``Archive``. That image is an earlier commit's for a member that waited for its restart.
    """
    then = desired(record.commit)
    if appraisal.image_commit is None:
        return then
    image = desired(appraisal.image_commit).images.get(appraisal.image)
    if image is None:
        raise _stray(record)
    return replace(then, images={**then.images, appraisal.image: image})


def expectation_of(record: Record, appraisal: Appraisal, desired: DesiredState, judged_at: datetime) -> Expectation:
    """Return what a recorded appraisal is to be held against at ``desired``; TrustError if that lacks a document."""
    known = (record.node in desired.nodes, appraisal.policy in desired.policies, appraisal.image in desired.images)
    if not all(known) or record.enclave is None or record.attempt is None:
        raise _stray(record)
    attempt = Attempt(
        node=record.node,
        enclave=record.enclave,
        commit=appraisal.evidence.commit,
        attempt=record.attempt,
        previous=_clock(appraisal.previous),
        must_be_same_boot=appraisal.must_be_same_boot,
        judged_at=judged_at,
    )
    measurements = desired.images[appraisal.image].spec.measurements
    return expect(desired, attempt=attempt, policy=appraisal.policy, measurements=measurements)


def _stray(record: Record) -> TrustError:
    return TrustError(f"node {record.node}", "its record names what its commit does not hold", reason="RecordStray")


def _clock(clock: Clock | None) -> BootClock | None:
    return None if clock is None else BootClock(**clock.model_dump())


def _flaw(path: str, error: RingfenceError) -> Flaw:
    return Flaw(path=path, code=error.reason, message=str(error))
