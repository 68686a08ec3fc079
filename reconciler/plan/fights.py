"""Fights: when somebody else undoes what is put right, who could go on for ever.

Each time that drift was put right is a bout, and is on record in the journal. So many bouts within so long a time are
a fight (``model.drift``). Then nothing is put right until the oldest bout is past: two controllers move a port a few
times an hour at most, and neither a restart nor another machine begins to count anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.model.drift import Fights


def recent(bouts: Sequence[datetime], *, fights: Fights, now: datetime) -> tuple[datetime, ...]:
    """Return those of ``bouts``, oldest first, that count at ``now``."""
    return tuple(at for at in bouts if now - at < fights.within)


def is_fight(bouts: Sequence[datetime], *, fights: Fights, now: datetime) -> bool:
    """Return whether there were so many bouts of late that putting right makes no sense."""
    return len(recent(bouts, fights=fights, now=now)) >= fights.limit


def calm_at(bouts: Sequence[datetime], *, fights: Fights, now: datetime) -> datetime:
    """Return when a fight is over, if nothing more happens."""
    return recent(bouts, fights=fights, now=now)[-fights.limit] + fights.within
