"""A boot server that nobody should trust: it serves tampered images into airlocks.

``GET /boot.efi`` gives the image that ``lab tamper`` made for the node whose airlock the
request came in by; 404 where that node is not tampered with. It stands for whatever an
attacker on the provisioning network could do, and is there to be caught.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reconciler.lab import layout, topology
from reconciler.lab.topology import VirtualNode

_TIMEOUT_S = 30.0


def image_of(address: str, *, rogue: Path, nodes: Sequence[VirtualNode]) -> Path:
    """Return where the tampered image of the node behind an airlock's address is: 10.77.3.1 is the third node's."""
    names = {node.airlock_address: node.name for node in nodes}
    return rogue / f"{names.get(address, 'nobody')}.efi"


class Handler(BaseHTTPRequestHandler):
    """One request for an image."""

    timeout = _TIMEOUT_S
    protocol_version = "HTTP/1.1"
    rogue: Path
    nodes: Sequence[VirtualNode]

    def _head(self) -> Path | None:
        path = image_of(str(self.connection.getsockname()[0]), rogue=self.rogue, nodes=self.nodes)
        if self.path != "/boot.efi" or not path.is_file():
            self.send_response(HTTPStatus.NOT_FOUND)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/efi")
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        return path

    def do_HEAD(self) -> None:
        """Say how long the image is; UEFI asks first."""
        self._head()

    def do_GET(self) -> None:
        """Send the image."""
        path = self._head()
        if path is not None:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, self.wfile)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's own name for it
        """Log one line per request to standard error."""
        sys.stderr.write(f"{self.client_address[0]} {format % args}\n")


class Server(ThreadingHTTPServer):
    """Many requests at once; a peer that hangs up is one line in the log."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # the base class's own
        """Log what ended a connection: firmware hangs up when it has what it wants."""
        sys.stderr.write(f"{client_address} {type(sys.exc_info()[1]).__name__}\n")


def main(arguments: list[str]) -> int:
    """Serve on every address, on PORT, until killed."""
    state = layout.here()
    nodes = topology.of(layout.read_json(state.lab_file) or {"nodes": 0})
    handler = type("BoundHandler", (Handler,), {"rogue": state.rogue, "nodes": nodes})
    made = Server(("0.0.0.0", int(arguments[0])), handler)  # noqa: S104  # all airlocks, inside svc only
    made.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
