"""The commands that keep the evidence branch in order: its objects, and its years."""

from __future__ import annotations

from pathlib import Path

import typer

from reconciler.cli.operate import Repository, SettingsFile, open_workshop


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


def rotate(repo: Repository = Path(), settings: SettingsFile = None) -> None:
    """Close the year of the evidence branch, if a new one has begun; otherwise the first record of it does.

    The closed year stays as a branch of its own (evidence-2026), and the history goes on from it.
    """
    from reconciler.cli.remotes import print_trouble

    with open_workshop(repo, settings) as workshop:
        workshop.carry(print_trouble)
        workshop.source.refresh()
        workshop.source.hold()
        closing = workshop.source.ledger.rotate()
    typer.echo(f"closed with {closing[:12]}" if closing else "there is no year to close")
