"""The commands that work on a state repository and nothing else: validate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from reconciler.cli.operate import Repository


def validate(repo: Repository = Path()) -> None:
    """Check the state repository as it lies in the folder, committed or not."""
    from reconciler.repo.desired import load_desired
    from reconciler.repo.snapshot import read_directory

    desired = load_desired(read_directory(repo))
    typer.echo(f"valid: {len(desired.nodes)} nodes, {len(desired.enclaves)} enclaves")


COMMANDS: tuple[Callable[..., None], ...] = (validate,)
