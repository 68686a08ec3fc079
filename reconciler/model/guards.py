"""What holds a commit or a pass back, so that one mistake stays small: limits, windows, budgets, freeze.

These are the declarations only. Which commit needs a confirmation is decided in ``repo``, which step is held in
``plan``. Withdrawing trust is never held by any of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from reconciler.model.base import Duration, Value

_DAY = timedelta(days=1)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
"""A day of the week, in UTC."""

ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day in UTC: ``22:00``."""

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""Words for people."""


class Limits(Value):
    """How much one commit may take away without saying so.

    ``deletions`` is how many documents and asked-for enclave places a commit may remove in all; one that removes more
    says how many, in a trailer (``Ringfence-Confirm: deletions 12``).
    """

    deletions: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    """How many documents and enclave places one commit may remove without a `Ringfence-Confirm` trailer."""


class MaintenanceWindow(Value):
    """When running members may be disturbed: from ``start`` (UTC) for ``duration``, on each of ``days``."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """The days on which the window begins, in UTC."""
    start: ClockTime
    """When it begins, in UTC."""
    duration: Duration
    """How long it is open; 24h at most."""

    @model_validator(mode="after")
    def _within_a_day(self) -> MaintenanceWindow:
        if self.duration > _DAY:
            raise ValueError("a window lasts a day at most; name more days instead")
        return self


class Freeze(Value):
    """Nothing is changed while this stands, except that trust can be withdrawn."""

    reason: Sentence
    """Why, for those who find their change waiting."""


class Disruption(Value):
    """How many members of an enclave may be missing at once because of changes; no number: all of them."""

    max_unavailable: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """At most so many members at once; without it, all."""
