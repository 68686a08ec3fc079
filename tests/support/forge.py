"""A forge on loopback: comments and commit statuses, as GitHub, GitLab and Gitea serve them.

Modelled, by their public documentation:
- GitHub, "REST API endpoints for issue comments" and "REST API endpoints for commit statuses" (docs.github.com/rest):
  paths below ``/repos/OWNER/NAME``, ``Authorization: Bearer``, ``per_page`` and ``page`` with a ``Link`` header, 404
  for what one may not see, 422 for a text of more than 65,536 characters or a state that it does not know;
- GitLab, "Notes API" and "Commits API" (docs.gitlab.com/api): paths below ``/projects/ID`` with the project's path
  quoted, ``PRIVATE-TOKEN``, ``x-next-page``, system notes among the others, ``failed`` for ``failure``, and 400 for a
  status that is set to what it is;
- Gitea and Forgejo, the instance's own ``/api/swagger``: paths as GitHub's, ``Authorization: token``, and all comments
  of an issue at once.
Each can be told to answer the next calls with an error (429 with ``Retry-After``, 5xx, a redirect, a page instead of
JSON), or to cut the line. ``calls`` is what it was asked.

Not modelled: Markdown, notifications, editing rights finer than "the token may", webhooks, conditional requests, rate
limits that are counted, review comments, GitHub's checks, other versions' differences.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "INSECURE-test-forge-token"  # noqa: S105  # for the stand-in only
PROJECT = "acme/state"
CHANGE = 7
COMMIT = "c0ffee" + "0" * 34
OURS = "ringfence-bot"
_STATES = {
    "github": {"error", "failure", "pending", "success"},
    "gitea": {"error", "failure", "pending", "success", "warning"},
    "gitlab": {"pending", "running", "success", "failed", "canceled"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What the next call gets instead of an answer; status 0 cuts the line."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"message": "trouble"}'


@dataclass(kw_only=True)
class StandIn:
    """One forge with one project, one pull request and one commit."""

    kind: str
    port: int = 0
    comments: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    tells_who: bool = True
    may_write: bool = True

    @property
    def url(self) -> str:
        """Return where its interface is."""
        return f"http://127.0.0.1:{self.port}{self._base}"

    @property
    def _base(self) -> str:
        return {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}[self.kind]

    def add(self, body: str, *, author: str = OURS, system: bool = False) -> int:
        """Put a comment there, as somebody would in a browser."""
        number = len(self.comments) + 1
        self.comments.append({"id": number, "author": author, "body": body, "system": system})
        return number

    def bodies(self) -> list[str]:
        """Return the text of every comment."""
        return [comment["body"] for comment in self.comments]

    def answer(self, method: str, target: str, headers: Any, document: Any) -> tuple[int, dict[str, str], Any]:  # noqa: ANN401  # JSON
        """Return what the forge says to one call."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if not self._is_known(headers):
            return 401, {}, {"message": "401 Unauthorized"}
        path = parts.path.removeprefix(self._base)
        if (method, path) == ("GET", "/user"):
            field_name = "username" if self.kind == "gitlab" else "login"
            return (200, {}, {field_name: OURS}) if self.tells_who else (403, {}, {"message": "not accessible"})
        if method != "GET" and not self.may_write:
            return 403, {}, {"message": "Resource not accessible by integration"}
        return self._route(method, path, query, document)

    def _is_known(self, headers: Any) -> bool:  # noqa: ANN401  # an HTTP message
        shown = {
            "github": headers.get("Authorization") == f"Bearer {TOKEN}",
            "gitea": headers.get("Authorization") == f"token {TOKEN}",
            "gitlab": headers.get("PRIVATE-TOKEN") == TOKEN,
        }
        return shown[self.kind]

    def _route(self, method: str, path: str, query: dict[str, str], document: Any) -> tuple[int, dict[str, str], Any]:  # noqa: ANN401  # JSON
        if self.kind == "gitlab":
            top = f"/projects/{PROJECT.replace('/', '%2F')}"
            listing, item = (
                f"{top}/merge_requests/{CHANGE}/notes",
                rf"{re.escape(top)}/merge_requests/{CHANGE}/notes/(\d+)",
            )
            change = "PUT"
        else:
            top = f"/repos/{PROJECT}"
            listing, item = f"{top}/issues/{CHANGE}/comments", rf"{re.escape(top)}/issues/comments/(\d+)"
            change = "PATCH"
        found = re.fullmatch(item, path)
        if path == listing and method == "GET":
            return self._listed(query)
        if path == listing and method == "POST":
            return self._written(None, document)
        if found and method == change and 0 < int(found[1]) <= len(self.comments):
            return self._written(int(found[1]), document)
        if unquote(path) == unquote(f"{top}/statuses/{COMMIT}") and method == "POST":
            return self._status(document)
        return 404, {}, {"message": "Not Found"}

    def _listed(self, query: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        shown = [self._shown(comment) for comment in self.comments]
        if self.kind == "gitea":
            return 200, {}, shown
        size, page = min(100, int(query.get("per_page", "30"))), int(query.get("page", "1"))
        part = shown[(page - 1) * size : page * size]
        has_more = page * size < len(shown)
        if self.kind == "gitlab":
            return 200, {"x-next-page": str(page + 1) if has_more else ""}, part
        return 200, {"Link": f'<{self.url}?page={page + 1}>; rel="next"'} if has_more else {}, part

    def _shown(self, comment: dict[str, Any]) -> dict[str, Any]:
        if self.kind == "gitlab":
            author = {"username": comment["author"]}
            return {"id": comment["id"], "body": comment["body"], "system": comment["system"], "author": author}
        return {"id": comment["id"], "body": comment["body"], "user": {"login": comment["author"]}}

    def _written(self, number: int | None, document: Any) -> tuple[int, dict[str, str], Any]:  # noqa: ANN401  # JSON
        body = document.get("body") if isinstance(document, dict) else None
        if not isinstance(body, str) or not body or len(body) > 65536:
            return 422, {}, {"message": "Validation Failed"}
        if number is None:
            number = self.add(body)
            return 201, {}, self._shown(self.comments[number - 1])
        self.comments[number - 1]["body"] = body
        return 200, {}, self._shown(self.comments[number - 1])

    def _status(self, document: Any) -> tuple[int, dict[str, str], Any]:  # noqa: ANN401  # JSON
        if not isinstance(document, dict) or document.get("state") not in _STATES[self.kind]:
            return 422 if self.kind != "gitlab" else 400, {}, {"message": "state does not have a valid value"}
        name = document.get("name" if self.kind == "gitlab" else "context")
        same = [status for status in self.statuses if status["name"] == name]
        if self.kind == "gitlab" and same and same[-1]["state"] == document["state"]:
            return 400, {}, {"message": f"Cannot transition status via :x from :{document['state']}"}
        if self.kind == "github" and len(document.get("description", "")) > 140:
            return 422, {}, {"message": "Validation Failed"}
        self.statuses.append({**document, "name": name})
        return 201, {}, {"id": len(self.statuses)}


@contextmanager
def standing_in(kind: str) -> Iterator[StandIn]:
    """Serve a stand-in of ``kind`` on loopback."""
    forge = StandIn(kind=kind)

    class Handler(_Handler):
        stand_in = forge

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """HTTP for one stand-in."""

    stand_in: StandIn

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.stand_in.calls.append(f"{self.command} {urlsplit(self.path).path}")
        if self.stand_in.troubles:
            trouble = self.stand_in.troubles.pop(0)
            if trouble.status == 0:
                self.close_connection = True
                return
            self._send(trouble.status, trouble.headers, trouble.body.encode())
            return
        document = json.loads(body) if body else None
        status, headers, answer = self.stand_in.answer(self.command, self.path, self.headers, document)
        self._send(status, headers, json.dumps(answer).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815  # the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named as in http.server
        """Say nothing."""
