"""Rotations: a key is rotated exactly while somebody knows its newest version who should not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.keys.rotation import Aged, aged_keys, due_rotations

ENTITLED = {"common": {"n1"}}


@pytest.mark.parametrize(
    ("known", "versions", "due"),
    [
        ({"n1": {"common": 1}}, {"common": 1}, {}),
        ({"n2": {"common": 1}}, {"common": 1}, {"common": 1}),
        ({"n2": {"common": 1}}, {"common": 2}, {}),
        ({"n2": {"common": 2}}, {"common": 1}, {"common": 2}),
        ({"n2": {"common": 1}}, {}, {"common": 1}),
        ({"n2": {"common": 1}, "n3": {"common": 3}}, {"common": 3}, {"common": 3}),
        ({"n3": {"common": 3}, "n2": {"common": 1}}, {}, {"common": 3}),
        ({"n1": {"orphan": 4}}, {"orphan": 4}, {"orphan": 4}),
        ({"n2": {}}, {"common": 1}, {}),
    ],
    ids=[
        "entitled-node",
        "unentitled-node",
        "rotated-since",
        "custodian-went-back",
        "version-not-known",
        "one-of-two-knows-the-newest",
        "newest-version-counts",
        "nobody-is-entitled",
        "knows-nothing",
    ],
)
def test_key_is_due(known: Mapping[str, Mapping[str, int]], versions: Mapping[str, int], due: dict[str, int]) -> None:
    assert due_rotations(known, entitled=ENTITLED, versions=versions) == due


def test_rotations_come_in_the_order_of_names() -> None:
    due = due_rotations({"n2": {"b": 1, "a": 1}}, entitled={}, versions={"a": 1, "b": 1})
    assert list(due) == ["a", "b"]


NOW = datetime(2026, 3, 3, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.mark.parametrize(
    ("versions", "made_at", "age"),
    [
        ({"common": 3}, {"common": NOW - MONTH}, MONTH),
        ({"common": 3}, {"common": NOW - 2 * MONTH}, 2 * MONTH),
        ({"common": 3}, {"common": None}, None),
    ],
    ids=["as-old-as-it-may-be", "older", "nobody-knows"],
)
def test_key_is_old(versions: Mapping[str, int], made_at: Mapping[str, datetime | None], age: timedelta | None) -> None:
    due = aged_keys({"common": MONTH}, versions=versions, made_at=made_at, now=NOW)
    assert due == {"common": Aged(past=3, age=age, rotation=MONTH)}


@pytest.mark.parametrize(
    ("versions", "made_at"),
    [
        ({"common": 3}, {"common": NOW - MONTH + timedelta(seconds=1)}),
        ({"common": 3}, {"common": NOW + MONTH}),
        ({"common": 3}, {}),
        ({}, {"common": NOW - 2 * MONTH}),
        ({"other": 3}, {"other": NOW - 2 * MONTH}),
    ],
    ids=["younger", "from-the-future", "time-not-told", "no-such-key", "no-rotation-declared"],
)
def test_key_is_not_old(versions: Mapping[str, int], made_at: Mapping[str, datetime | None]) -> None:
    assert aged_keys({"common": MONTH}, versions=versions, made_at=made_at, now=NOW) == {}
