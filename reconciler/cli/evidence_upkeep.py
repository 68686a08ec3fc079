"""The command that keeps the objects behind the evidence branch in order."""

from __future__ import annotations

from pathlib import Path

import typer

from reconciler.cli.operate import Repository


def pack(repo: Repository = Path()) -> None:
    """Join the packs of the repository, and remove what dead processes left; no object is dropped.

    The daemon does a part of this by itself. It may be run beside it.
    """
    from reconciler.repo.git import Git
    from reconciler.repo.upkeep import Upkeep

    upkeep = Upkeep(Git(repo))
    before = upkeep.size()
    packs = upkeep.run(is_asked=True)
    typer.echo(f"{packs} packs, {upkeep.size() / 1e6:,.1f} MB; before it were {before / 1e6:,.1f} MB")
