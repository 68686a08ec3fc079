"""``ringfence forge``: what a pipeline tells its forge. For CI; the reconciler itself talks to no forge."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.errors.taxonomy import InputError

if TYPE_CHECKING:
    from reconciler.ports.forge import Forge

app = typer.Typer(name="forge", help="Show a plan on a pull request, from CI.", no_args_is_help=True)

_MAX_INPUT = 8 * 1024 * 1024
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BOTS = {"github": "github-actions[bot]", "gitea": "gitea-actions", "gitlab": ""}


class Kind(StrEnum):
    """Which forge it is; Forgejo speaks like Gitea."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


class Is(StrEnum):
    """What a status says."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


KindOption = Annotated[Kind, typer.Option(help="Which forge it is; for Forgejo: gitea.")]
Api = Annotated[str, typer.Option("--url", help="Its interface, as in: https://api.github.com")]
Project = Annotated[str, typer.Option(help="OWNER/NAME; for GitLab also the project's number.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the token, its owner's only.")]
TokenVariable = Annotated[str, typer.Option(help="Variable with the token, if no file is named.")]


@app.command()
def comment(
    *,
    kind: KindOption,
    url: Api,
    project: Project,
    change: Annotated[int, typer.Option(min=1, help="Number of the pull or merge request.")],
    file: Annotated[Path, typer.Option(help="The text, in Markdown; - is standard input.")],
    marker: Annotated[str, typer.Option(help="Which of our comments it is.")] = "plan",
    author: Annotated[str | None, typer.Option(help="Login that we comment as; by default it is asked for.")] = None,
    token_file: TokenFile = None,
    token_variable: TokenVariable = "RINGFENCE_FORGE_TOKEN",  # noqa: S107  # the name of a variable
) -> None:
    """Put a text on a pull request, in place of what was put there before."""
    from reconciler.drivers.forge.notice import post

    body = _text(file)
    forge = _connect(kind, url=url, project=project, token=_token(token_file, token_variable))
    ours = author or forge.whoami() or _BOTS[kind.value]
    if not ours:
        hint = "give --author with the login that the token belongs to"
        raise InputError("forge", "does not say who we are", reason="ForgeAuthor", hint=hint)
    typer.echo(f"comment {post(forge, change=change, body=body, marker=marker, author=ours)}")


@app.command()
def status(
    *,
    kind: KindOption,
    url: Api,
    project: Project,
    commit: Annotated[str, typer.Option(help="The commit, 40 hexadecimal digits.")],
    state: Annotated[Is, typer.Option(help="How it stands.")],
    context: Annotated[str, typer.Option(help="Which check it is.")] = "ringfence/plan",
    description: Annotated[str, typer.Option(help="A few words.")] = "",
    target: Annotated[str, typer.Option(help="Address of a page that tells more.")] = "",
    token_file: TokenFile = None,
    token_variable: TokenVariable = "RINGFENCE_FORGE_TOKEN",  # noqa: S107  # the name of a variable
) -> None:
    """Set the status of a commit."""
    from reconciler.ports.forge import State, Status

    if not _COMMIT.fullmatch(commit):
        hint = "git rev-parse HEAD gives it"
        raise InputError("commit", "is not 40 hexadecimal digits", reason="BadObjectId", hint=hint)
    said = Status(commit=commit, state=State(state.value), context=context, description=description, target=target)
    _connect(kind, url=url, project=project, token=_token(token_file, token_variable)).set_status(said)
    typer.echo(f"status {state.value}")


def _connect(kind: Kind, *, url: str, project: str, token: str) -> Forge:
    from reconciler.drivers.forge.projects import connect

    return connect(kind.value, base=url, project=project, token=token)


def _token(file: Path | None, variable: str) -> str:
    """Return the token; it is shown by nothing."""
    if file is not None:
        from reconciler.cli.remotes import read_token

        return read_token(file)
    token = os.environ.get(variable, "").strip()
    if not token or not token.isascii() or not token.isprintable():
        hint = f"set {variable}, or give --token-file; pipelines of forks get no token"
        raise InputError("token", "is missing", reason="ForgeToken", hint=hint)
    return token


def _text(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read(_MAX_INPUT) if str(file) == "-" else file.open("rb").read(_MAX_INPUT)
    except OSError as error:
        raise InputError(f"text {file}", f"cannot be read: {error.strerror}", reason="NoText") from error
    return data.decode("utf-8", "replace")
