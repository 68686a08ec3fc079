"""The wire port: frames out of this machine's own interfaces, and what comes in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol


class Wires(Protocol):
    """Interfaces of this machine. Nothing is sent but what is asked for, and no interface is configured."""

    def open(self, interfaces: Collection[str]) -> Mapping[str, str]:
        """Listen on ``interfaces`` from here on; return the hardware address of each, empty if it cannot be heard.

        An interface that is not there, or down, cannot be. InputError: there is no leave to.
        """
        ...

    def send(self, frames: Iterable[tuple[str, bytes]]) -> None:
        """Put frames (interface, bytes) on the wire, in order and not faster than switches forward them."""
        ...

    def listen(self, seconds: float, *, until: Collection[tuple[str, str]] = ()) -> Mapping[str, frozenset[str]]:
        """Listen for ``seconds``, or until all of ``until`` (interface, mark) came in.

        Returns the marks of all that came in since the last call, by interface. A mark is 32 hexadecimal digits after
        the word RINGFENCE, anywhere in a frame. DeviceError ``WireDown``: an interface was down meanwhile, and its
        silence is none.
        """
        ...

    def close(self) -> None:
        """Stop listening."""
        ...
