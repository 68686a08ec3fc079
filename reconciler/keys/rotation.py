"""Which keys must be rotated because somebody knows them who should not any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping


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
