"""GitHub, GitLab, and Gitea (Forgejo speaks the same): comments and statuses of one project.

Sources: docs.github.com, "REST API endpoints for issue comments" and "for commit statuses"; docs.gitlab.com, "Notes
API" and "Commits API"; docs.gitea.com, the instance's own ``/api/swagger``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from reconciler.drivers.forge.http import Wire
from reconciler.errors.taxonomy import DeviceError, InputError, cut
from reconciler.ports.forge import Comment, Forge, State, Status

_PAGE = 100
_MAX_PAGES = 50
_OWNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100}")
_LABEL_GITLAB = {State.FAILURE: "failed", State.ERROR: "failed"}


class GitHub:
    """A repository on GitHub, or on a server that speaks like it; ``project`` is ``owner/name``."""

    def __init__(self, wire: Wire, *, project: str) -> None:
        """Talk over ``wire``."""
        self._wire = wire
        self._path = f"/repos/{_owned(project)}"

    def whoami(self) -> str | None:
        """Return our login; a pipeline's own token may not ask."""
        return _login(self._wire, path="/user", field="login")

    def comments(self, change: int) -> Iterator[Comment]:
        """Return the comments, page by page."""
        for page in range(1, _MAX_PAGES + 1):
            query = {"per_page": _PAGE, "page": page}
            found = self._wire.call("GET", f"{self._path}/issues/{change}/comments", query=query).document
            yield from (_comment(each, author="user", login="login") for each in _listed(found))
            if len(_listed(found)) < _PAGE:
                return

    def create_comment(self, change: int, body: str) -> None:
        """Add a comment."""
        self._wire.call("POST", f"{self._path}/issues/{change}/comments", document={"body": body})

    def update_comment(self, change: int, comment: int, body: str) -> None:  # noqa: ARG002  # the port's
        """Replace a comment; ``change`` is not part of its address."""
        self._wire.call("PATCH", f"{self._path}/issues/comments/{comment}", document={"body": body})

    def set_status(self, status: Status) -> None:
        """Add a status; the newest of a context counts, so it may be sent twice."""
        document = {"state": status.state.value, "context": status.context, **_told(status, longest=140)}
        self._wire.call("POST", f"{self._path}/statuses/{status.commit}", document=document, is_repeatable=True)


class Gitea(GitHub):
    """A repository on Gitea or Forgejo: like GitHub, but the comments of one issue come all at once."""

    def comments(self, change: int) -> Iterator[Comment]:
        """Return the comments; what a page would hold is not asked, because older servers know no pages here."""
        found = self._wire.call("GET", f"{self._path}/issues/{change}/comments").document
        yield from (_comment(each, author="user", login="login") for each in _listed(found))


class GitLab:
    """A project on GitLab; ``project`` is its number or its whole path."""

    def __init__(self, wire: Wire, *, project: str) -> None:
        """Talk over ``wire``."""
        self._wire = wire
        self._path = f"/projects/{quote(project, safe='')}"

    def whoami(self) -> str | None:
        """Return our login; an access token of a project has one as well."""
        return _login(self._wire, path="/user", field="username")

    def comments(self, change: int) -> Iterator[Comment]:
        """Return the notes that people and programs wrote, page by page."""
        page = "1"
        for _ in range(_MAX_PAGES):
            query: dict[str, str | int] = {"per_page": _PAGE, "page": page, "order_by": "created_at", "sort": "asc"}
            answer = self._wire.call("GET", f"{self._path}/merge_requests/{change}/notes", query=query)
            notes = [note for note in _listed(answer.document) if not note.get("system")]
            yield from (_comment(each, author="author", login="username") for each in notes)
            page = answer.headers.get("x-next-page", "")
            if not page.isdecimal():
                return

    def create_comment(self, change: int, body: str) -> None:
        """Add a note."""
        self._wire.call("POST", f"{self._path}/merge_requests/{change}/notes", document={"body": body})

    def update_comment(self, change: int, comment: int, body: str) -> None:
        """Replace a note."""
        self._wire.call("PUT", f"{self._path}/merge_requests/{change}/notes/{comment}", document={"body": body})

    def set_status(self, status: Status) -> None:
        """Set a status; GitLab refuses to set the same one twice, which is then as it should be."""
        state = _LABEL_GITLAB.get(status.state, status.state.value)
        document = {"state": state, "name": status.context, **_told(status, longest=255)}
        try:
            self._wire.call("POST", f"{self._path}/statuses/{status.commit}", document=document, is_repeatable=True)
        except InputError as error:
            if "Cannot transition status" not in error.message:
                raise


KINDS: Mapping[str, Callable[..., Forge]] = {"github": GitHub, "gitlab": GitLab, "gitea": Gitea}
"""What ``--kind`` may say."""


def connect(kind: str, *, base: str, project: str, token: str, pause: Callable[[float], None] | None = None) -> Forge:
    """Return ``project`` on the forge of ``kind`` whose interface is at ``base``."""
    headers = {
        "github": {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        "gitlab": {"PRIVATE-TOKEN": token},
        "gitea": {"Authorization": f"token {token}"},
    }[kind]
    wire = Wire(base, headers=headers) if pause is None else Wire(base, headers=headers, pause=pause)
    return KINDS[kind](wire, project=project)


def _owned(project: str) -> str:
    if not _OWNED.fullmatch(project) or project.endswith(("/.", "/..")):
        hint = "write OWNER/NAME"
        raise InputError(f"project {cut(project)}", "is no name of a project", reason="ForgeProject", hint=hint)
    return project


def _told(status: Status, *, longest: int) -> dict[str, object]:
    target: dict[str, object] = {"target_url": status.target} if status.target else {}
    return {"description": cut(status.description)[:longest], **target}


def _login(wire: Wire, *, path: str, field: str) -> str | None:
    try:
        document = wire.call("GET", path).document
    except DeviceError as error:
        if "says 401" in error.message:
            raise  # The token is no good for anything; another call would only say so later.
        return None
    except InputError:
        return None
    login = document.get(field) if isinstance(document, dict) else None
    return login if isinstance(login, str) else None


def _listed(document: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # what json gives
    if isinstance(document, list) and all(isinstance(each, dict) for each in document):
        return document
    raise InputError("forge", "answers with something else than a list", reason="ForgeAnswer", hint="is --kind right?")


def _comment(found: dict[str, Any], *, author: str, login: str) -> Comment:
    writer = found.get(author)
    name = writer.get(login) if isinstance(writer, dict) else ""
    number, body = found.get("id"), found.get("body")
    if not isinstance(number, int):
        raise InputError("forge", "has a comment without a number", reason="ForgeAnswer", hint="is --kind right?")
    return Comment(id=number, author=name if isinstance(name, str) else "", body=body if isinstance(body, str) else "")
