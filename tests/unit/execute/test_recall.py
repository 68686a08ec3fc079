from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.execute.recall import LASTS, PowerRecall
from reconciler.model.observed import PowerState

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def recalled(*, after: timedelta, state: PowerState = PowerState.ON) -> PowerState | None:
    recall = PowerRecall()
    recall.note("n1", state, at=NOON)
    return recall.state("n1", now=NOON + after)


def test_what_was_read_a_moment_ago_is_remembered() -> None:
    assert recalled(after=LASTS / 2) is PowerState.ON


@pytest.mark.parametrize("after", [LASTS, LASTS * 10, -timedelta(seconds=1)])
def test_what_is_old_or_from_the_future_has_to_be_read_again(after: timedelta) -> None:
    assert recalled(after=after) is None


def test_what_a_bmc_did_not_tell_is_not_remembered() -> None:
    recall = PowerRecall()
    recall.note("n1", PowerState.ON, at=NOON)
    recall.note("n1", PowerState.UNKNOWN, at=NOON)
    assert recall.state("n1", now=NOON) is None
    assert recalled(after=timedelta(0), state=PowerState.UNKNOWN) is None


def test_what_is_forgotten_is_gone_and_nothing_is_known_of_others() -> None:
    recall = PowerRecall()
    recall.note("n1", PowerState.OFF, at=NOON)
    assert recall.state("n2", now=NOON) is None
    recall.forget("n1")
    assert recall.state("n1", now=NOON) is None
