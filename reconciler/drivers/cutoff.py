"""A hard end for blocking calls over sockets: at the deadline the sockets are shut down, and whoever waits wakes up.

A time-out of a socket counts anew with every byte, so a peer that trickles holds its caller for ever; this does not.
Names are looked up before there is a socket: that part ends when the resolver gives up.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self


class Cutoff:
    """A deadline of ``seconds`` from entering it; may be used once."""

    def __init__(self, seconds: float) -> None:
        """Begin to count when entered."""
        self._seconds = seconds
        self._end_s = 0.0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        """Start the clock."""
        self._end_s = time.monotonic() + self._seconds
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the clock; sockets are their owners' to close."""
        self._timer.cancel()

    @property
    def left_s(self) -> float:
        """Return how many seconds are left, 0 at the end."""
        return max(0.0, self._end_s - time.monotonic())

    def guard(self, connection: socket.socket) -> None:
        """Shut ``connection`` down at the deadline, or now if that has passed."""
        with self._lock:
            self._sockets.append(connection)
        if self.left_s == 0.0:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            cut, self._sockets = self._sockets, []
        for connection in cut:
            with contextlib.suppress(OSError):  # It is closed already.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # Below TLS, whose own state is its reader's.
