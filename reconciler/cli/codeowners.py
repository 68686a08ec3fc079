"""``ringfence codeowners``: the trust rules as forges read them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.operate import Repository
from reconciler.errors.taxonomy import Finding, InputError


class ForgeKind(StrEnum):
    """Whose form it takes; Forgejo reads Gitea's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"


def codeowners(
    repo: Repository = Path(),
    kind: Annotated[ForgeKind, typer.Option(help="Which forge reads it; for Forgejo: gitea.")] = ForgeKind.GITHUB,
    check: Annotated[bool, typer.Option("--check", help="Print nothing; fail if a file is not as it must be.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the files of all forges instead.")] = False,
) -> None:
    """Print a CODEOWNERS file that matches the trust rules of the state repository."""
    from reconciler.repo.codeowners import HANDLES, PLACES, files_for
    from reconciler.repo.layout import REPOSITORY

    made = files_for({name: (repo / name).read_bytes() for name in (REPOSITORY, HANDLES) if (repo / name).is_file()})
    if check:
        # A forge that is not used needs no file; one that is there must be right.
        stale = [path for path, content in made.items() if (repo / path).is_file() and _differs(repo / path, content)]
        if stale:
            hint = "ringfence codeowners --write, then commit"
            findings = tuple(
                Finding(path=path, code="StaleOwners", message="does not match the trust rules", hint=hint)
                for path in stale
            )
            raise InputError(stale[0], "does not match the rules", reason="StaleOwners", hint=hint, findings=findings)
    elif write:
        for path, content in made.items():
            (repo / path).parent.mkdir(exist_ok=True)
            (repo / path).write_bytes(content)
    else:
        typer.echo(made[PLACES[kind.value]].decode(), nl=False)


def _differs(path: Path, content: bytes) -> bool:
    return path.read_bytes() != content


COMMANDS: tuple[Callable[..., None], ...] = (codeowners,)
"""What ``ringfence`` takes from here."""
