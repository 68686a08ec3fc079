"""Connections of strangers: bounded in number per caller, and in how long they may dawdle.

One airlock's node must not take the service away from the others. Not bounded here: TLS
handshakes under way, which the event loop itself ends after a minute.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

CONNECTIONS_PER_CALLER = 16
_TICK_S = 30.0
_IDLE_TICKS = 3
_BUSY_TICKS = 40


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which closes what is too many, too idle or too slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Begin like uvicorn does."""
        super().__init__(*args, **kwargs)
        self._watch: asyncio.TimerHandle | None = None
        self._watched: object = None
        self._ticks = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless its caller has too many already."""
        super().connection_made(transport)
        place, caller = self._ends(self)
        same = sum(1 for other in self.connections if self._ends(other) == (place, caller))
        if same > CONNECTIONS_PER_CALLER:
            transport.abort()
            return
        self._watch = self.loop.call_later(_TICK_S, self._tick)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _tick(self) -> None:
        """Close a connection whose request has not come, or not ended, for too long."""
        cycle: RequestResponseCycle | None = self.cycle
        is_busy = cycle is not None and not cycle.response_complete
        now = cycle if is_busy else None
        self._ticks = self._ticks + 1 if now is self._watched else 0
        self._watched = now
        if self._ticks >= (_BUSY_TICKS if is_busy else _IDLE_TICKS):
            self.transport.abort()
            return
        self._watch = self.loop.call_later(_TICK_S, self._tick)

    @staticmethod
    def _ends(connection: Any) -> tuple[object, object]:  # noqa: ANN401 - one of uvicorn's protocols
        server, client = connection.server, connection.client
        return server and server[0], client and client[0]
