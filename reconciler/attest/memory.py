"""A bounded memory: the newest of what was put into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memory(Generic[K, V]):
    """What was computed for the newest ``size`` keys; one that is asked for again counts as new."""

    __slots__ = ("_known", "_size")

    def __init__(self, size: int) -> None:
        """Remember nothing yet, and at most ``size`` answers (at least one)."""
        self._size = size
        self._known: dict[K, V] = {}

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._known)

    def find(self, key: K) -> V | None:
        """Return what is remembered for ``key``."""
        value = self._known.pop(key, None)
        if value is not None:
            self._known[key] = value
        return value

    def put(self, key: K, value: V) -> V:
        """Remember ``value``, which is not None, for ``key``, forget the oldest if there are too many; return it."""
        self._known.pop(key, None)
        self._known[key] = value
        if len(self._known) > self._size:
            del self._known[next(iter(self._known))]
        return value

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return what is remembered for ``key``, or else what ``make`` gives, remembered."""
        value = self.find(key)
        return self.put(key, make()) if value is None else value
