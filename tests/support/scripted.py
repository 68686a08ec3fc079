"""An HTTPS server in this process whose every answer a test writes: for what real BMCs get wrong.

It knows no Redfish: ``answers`` maps a method and a path to what comes back, and ``asked`` has what was asked for.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.redfish import server_certificate

Answer = tuple[int, Any] | Callable[[BaseHTTPRequestHandler, Any], tuple[int, Any] | None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients go away in the middle here."""


class Scripted:
    """The server's handle; ``connections`` counts what was accepted."""

    def __init__(self) -> None:
        """Answer 404 to everything."""
        self.answers: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.port = 0
        self.connections = 0

    def told(self, method: str) -> list[tuple[str, Any]]:
        """Return the path and the body of what was asked with ``method``."""
        return [(path, body) for its, path, body in self.asked if its == method]


def _handler(scripted: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def setup(self) -> None:
            scripted.connections += 1
            super().setup()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = json.loads(body) if body else None
            scripted.asked.append((self.command, self.path, told))
            found = scripted.answers.get((self.command, self.path), (404, {}))
            answer = found(self, told) if callable(found) else found
            if answer is None:
                self.close_connection = True
                return
            status, document = answer
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - as http.server names them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def scripted_server(*, is_plain: bool = False) -> Iterator[Scripted]:
    """Give a server on a loopback port, with the certificate of ``tests.support.redfish`` unless ``is_plain``."""
    scripted = Scripted()
    server = _Server(("127.0.0.1", 0), _handler(scripted))
    scripted.port = int(server.server_address[1])
    if not is_plain:
        server.socket = wrapped(server.socket)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def wrapped(listening: socket.socket) -> socket.socket:
    """Return a listening socket with TLS, and the certificate of ``tests.support.redfish``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="rf-") as folder:
        files = [Path(folder) / name for name in ("certificate", "key")]
        for file, content in zip(files, server_certificate(), strict=True):
            file.write_bytes(content)
        context.load_cert_chain(*files)
    # The handshake is the handler thread's: one client that says nothing must not keep the others out.
    return context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
