"""A bell for those who wait for an answer: one cheap look at the spool for all of them.

It rings when the newest answer is another one than before. Whoever hears it looks for
an answer of its own; nothing is carried by the bell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from reconciler.drivers.spool.database import Database
from reconciler.errors.taxonomy import TransientError

_POLL_S = 0.01


class Bell:
    """Watches ``database``, a connection of its own."""

    def __init__(self, database: Database) -> None:
        """Remember nothing yet; ``watch`` must run."""
        self._database = database
        self._waiting: set[anyio.Event] = set()

    @contextmanager
    def listening(self) -> Iterator[anyio.Event]:
        """Give an event that is set at the next ring; listen first, then look, and nothing is missed."""
        event = anyio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    async def watch(self) -> None:
        """Ring for as long as this runs."""
        newest = -1
        while True:
            try:
                seen = self._newest()
            except TransientError:
                seen = newest  # The spool is busy; those who wait look for themselves at their deadline.
            if seen != newest:
                newest = seen
                for event in self._waiting:
                    event.set()
            await anyio.sleep(_POLL_S)

    def _newest(self) -> int:
        with self._database.read() as sql:
            found: int = sql.execute("SELECT coalesce(max(serial), 0) FROM answers").fetchone()[0]
        return found
