"""The commands that work on a state repository and nothing else: init, validate, schema."""

from __future__ import annotations

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


def validate(repo: Repository = Path()) -> None:
    """Check the state repository as it lies in the folder, committed or not."""
    from reconciler.repo.desired import load_desired
    from reconciler.repo.snapshot import read_directory

    desired = load_desired(read_directory(repo))
    typer.echo(f"valid: {len(desired.nodes)} nodes, {len(desired.enclaves)} enclaves")


def schema(out: Annotated[Path, typer.Option(help="Folder for the JSON Schemas.")] = Path("schemas")) -> None:
    """Write the JSON Schema of every kind."""
    from reconciler.repo.schema import write_schemas

    write_schemas(out)


COMMANDS: tuple[Callable[..., None], ...] = (init, validate, schema)
