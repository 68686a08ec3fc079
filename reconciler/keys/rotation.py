"""Which keys must be rotated because somebody knows them who should not any more, and which are old enough to be.

Rules: what somebody knows who should not is rotated at once; unknown never means safe. Age alone is no danger: a key is
old by a time that its custodian gave, or because its custodian says that it does not know one. Then it is due once: the
version that is made has a time. What a custodian did not say is waited for.
Not checked: that the custodian's clock is right. A version from the future is not old.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


def due_rotations(
    known: Mapping[str, Mapping[str, int]],
    *,
    entitled: Mapping[str, Collection[str]],
    versions: Mapping[str, int],
) -> dict[str, int]:
    """Return each key to rotate, with the newest version that an unentitled node knows.

    ``known`` has the versions each node was given, ``entitled`` the nodes that may know each key, ``versions`` the
    custodian's current ones. A key whose current version is not known is rotated as well: unknown never means safe.
    """
    due: dict[str, int] = {}
    for node, keys in known.items():
        for name, version in keys.items():
            if node not in entitled.get(name, ()) and versions.get(name, version) <= version:
                due[name] = max(version, due.get(name, 0))
    return dict(sorted(due.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A key whose current version ``past`` is as old as its ``rotation`` allows; ``age`` is None if nobody knows it."""

    past: int
    age: timedelta | None
    rotation: timedelta


def aged_keys(
    rotations: Mapping[str, timedelta],
    *,
    versions: Mapping[str, int],
    made_at: Mapping[str, datetime | None],
    now: datetime,
) -> dict[str, Aged]:
    """Return each key to rotate for its age, by name and in the order of names.

    ``rotations`` are the declared periods, ``versions`` and ``made_at`` what the custodian says of its current ones. A
    key without an entry in either is not due.
    """
    due: dict[str, Aged] = {}
    for name, rotation in sorted(rotations.items()):
        if name not in versions or name not in made_at:
            continue
        made = made_at[name]
        age = None if made is None else now - made
        if age is None or age >= rotation:
            due[name] = Aged(past=versions[name], age=age, rotation=rotation)
    return due
