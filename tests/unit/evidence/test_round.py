"""Rounds: what is signed is the records beside it, all of them, in order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.round import open_round, parse_line, parse_round, records_bytes, round_bytes, round_path

AT = datetime(2026, 6, 1, 12, 30, 15, 250, tzinfo=UTC)
LINES = [b'{"a":1}', b'{"b":2}', b'{"c":3}']


def _round(lines: list[bytes]) -> bytes:
    return round_bytes(lines, recorded_at=AT, commit="1" * 40, tree="2" * 40, verifier="ringfence/0.1.0")


def test_a_round_opens_to_its_records() -> None:
    statement, lines = open_round(_round(LINES), records=records_bytes(LINES))
    assert lines == LINES
    assert (statement.predicate.size, statement.predicate.recorded_at) == (3, AT)
    assert round_path(AT) == "rounds/2026/06/01/12/3015-000250.dsse.json"
    assert statement.subject[0].name == "rounds/2026/06/01/12/3015-000250.records"


@pytest.mark.parametrize(
    "records",
    [
        records_bytes(LINES[:2]), records_bytes([*LINES, LINES[0]]), records_bytes([LINES[1], LINES[0], LINES[2]]),
        records_bytes(LINES)[:-1], b"", records_bytes([LINES[0], LINES[1], b'{"c":4}']),
    ],
    ids=["dropped", "doubled", "reordered", "cut", "none", "changed"],
)  # fmt: skip
def test_other_records_than_the_signed_ones_are_refused(records: bytes) -> None:
    with pytest.raises(TrustError) as caught:
        open_round(_round(LINES), records=records)
    assert caught.value.reason == "RoundAltered"


def test_a_root_or_a_size_that_is_not_that_of_the_records_is_refused() -> None:
    honest = parse_round(_round(LINES))
    for name, value in (("root", "0" * 64), ("size", 2)):
        lying = honest.model_copy(update={"predicate": honest.predicate.model_copy(update={name: value})})
        payload = canonical(lying.model_dump(mode="json", by_alias=True, exclude_none=True))
        with pytest.raises(TrustError):
            open_round(payload, records=records_bytes(LINES))


@pytest.mark.parametrize("payload", [b"", b"{}", _round(LINES) + b" "])
def test_what_is_no_round_is_refused(payload: bytes) -> None:
    with pytest.raises(TrustError) as caught:
        parse_round(payload)
    assert caught.value.reason == "RoundMalformed"


def test_a_line_that_is_no_record_is_refused() -> None:
    with pytest.raises(TrustError) as caught:
        parse_line(b"{}")
    assert caught.value.reason == "RoundMalformed"
