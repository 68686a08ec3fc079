"""Places: from where a request comes, told by the socket that it came in by.

Nothing that a node sends says who it is. Each listening socket has an address of its
own and is bound to its network device, so a request that is accepted on it came over
that device's VLAN, and nowhere does the machine route between them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.daemon.settings import AirlockListener, EnclaveListener, Settings
from reconciler.errors.taxonomy import TransientError

_BACKLOG = 64
_SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Airlock:
    """The airlock of one node: whoever calls from here is that node, or something plugged in in its place."""

    node: str

    def __str__(self) -> str:
        """Return what log lines call it."""
        return f"airlock/{self.node}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveNetwork:
    """An enclave's network: whoever calls from here was admitted, and only its session says which node it is."""

    network: str

    def __str__(self) -> str:
        """Return what log lines call it."""
        return f"network/{self.network}"


Place = Airlock | EnclaveNetwork
Locate = Callable[[Mapping[str, Any]], Place]


def places(listeners: Iterable[AirlockListener | EnclaveListener]) -> Mapping[str, Place]:
    """Return the place of each local address."""
    return {
        str(listener.address): Airlock(node=listener.node)
        if isinstance(listener, AirlockListener)
        else EnclaveNetwork(network=listener.network)
        for listener in listeners
    }


def listen(settings: Settings, *, port: int, kinds: tuple[str, ...]) -> list[socket.socket]:
    """Return a listening socket on ``port`` for every listener of these kinds, bound to its device."""
    opened: list[socket.socket] = []
    try:
        for listener in settings.listeners:
            if listener.kind in kinds:
                opened.append(_listen(str(listener.address), port=port, interface=listener.interface))
    except OSError as error:
        for each in opened:
            each.close()
        raise TransientError(
            f"listener {listener.address}",
            f"cannot be opened: {error.strerror}",
            reason="ListenerUnavailable",
            hint="are the address and the interface there, and may this process use them?",
        ) from error
    return opened


def _listen(address: str, *, port: int, interface: str | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if interface is not None:
            found.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")
        found.bind((address, port))
        found.listen(_BACKLOG)
        found.settimeout(0)
    except OSError:
        found.close()
        raise
    return found
