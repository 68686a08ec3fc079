"""A program that puts frames on this machine's interfaces and tells which marks come in. Standard library only.

Each line of standard input is one order in JSON, answered by one line: ``open`` (interfaces), ``send`` (pairs of
interface and frame, in hexadecimal), ``listen`` (seconds; ``until`` are pairs of interface and mark). It runs in the
network namespace of the interfaces and ends with its standard input. Interfaces are heard in promiscuous mode. Not
told: which tags a frame came in with; the kernel takes them off before it hands a frame over.
"""

from __future__ import annotations

import errno
import json
import re
import select
import socket
import struct
import sys
import time
from typing import Any

_FOUND = re.compile(rb"RINGFENCE([0-9a-f]{32})")
_EVERYTHING = 0x0003
_OUTGOING = 4
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_BUFFER = 1 << 22
_GROUP = 48
_PAUSE_S = 0.004
"""So many frames, then a pause: some ten thousand a second, which a software switch forwards without loss."""


class Worker:
    """Sockets on interfaces, and the marks that came in and were not told yet."""

    def __init__(self) -> None:
        """Listen nowhere yet."""
        self._sockets: dict[str, socket.socket] = {}
        self._heard: dict[str, set[str]] = {}

    def open(self, names: list[str]) -> dict[str, Any]:
        """Listen on the interfaces ``names`` and no others."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets, self._heard = {}, {}
        addresses: dict[str, str] = {}
        for name in names:
            try:
                self._sockets[name], addresses[name] = _listen_on(name)
            except OSError as error:
                if error.errno in {errno.EPERM, errno.EACCES}:
                    return {"refused": error.strerror}
        return {"addresses": addresses}

    def send(self, frames: list[list[str]]) -> dict[str, Any]:
        """Send frames; those of an interface that is not there are lost."""
        for start in range(0, len(frames), _GROUP):
            for name, data in frames[start : start + _GROUP]:
                if name in self._sockets:
                    try:
                        self._sockets[name].send(bytes.fromhex(data))
                    except OSError:
                        continue
            self._take(_PAUSE_S)
            time.sleep(_PAUSE_S)
        return {}

    def listen(self, seconds: float, until: list[list[str]]) -> dict[str, Any]:
        """Listen, and tell what came in."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if until and all(mark in self._heard.get(name, ()) for name, mark in until):
                break
            self._take(min(left, 0.05))
        self._take(0)
        heard, self._heard = {name: sorted(marks) for name, marks in self._heard.items()}, {}
        return {"heard": heard}

    def _take(self, wait_s: float) -> None:
        ready, _, _ = select.select(list(self._sockets.values()), [], [], wait_s)
        for name, opened in self._sockets.items():
            while opened in ready:
                try:
                    data, origin = opened.recvfrom(2048, socket.MSG_DONTWAIT)
                except OSError:
                    break
                marks = {found.decode() for found in _FOUND.findall(data)} if origin[2] != _OUTGOING else set()
                if marks:
                    self._heard.setdefault(name, set()).update(marks)


def _listen_on(name: str) -> tuple[socket.socket, str]:
    """Return a socket on an interface, and the interface's address."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        opened.bind((name, _EVERYTHING))
        membership = struct.pack("iHH8s", socket.if_nametoindex(name), _PROMISCUOUS, 0, b"")
        opened.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
        address = bytes(opened.getsockname()[4])[:6]
    except OSError:
        opened.close()
        raise
    return opened, address.hex(":")


def main() -> None:
    """Answer orders until there are no more."""
    worker = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        if "open" in order:
            answer = worker.open(order["open"])
        elif "send" in order:
            answer = worker.send(order["send"])
        else:
            answer = worker.listen(order["listen"], order["until"])
        print(json.dumps(answer), flush=True)  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
