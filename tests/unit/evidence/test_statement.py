"""Statements: in-toto around a record; what is read back is what was written, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.statement import Record, parse_statement, statement_bytes, statement_path
from reconciler.model.record import Event

RECORD = Record(
    node="n1",
    sequence=3,
    previous="sha256:" + "1" * 64,
    event=Event.RELEASED,
    recorded_at=datetime(2026, 3, 3, 12, 0, 1, 250_000, tzinfo=UTC),
    commit="c" * 40,
    tree="d" * 40,
    verifier="ringfence/0.1.0",
    enclave="blue",
    keys={"common": 2},
)


def test_statement_is_in_toto_about_the_endorsement_key() -> None:
    document = json.loads(statement_bytes(RECORD, endorsement="sha256:" + "e" * 64))
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "urn:ringfence:record:v2"
    assert document["subject"] == [{"name": "node/n1", "digest": {"sha256": "e" * 64}}]
    assert document["predicate"]["recordedAt"] == "2026-03-03T12:00:01.250000Z"
    assert "appraisal" not in document["predicate"]


def test_what_was_written_is_read_back() -> None:
    payload = statement_bytes(RECORD, endorsement="sha256:" + "e" * 64)
    assert parse_statement(payload).predicate == RECORD


def test_path_is_by_hour_node_and_sequence() -> None:
    assert statement_path(RECORD) == "statements/2026/03/03/12/n1-3.dsse.json"


def _refused(payload: bytes) -> None:
    with pytest.raises(TrustError) as caught:
        parse_statement(payload)
    assert caught.value.reason == "StatementMalformed"


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"sequence": "3"},
        {"commit": "c" * 39},
        {"event": "pardoned"},
        {"colour": "red"},
        {"enclave": None},
        {"node": "N1"},
    ],
)
def test_a_record_that_ringfence_does_not_write_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(statement_bytes(RECORD, endorsement="sha256:" + "e" * 64))
    document["predicate"] |= change
    _refused(canonical(document))


def test_other_bytes_for_the_same_statement_are_refused() -> None:
    payload = statement_bytes(RECORD, endorsement="sha256:" + "e" * 64)
    _refused(payload + b" ")
    _refused(json.dumps(json.loads(payload)).encode())
    _refused(b"")
    _refused(b"\xff")


@pytest.mark.parametrize("number", ["99999999999999999999", "NaN", "1e400"])
def test_a_number_without_a_canonical_form_is_refused(number: str) -> None:
    appraisal = (
        f'{{"challengeCommit":"{"c" * 40}","eventLog":"sha256:{"1" * 64}","evidence":"sha256:{"2" * 64}",'
        f'"image":"worker","mustBeSameBoot":false,"policy":"measured-boot","verdict":{{"x":{number}}}}},'
    )
    payload = statement_bytes(RECORD, endorsement="sha256:" + "e" * 64).decode()
    _refused(payload.replace('"predicate":{', '"predicate":{"appraisal":' + appraisal, 1).encode())


def test_only_an_appraisal_has_a_verdict() -> None:
    assert RECORD.verdict is None
    assert RECORD.model_copy(update={"event": Event.APPRAISED}).verdict is None
