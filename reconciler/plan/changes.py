"""What differs between two mappings of frozen values, by identity: cheap enough to ask in every pass.

A value that is equal but not the same object counts as changed: what is kept for it is only made again. Mappings that
were given once are never changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from operator import eq, is_not
from typing import TypeVar

K = TypeVar("K", str, tuple[str, str])


def changed_keys(before: Mapping[K, object], after: Mapping[K, object]) -> set[K]:
    """Return the keys whose value is another object now, or that are in one of the mappings only."""
    if before is after:
        return set()
    if len(before) == len(after) and all(map(eq, before, after)):  # The same order: no key has to be looked up.
        return set(compress(after, map(is_not, after.values(), before.values())))
    found = set(compress(after, map(is_not, after.values(), map(before.get, after))))
    if len(before) != len(after) or any(key not in before for key in found):
        found |= before.keys() - after.keys()
    return found
