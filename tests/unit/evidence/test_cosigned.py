"""What the co-signed heads of witnesses say about a branch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.evidence.cosigned import Cosigned, Grown, judge_cosigned

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BRANCH = Grown(origin="a/evidence", roots={4: b"4" * 32, 6: b"6" * 32}, written_at=NOW)


def head(
    *, size: int = 4, root: bytes = b"4" * 32, at: datetime = NOW, witness: str = "w1", origin: str = "a/evidence"
) -> Cosigned:
    path = f"witness/{witness}:checkpoints/{size}"
    return Cosigned(witness=witness, origin=origin, size=size, root=root, at=at, path=path, has_log_signature=False)


def codes(*heads: Cosigned, required: int = 0) -> list[str]:
    return [flaw.code for flaw in judge_cosigned(heads, branch=BRANCH, required=required, within=DAY)]


def test_heads_that_the_branch_contains_are_no_flaw() -> None:
    assert codes(head(), head(size=6, root=b"6" * 32), required=1) == []
    assert codes() == []


def test_head_that_is_larger_than_the_branch_shows_a_rollback() -> None:
    assert codes(head(size=9)) == ["HeadRolledBack"]


def test_head_that_the_branch_does_not_begin_with_shows_a_fork() -> None:
    assert codes(head(root=b"x" * 32)) == ["HeadForked"]


def test_head_of_another_log_is_told() -> None:
    assert codes(head(origin="b/evidence")) == ["HeadOfAnotherLog"]


def test_signature_of_the_log_itself_is_told_as_the_proof_that_it_is() -> None:
    signed = replace(head(size=9), has_log_signature=True)
    (flaw,) = judge_cosigned([signed], branch=BRANCH, required=0, within=DAY)
    assert "by an evidence key" in flaw.message


def test_too_few_witnesses_are_a_flaw_and_one_counts_once() -> None:
    assert codes(required=1) == ["WitnessesMissing"]
    assert codes(head(), head(size=6, root=b"6" * 32), required=2) == ["WitnessesMissing"]
    assert codes(head(), head(witness="w2"), required=2) == []


def test_cosignature_that_is_much_older_than_the_branch_counts_no_more() -> None:
    assert codes(head(at=NOW - DAY), required=1) == []
    assert codes(head(at=NOW - DAY - timedelta(seconds=1)), required=1) == ["WitnessesMissing"]


def test_contradicting_head_does_not_count_as_standing_by_it() -> None:
    assert codes(head(size=9), required=1) == ["HeadRolledBack", "WitnessesMissing"]
