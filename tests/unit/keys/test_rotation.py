"""Rotations: a key is rotated exactly while somebody knows its newest version who should not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.keys.rotation import due_rotations

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
