"""Leases: who may write the evidence branch, and when another machine may take over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors.taxonomy import TransientError, TrustError
from reconciler.evidence.lease import (
    LASTS,
    MARGIN,
    Lease,
    is_takeover,
    lease_bytes,
    next_lease,
    parse_lease,
    released,
    renewed,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINE = Lease(writer="a-1", epoch=3, since=NOW, until=NOW + LASTS)


def test_the_first_machine_takes_a_lease_that_nobody_has() -> None:
    assert next_lease(None, writer="a-1", now=NOW) == Lease(writer="a-1", epoch=1, since=NOW, until=NOW + LASTS)
    assert not is_takeover(None, writer="a-1")


def test_the_holder_renews_alone_only_when_it_would_run_out() -> None:
    assert next_lease(MINE, writer="a-1", now=NOW + LASTS / 2) is None
    late = NOW + LASTS * 0.9
    assert next_lease(MINE, writer="a-1", now=late) == MINE.model_copy(update={"until": late + LASTS})
    after = NOW + LASTS * 5
    assert next_lease(MINE, writer="a-1", now=after) == MINE.model_copy(update={"until": after + LASTS})


def test_the_holder_renews_along_with_other_writing_earlier() -> None:
    assert renewed(MINE, now=NOW + LASTS / 4) is None
    half = NOW + LASTS / 2
    assert renewed(MINE, now=half) == MINE.model_copy(update={"until": half + LASTS})


def test_another_machine_waits_for_the_end_and_the_margin() -> None:
    assert is_takeover(MINE, writer="b-2")
    for now in (NOW, MINE.until, MINE.until + MARGIN - timedelta(seconds=1)):
        with pytest.raises(TransientError) as caught:
            next_lease(MINE, writer="b-2", now=now)
        assert caught.value.reason == "EvidenceLeased"
        assert "a-1" in caught.value.message
    over = MINE.until + MARGIN
    assert next_lease(MINE, writer="b-2", now=over) == Lease(writer="b-2", epoch=4, since=over, until=over + LASTS)


def test_a_lease_that_is_given_up_may_be_taken_at_once() -> None:
    now = NOW + timedelta(minutes=5)
    over = released(MINE, now=now)
    assert over is not None
    assert next_lease(over, writer="b-2", now=now) is not None
    assert released(over, now=now) is None
    assert over.until == now - MARGIN


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", lease_bytes(MINE) + b"\n", lease_bytes(MINE).replace(b"3", b"0")]
)
def test_a_lease_that_ringfence_does_not_write_is_refused(content: bytes) -> None:
    with pytest.raises(TrustError):
        parse_lease(content)


def test_a_lease_is_read_as_it_was_written() -> None:
    assert parse_lease(lease_bytes(MINE)) == MINE
