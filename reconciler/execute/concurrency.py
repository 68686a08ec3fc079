"""Blocking port calls side by side: structured, limited, or one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from reconciler.errors.taxonomy import RingfenceError

T = TypeVar("T")
R = TypeVar("R")


def run_group(function: Callable[..., Awaitable[R]], *arguments: Any) -> R:  # noqa: ANN401  # passed on
    """Return what ``function`` returns; errors of ours leave it as themselves, the first one, not as a group."""
    try:
        return anyio.run(function, *arguments)
    except BaseExceptionGroup as group:
        errors = group.subgroup(RingfenceError)
        if errors is None:
            raise
        raise errors.exceptions[0] from None


def map_all(call: Callable[[T], R], items: Sequence[T], *, workers: int) -> list[R]:
    """Return ``call`` of each item, in the order of ``items``; at most ``workers`` at once, 1 means in turn."""
    if workers == 1 or len(items) <= 1:
        return [call(item) for item in items]
    return run_group(_map_all, call, items, workers)


async def _map_all(call: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    limiter = anyio.CapacityLimiter(workers)
    results: dict[int, R] = {}

    async def one(index: int, item: T) -> None:
        results[index] = await anyio.to_thread.run_sync(partial(call, item), limiter=limiter)

    async with anyio.create_task_group() as group:
        for index, item in enumerate(items):
            group.start_soon(one, index, item)
    return [results[index] for index in range(len(items))]
