"""The commands that work on a state repository and nothing else: init, validate, schema."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.operate import Repository


def init(
    path: Annotated[Path, typer.Argument(help="A folder that is empty or does not exist yet.")],
    signer: Annotated[list[Path], typer.Option(help="Public SSH key of somebody who may change everything.")],
    evidence_signer: Annotated[list[Path], typer.Option(help="Public SSH key that evidence is signed with.")],
) -> None:
    """Make a state repository from the template, with a signed first commit."""
    from reconciler.repo.template import create_repository

    commit = create_repository(path, signers=signer, evidence_signers=evidence_signer)
    typer.echo(f"state repository {path}, pinned at its root {commit[:12]}")


def validate(
    repo: Repository = Path(),
    commit: Annotated[
        str | None, typer.Option(help="Check this commit instead of the folder: a branch, a tag or an id.")
    ] = None,
) -> None:
    """Check the state repository as it lies in the folder, committed or not."""
    from reconciler.repo.cache import cache_folder, open_cache
    from reconciler.repo.git import Git
    from reconciler.repo.valid import check_commit, check_folder

    cache = open_cache(cache_folder(os.environ))
    try:
        counts = check_commit(Git(repo), commit, cache=cache) if commit else check_folder(repo, cache=cache)
    finally:
        if cache:
            cache.close()
    typer.echo(f"valid: {counts.nodes} nodes, {counts.enclaves} enclaves")


def schema(out: Annotated[Path, typer.Option(help="Folder for the JSON Schemas.")] = Path("schemas")) -> None:
    """Write the JSON Schema of every kind."""
    from reconciler.repo.schema import write_schemas

    write_schemas(out)


COMMANDS: tuple[Callable[..., None], ...] = (init, validate, schema)
