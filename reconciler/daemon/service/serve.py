"""The process ``ringfence serve``: both services on every listener, until it is told to stop.

Order: open the sockets, open the spool, serve, say on the spool that somebody listens
and repeat it every second; at the end say that nobody does. SIGTERM and SIGINT end it
cleanly, with running requests given a moment. It runs as one process with one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import Iterator, Mapping
from socket import socket
from typing import Any

import anyio
import uvicorn
from anyio.to_thread import run_sync
from starlette.routing import Route

from reconciler.daemon.service.attestation import AttestationService
from reconciler.daemon.service.bell import Bell
from reconciler.daemon.service.hardened import server_config
from reconciler.daemon.service.images import ImageService
from reconciler.daemon.service.journal import note
from reconciler.daemon.service.places import Place, listen, places
from reconciler.daemon.settings import Settings, TlsFiles
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.front import SpoolFront
from reconciler.errors.taxonomy import TransientError

_BEAT_S = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling (this process has two of them), and with a sign that it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Prepare to serve."""
        super().__init__(config)
        self.is_up = anyio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets=sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


def serve(settings: Settings) -> None:
    """Serve nodes until SIGTERM or SIGINT."""
    _raise_file_limit()
    by_address = places(settings.listeners)

    def locate(scope: Mapping[str, Any]) -> Place:
        return by_address[scope["server"][0]]

    images = listen(settings, port=settings.image_port, kinds=("airlock",))
    attestation = listen(settings, port=settings.attestation_port, kinds=("airlock", "enclave"))
    with contextlib.ExitStack() as stack:
        for each in (*images, *attestation):
            stack.callback(each.close)
        database = stack.enter_context(contextlib.closing(Database(settings.spool)))
        watched = stack.enter_context(contextlib.closing(Database(settings.spool)))
        front, bell = SpoolFront(database, images=settings.images), Bell(watched)
        served = [
            (_server(ImageService(front, locate=locate).routes()), images),
            (_server(AttestationService(front, bell=bell, locate=locate).routes(), tls=settings.tls), attestation),
        ]
        anyio.run(_run, served, front, bell)


async def _run(served: list[tuple[_Server, list[socket]]], front: SpoolFront, bell: Bell) -> None:
    servers = [server for server, _ in served]
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, _stop, servers)
    async with anyio.create_task_group() as everything:
        everything.start_soon(bell.watch)
        async with anyio.create_task_group() as serving:
            for server, sockets in served:
                serving.start_soon(server.serve, sockets)
            for server in servers:
                await server.is_up.wait()
            await run_sync(front.begin_listening)
            note("listening", listeners=sum(len(sockets) for _, sockets in served))
            everything.start_soon(_beat, front)
        everything.cancel_scope.cancel()
    await run_sync(front.end_listening)
    note("stopped")


async def _beat(front: SpoolFront) -> None:
    while True:
        await anyio.sleep(_BEAT_S)
        try:
            await run_sync(front.beat)
        except TransientError as error:
            note("beat", why=error.message)


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.should_exit = True


def _server(routes: list[Route], *, tls: TlsFiles | None = None) -> _Server:
    return _Server(server_config(routes, tls=tls, keep_alive_s=60))


def _raise_file_limit() -> None:
    """Allow this process as many descriptors as it may have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
