"""What the evidence branch weighs, told by where files stand and what blobs look like."""

from __future__ import annotations

import pytest

from reconciler.evidence.canonical import canonical
from reconciler.evidence.raw import pack
from reconciler.evidence.rules import pack_rules
from reconciler.evidence.segments import record_log
from reconciler.evidence.weights import Weight, blob_kind, is_node_head, largest, weigh
from tests.support.appraisals import booted, expected_of

FILES = (
    ("statements/2026/03/03/12/n1-1.dsse.json", 100),
    ("statements/2026/03/03/12/n1-2.dsse.json", 100),
    ("statements/2026/03/05/12/n-2-1.dsse.json", 50),
    ("rounds/2026/03/04/12/0000-000000.dsse.json", 10),
    ("rounds/2026/03/04/12/0000-000000.records", 70),
    ("journal/2026/03/1.dsse.json", 5),
    ("blobs/sha256/ab/cd", 30),
    ("blobs/sha256/ab/ce", 31),
    ("log/000/000", 9),
    ("checkpoints/latest", 3),
    ("nodes/n1/head.json", 4),
    ("trusted.json", 1),
)


def test_files_are_counted_by_kind_day_and_node() -> None:
    found = weigh(FILES, blob_kinds={"blobs/sha256/ab/cd": "rules"}, records={"n1": 12, "n3": 2})
    assert found.by_kind["statements"] == Weight(3, 250)
    assert found.by_kind["rounds"] == Weight(1, 10)
    assert found.by_kind["round records"] == Weight(1, 70)
    assert found.by_kind["blobs: rules"] == Weight(1, 30)
    assert found.by_kind["blobs: other"] == Weight(1, 31)
    assert found.by_kind["other"] == Weight(1, 1)
    assert found.by_node == {"n1": Weight(2, 200), "n-2": Weight(1, 50)}
    assert found.by_day == {"2026-03-03": Weight(2, 200), "2026-03-04": Weight(2, 80), "2026-03-05": Weight(1, 50)}
    assert found.total == Weight(12, 413)


def test_leaves_are_what_heads_count_and_no_statement_says() -> None:
    assert weigh(FILES, blob_kinds={}, records={"n1": 12, "n3": 2}).leaves() == 12


def test_a_year_is_told_from_the_days_there_are() -> None:
    found = weigh(FILES, blob_kinds={}, records={})
    assert (found.days, found.year(300)) == (3, 36500)
    empty = weigh((), blob_kinds={}, records={})
    assert (empty.days, empty.year(300), empty.total) == (0, None, Weight())


def test_the_heaviest_come_first() -> None:
    weights = {"a": Weight(1, 5), "b": Weight(1, 9), "c": Weight(9, 5)}
    assert [name for name, _ in largest(weights, count=2)] == ["b", "a"]


def test_heads_are_known_by_their_place() -> None:
    assert is_node_head("nodes/n1/head.json")
    assert not is_node_head("journal/head.json")


def test_blobs_are_known_by_what_they_look_like() -> None:
    tpm = booted()
    rules = pack_rules(expected_of(tpm).rules()).blobs
    assert {blob_kind(content) for content in rules.values()} == {"rules", "policies", "certificates"}
    evidence = pack(tpm.evidence()).blobs
    assert {blob_kind(content) for content in evidence.values()} == {
        "certificates",
        "enrolments",
        "PCR values",
        "event logs",
    }
    log = record_log(b"10 " + b"0" * 40 + b" ima-ng sha256:00 boot_aggregate\n", before=None).blobs
    assert {blob_kind(content) for content in log.values()} == {"IMA segments", "IMA links"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", canonical({"a": 1}), b"\x00" * 80, b'{"a":' * 9000])
def test_a_blob_that_looks_like_nothing_is_told_as_other(content: bytes) -> None:
    assert blob_kind(content) == "other"
