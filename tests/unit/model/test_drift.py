"""What is declared about drift."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from reconciler.model.drift import Fights


def test_putting_right_counts_for_a_day_at_most() -> None:
    assert Fights() == Fights.model_validate_json('{"limit": 3, "within": "1h"}')
    assert Fights.model_validate_json('{"within": "24h"}').within == timedelta(days=1)
    with pytest.raises(ValidationError, match="24h at most"):
        Fights.model_validate_json('{"within": "25h"}')


@pytest.mark.parametrize("limit", [0, 11])
def test_a_fight_has_one_to_ten_bouts(limit: int) -> None:
    with pytest.raises(ValidationError):
        Fights.model_validate_json(f'{{"limit": {limit}}}')
