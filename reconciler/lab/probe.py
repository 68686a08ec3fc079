"""What can be reached from a node's side of its switch port: the lab's own proof of isolation.

``probe`` asks whether an address answers; ``leaks`` whether a raw frame gets from one
node's cable to another's, untagged or under any VLAN tag. Both run as a short program
inside the lab (this module, started by its name), with sockets opened in the probes' namespaces.

A probe sees the wire. It does not prove that a node's firmware or kernel would answer.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import secrets
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence

from reconciler.errors.taxonomy import DeviceError, InputError, cut
from reconciler.lab import enter, lifecycle, process, topology
from reconciler.lab.layout import StateDir

_ETHERTYPE = 0x88B5
"""IEEE 802 local experimental Ethertype 1."""
_ETH_P_ALL = 0x0003
_CLONE_NEWNET = 0x40000000
_BROADCAST = b"\xff" * 6


class Reach(enum.StrEnum):
    """What came back: ``open`` a connection, ``answers`` something, ``silent`` nothing at all."""

    OPEN = "open"
    ANSWERS = "answers"
    SILENT = "silent"


def look(state: StateDir, node: str, *, target: str, port: int | None = None, timeout_s: float = 1.0) -> Reach:
    """Ask from ``node``'s cable whether ``target`` (an IPv4 address in a /24) answers ARP, and TCP on ``port``."""
    home = lifecycle.node_of(state, node).probe_namespace
    _check_address(target)
    argv = [sys.executable, "-m", "reconciler.lab.probe", "look", home, target, str(port or 0), f"{timeout_s:g}"]
    return Reach(_inside(state, argv, timeout_s=2 * timeout_s))


def probe(state: StateDir, node: str, target: str, port: int | None = None, timeout_s: float = 1.0) -> bool:
    """Say whether anything came back from ``target``; a refused connection is an answer too."""
    return look(state, node, target=target, port=port, timeout_s=timeout_s) is not Reach.SILENT


def leaks(state: StateDir, sender: str, receiver: str, *, timeout_s: float = 0.4) -> bool:
    """Say whether any broadcast frame sent from ``sender``'s cable shows up on ``receiver``'s.

    Frames are sent untagged, priority-tagged, and tagged with every VLAN that the lab uses.
    """
    homes = [lifecycle.node_of(state, name).probe_namespace for name in (sender, receiver)]
    nodes, _ = lifecycle.configuration(state)
    vlans = [0, topology.PARKING_VLAN, topology.ENCLAVE_VLAN, *(node.airlock_vlan for node in nodes)]
    argv = [sys.executable, "-m", "reconciler.lab.probe", "leaks", *homes, ",".join(map(str, vlans)), f"{timeout_s:g}"]
    return _inside(state, argv, timeout_s=timeout_s) == "leaks"


def _check_address(target: str) -> None:
    try:
        socket.inet_pton(socket.AF_INET, target)
    except OSError as error:
        raise InputError(f"address {target}", "is no IPv4 address", reason="LabAddressInvalid") from error


def _inside(state: StateDir, argv: Sequence[str], *, timeout_s: float) -> str:
    done = enter.call(state, argv, timeout_s=timeout_s + 10)
    if done.returncode:
        raise DeviceError("probe", cut(done.stderr), reason="LabProbeFailed")
    return done.stdout.strip()


def frames(vlans: Sequence[int], *, source: bytes, marker: bytes) -> list[bytes]:
    """Return broadcast frames that carry ``marker``: one untagged, one for each of ``vlans`` (IEEE 802.1Q)."""
    body = struct.pack("!H", _ETHERTYPE) + marker.ljust(46, b"\0")
    tags = [b"", *(struct.pack("!HH", 0x8100, vlan) for vlan in vlans)]
    return [_BROADCAST + source + tag + body for tag in tags]


def arp_request(*, source: bytes, sender: str, target: str) -> bytes:
    """Return an ARP request frame (RFC 826)."""
    head = _BROADCAST + source + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
    return head + source + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target) + bytes(18)


def is_arp_reply(frame: bytes, *, of: str) -> bool:
    """Say whether ``frame`` is an ARP reply in which ``of`` speaks for itself."""
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and frame[28:32] == socket.inet_aton(of)


def _move_into(namespace: str) -> None:
    """Move this process into a network namespace; sockets stay in the one they were opened in."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as handle:  # noqa: PTH123  # a descriptor is what is wanted
        if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise DeviceError(f"namespace {namespace}", os.strerror(ctypes.get_errno()), reason="LabNamespaceRefused")


def _wire(namespace: str) -> socket.socket:
    """Open a raw socket on a probe's interface; frames that others sent to others are seen too."""
    _move_into(namespace)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    wire.bind((topology.PROBE_INTERFACE, _ETH_P_ALL))
    return wire


def _receive(wire: socket.socket, *, deadline: float) -> bytes | None:
    """Return the next frame that came in on the wire, or None at ``deadline``."""
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([wire], [], [], left)
        if readable:
            frame, address = wire.recvfrom(2048)
            if address[2] != socket.PACKET_OUTGOING:
                return bytes(frame)
    return None


def _run_leaks(sender: str, receiver: str, vlans: Sequence[int], *, timeout_s: float) -> str:
    marker = secrets.token_bytes(16)
    with _wire(receiver) as ear, _wire(sender) as mouth:
        source = mouth.getsockname()[4]
        for frame in frames(vlans, source=source, marker=marker):
            mouth.send(frame)
        deadline = time.monotonic() + timeout_s
        while (heard := _receive(ear, deadline=deadline)) is not None:
            if marker in heard:
                return "leaks"
    return "tight"


def _answers_arp(namespace: str, *, sender: str, target: str, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    with _wire(namespace) as wire:
        request = arp_request(source=wire.getsockname()[4], sender=sender, target=target)
        # Twice: the very first frame after a retag may be lost while the switch learns.
        for until in (time.monotonic() + timeout_s / 2, deadline):
            wire.send(request)
            while (frame := _receive(wire, deadline=until)) is not None:
                if is_arp_reply(frame, of=target):
                    return True
    return False


def _run_look(namespace: str, target: str, port: int, *, timeout_s: float) -> Reach:
    prefix, _, _ = target.rpartition(".")
    own = f"{prefix}.{201 + (int(namespace[len('probe-n') :]) + 25 * ('-l' in namespace)) % 50}"
    _move_into(namespace)
    address = ["ip", "address", "{}", f"{own}/24", "dev", topology.PROBE_INTERFACE]
    process.run([part.format("replace") for part in address])
    try:
        if not _answers_arp(namespace, sender=own, target=target, timeout_s=timeout_s):
            return Reach.SILENT
        if port == 0:
            return Reach.ANSWERS
        with socket.socket() as client:
            client.settimeout(timeout_s)
            outcome = client.connect_ex((target, port))
        return Reach.OPEN if outcome == 0 else Reach.ANSWERS if outcome == errno.ECONNREFUSED else Reach.SILENT
    finally:
        process.run([part.format("del") for part in address])


def main(arguments: list[str]) -> int:
    """Run one probe; this is the part that runs inside the lab."""
    match arguments:
        case ["look", namespace, target, port, timeout]:
            print(_run_look(namespace, target, int(port), timeout_s=float(timeout)))  # noqa: T201
        case ["leaks", sender, receiver, vlans, timeout]:
            print(_run_leaks(sender, receiver, [int(v) for v in vlans.split(",")], timeout_s=float(timeout)))  # noqa: T201
        case _:
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
