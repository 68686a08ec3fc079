"""Blocking port calls side by side: structured, limited, or one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
R = TypeVar("R")


def map_all(call: Callable[[T], R], items: Sequence[T], *, workers: int) -> list[R]:
    """Return ``call`` of each item, in the order of ``items``; at most ``workers`` at once, 1 means in turn."""
    if workers == 1 or len(items) <= 1:
        return [call(item) for item in items]
    return anyio.run(_map_all, call, items, workers)


async def _map_all(call: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    limiter = anyio.CapacityLimiter(workers)
    results: dict[int, R] = {}

    async def one(index: int, item: T) -> None:
        results[index] = await anyio.to_thread.run_sync(partial(call, item), limiter=limiter)

    async with anyio.create_task_group() as group:
        for index, item in enumerate(items):
            group.start_soon(one, index, item)
    return [results[index] for index in range(len(items))]
