"""The far ends of a switch's cables: a program that puts frames on wires and tells what comes out of others.

Run inside the switch's network namespace, with nothing but the standard library. Each line of standard input is one
exchange in JSON: ``send`` (pairs of wire and frame, in hexadecimal), ``listen`` (wires) and ``fence``, a pair of wires
that the switch connects. Frames carry a mark; the answer, one line of JSON, is which marks came out where. After every
few frames one is sent through the fence, twice, and waited for: what was sent before has then been dealt with.
Not told: which tags a frame came out with; the kernel takes them off before it hands a frame over.
"""

from __future__ import annotations

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

MARK = b"RINGFENCE"
_FOUND = re.compile(re.escape(MARK) + rb"([0-9]{8})")
_EVERYTHING = 0x0003
_OUTGOING = 4
_GROUP = 48
_FENCE_S = 10.0
_FENCE_MARK = "99999999"


def frame(source: str, destination: str, *, tags: Sequence[tuple[int, int]], mark: str) -> bytes:
    """Return a frame with ``tags`` (protocol and VLAN, the outer one first), marked with eight digits."""
    header = bytes.fromhex(destination.replace(":", "")) + bytes.fromhex(source.replace(":", ""))
    for protocol, vlan in tags:
        header += protocol.to_bytes(2, "big") + vlan.to_bytes(2, "big")
    return (header + (0x88B5).to_bytes(2, "big") + MARK + mark.encode()).ljust(64, b"\0")


class Wires:
    """Sockets on the far ends, and what was heard on each."""

    def __init__(self, names: Sequence[str]) -> None:
        """Open a socket on each wire that is there."""
        self.heard: dict[str, set[str]] = {name: set() for name in names}
        self._sockets: dict[str, socket.socket] = {}
        for name in names:
            subprocess.run(["ip", "link", "set", name, "up"], check=False, timeout=10, stderr=subprocess.DEVNULL)
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            try:
                opened.bind((name, _EVERYTHING))
            except OSError:
                opened.close()  # The forwarding plane is away, and its wires with it.
            else:
                self._sockets[name] = opened

    def send(self, name: str, data: bytes) -> None:
        """Put a frame on a wire; one that is not there takes none."""
        if name in self._sockets:
            try:
                self._sockets[name].send(data)
            except OSError:
                del self._sockets[name]

    def listen(self, wait_s: float) -> None:
        """Note what comes out within ``wait_s``, and what has come out already."""
        ready, _, _ = select.select(list(self._sockets.values()), [], [], wait_s)
        for name, opened in list(self._sockets.items()):
            while opened in ready:
                try:
                    data, origin = opened.recvfrom(2048, socket.MSG_DONTWAIT)
                except OSError:
                    break
                if origin[2] != _OUTGOING:
                    self.heard[name] |= {mark.decode() for mark in _FOUND.findall(data)}

    def pass_fence(self, fence: Sequence[str]) -> bool:
        """Send a frame from one wire of the fence to the other, and wait for it."""
        first, second = fence
        data = frame("02:00:00:00:fe:01", "ff:ff:ff:ff:ff:ff", tags=[], mark=_FENCE_MARK)
        end_s = time.monotonic() + _FENCE_S
        self.heard[second].discard(_FENCE_MARK)
        self.send(first, data)
        while _FENCE_MARK not in self.heard[second]:
            if time.monotonic() > end_s or first not in self._sockets:
                return False
            self.listen(0.2)
        return True

    def close(self) -> None:
        """Close the sockets."""
        for opened in self._sockets.values():
            opened.close()


def exchange(order: dict[str, list[list[str]]]) -> dict[str, object]:
    """Do one exchange and return what was heard where."""
    fence = [name for pair in order["fence"] for name in pair]
    wires = Wires([*(name for names in order["listen"] for name in names), *fence])
    passed = True
    for start in range(0, len(order["send"]), _GROUP):
        for name, data in order["send"][start : start + _GROUP]:
            wires.send(name, bytes.fromhex(data))
        wires.listen(0)
        passed = wires.pass_fence(fence) and wires.pass_fence(fence)
    wires.close()
    return {"passed": passed, "heard": {name: sorted(marks) for name, marks in wires.heard.items()}}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(exchange(json.loads(line))), flush=True)  # noqa: T201  # its answer
