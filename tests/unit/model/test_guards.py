"""The declarations of what holds changes back."""

import pytest
from pydantic import ValidationError

from reconciler.model.guards import Limits, MaintenanceWindow
from reconciler.model.kinds import TrustRule


def test_a_window_is_every_day_unless_days_are_named() -> None:
    window = MaintenanceWindow.model_validate_json('{"start": "22:00", "duration": "6h"}')
    assert window.days == ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.mark.parametrize(
    "text",
    [
        '{"start": "24:00", "duration": "1h"}',
        '{"start": "22:00", "duration": "25h"}',
        '{"start": "22:00", "duration": "1h", "days": []}',
        '{"start": "22:00", "duration": "1h", "days": ["monday"]}',
    ],
)
def test_a_window_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MaintenanceWindow.model_validate_json(text)


def test_a_few_deletions_need_no_confirmation() -> None:
    assert Limits().deletions == 10


def test_a_threshold_that_nobody_could_reach_is_refused() -> None:
    with pytest.raises(ValidationError, match="nobody could ever pass"):
        TrustRule(paths=("**",), signers=("alice", "alice"), threshold=2)
    assert TrustRule(paths=("**",), signers=("alice", "bob"), threshold=2).threshold == 2
