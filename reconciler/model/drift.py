"""What is done about drift: hardware that is not as the record left it, though no commit asked for a change.

These are the declarations only; what they mean is decided in ``plan``. Whatever is declared, what endangers others is
put right: a port that leads where it should not is parked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator

from reconciler.model.base import Duration, Value

LONGEST = timedelta(days=1)
"""How long the past matters in which drift was put right."""

NodeDrift = Literal["heal", "report", "quarantine"]
"""For a machine that serves nobody: put to rest, left alone as long as it is harmless, or rejected."""

EnclaveDrift = Literal["heal", "quarantine"]
"""For a member: started over and proven anew, or rejected."""

SwitchDrift = Literal["heal", "report"]
"""For a port that no node uses: parked, or left alone as long as it is harmless."""


class Fights(Value):
    """When somebody else is at work on the same hardware, who would otherwise be fought without end."""

    limit: Annotated[int, Field(ge=1, le=10)] = 3
    """So often drift of one node or port is put right within `within`; the next time, Ringfence gives in."""
    within: Duration = Field(default="1h", validate_default=True)
    """How long a time that drift was put right counts; 24h at most."""

    @field_validator("within")
    @classmethod
    def _short_enough(cls, within: timedelta) -> timedelta:
        if within > LONGEST:
            raise ValueError("24h at most")
        return within
