"""Tenant blue's service: what runs on the enclave's network, for the demonstration to reach.

``GET /`` answers ``blue service``; ``GET /jobs/NODE`` hands out a node's job (404: none);
``POST /results/NODE`` keeps what a node reports, up to 64 KiB, the latest one only. It
speaks to whoever is on the enclave's network: that this is only proven nodes is what
Ringfence is for.
"""

from __future__ import annotations

import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reconciler.lab import layout

_LIMIT = 64 * 1024
_TIMEOUT_S = 10.0
_ROUTE = re.compile(r"^/(jobs|results)/([a-z0-9-]{1,63})$")


class Handler(BaseHTTPRequestHandler):
    """One request; silent peers are dropped after ten seconds."""

    timeout = _TIMEOUT_S
    jobs: Path
    results: Path

    def _answer(self, status: HTTPStatus, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Answer ``/`` and ``/jobs/NODE``."""
        if self.path == "/":
            self._answer(HTTPStatus.OK, b"blue service\n")
            return
        route = _ROUTE.match(self.path)
        job = self.jobs / route[2] if route and route[1] == "jobs" else None
        if job is None or not job.is_file():
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self._answer(HTTPStatus.OK, job.read_bytes())

    def do_POST(self) -> None:
        """Keep the body of ``/results/NODE``."""
        route = _ROUTE.match(self.path)
        length = self.headers.get("Content-Length", "")
        if route is None or route[1] != "results":
            self._answer(HTTPStatus.NOT_FOUND)
        elif not length.isdecimal():
            self._answer(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > _LIMIT:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            layout.write_file(self.results / route[2], self.rfile.read(int(length)))
            self._answer(HTTPStatus.OK)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's own name for it
        """Log one line per request to standard error."""
        sys.stderr.write(f"{self.client_address[0]} {format % args}\n")


def server(address: str, *, port: int, jobs: Path, results: Path) -> ThreadingHTTPServer:
    """Return the service, bound and ready to serve."""
    handler = type("BoundHandler", (Handler,), {"jobs": jobs, "results": results})
    made = ThreadingHTTPServer((address, port), handler)
    made.daemon_threads = True
    return made


def main(arguments: list[str]) -> int:
    """Serve on ADDRESS PORT until killed."""
    state = layout.here()
    server(arguments[0], port=int(arguments[1]), jobs=state.jobs, results=state.results).serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
