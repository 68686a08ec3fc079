"""A program that puts frames on this machine's interfaces and tells which marks come in. Standard library only.

Each line of standard input is one order in JSON, answered by one line: ``open`` (interfaces), ``send`` (pairs of
interface and frame, in hexadecimal), ``listen`` (seconds; ``until`` are pairs of interface and mark). It runs in the
network namespace of the interfaces and ends with its standard input. Interfaces are heard in promiscuous mode; one that
is down, or was since it was opened, is told as such, for its silence is none. Not told: which tags a frame came in
with; the kernel takes them off before it hands a frame over.
"""

from __future__ import annotations

import errno
import fcntl
import json
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

_FOUND = re.compile(rb"RINGFENCE([0-9a-f]{32})")
_EVERYTHING = 0x0003
_OUTGOING = 4
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_BUFFER = 1 << 22
_GET_FLAGS = 0x8913
_UP, _RUNNING = 0x1, 0x40
_LINK_EVENTS = 1
_LINK_TOLD, _LINK_GONE = 16, 17
_GROUP = 48
_PAUSE_S = 0.004
"""So many frames, then a pause: some ten thousand a second, which a software switch forwards without loss."""


class Worker:
    """Sockets on interfaces, and the marks that came in and were not told yet."""

    def __init__(self) -> None:
        """Listen nowhere yet."""
        self._sockets: dict[str, socket.socket] = {}
        self._heard: dict[str, set[str]] = {}
        self._lost: set[str] = set()
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._events.bind((0, _LINK_EVENTS))

    def open(self, names: list[str]) -> dict[str, Any]:
        """Listen on the interfaces ``names`` and no others."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets, self._heard = {}, {}
        self._note_links()  # What was told until now is past.
        self._lost = set()
        addresses: dict[str, str] = {}
        for name in names:
            try:
                opened, address = _listen_on(name)
            except OSError as error:
                if error.errno in {errno.EPERM, errno.EACCES}:
                    return {"refused": error.strerror}
                continue
            if _is_up(opened, name):
                self._sockets[name], addresses[name] = opened, address
            else:
                opened.close()
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
        self._note_links()
        return {"heard": heard, "down": sorted(self._lost)}

    def _note_links(self) -> None:
        """Take note of interfaces that lost their link since the last call, even if they have it again."""
        while True:
            try:
                told = self._events.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:  # Too many to be kept: any may have been among them.
                self._lost |= set(self._sockets)
                break
            lost = set(_lost_links(told))
            self._lost |= {name for name in self._sockets if _index(name) in lost | {None}}
        self._lost |= {name for name, opened in self._sockets.items() if not _is_up(opened, name)}

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


def _is_up(opened: socket.socket, name: str) -> bool:
    """Return whether the interface is switched on, and has a link."""
    try:
        answer = fcntl.ioctl(opened, _GET_FLAGS, struct.pack("16sH22x", name.encode(), 0))
    except OSError:
        return False
    flags = int(struct.unpack("16xH22x", answer)[0])
    return bool(flags & _UP and flags & _RUNNING)


def _index(name: str) -> int | None:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def _lost_links(told: bytes) -> Iterator[int]:
    """Yield the indices of interfaces that netlink messages (rtnetlink(7)) say have no link, or are gone."""
    at = 0
    while at + 32 <= len(told):
        length, kind = struct.unpack_from("=IH", told, at)
        index, flags = struct.unpack_from("=iI", told, at + 20)
        if kind == _LINK_GONE or (kind == _LINK_TOLD and not flags & _RUNNING):
            yield index
        at += max(16, (length + 3) & ~3)


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
