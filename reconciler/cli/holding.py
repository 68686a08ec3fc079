"""The commands that hold changes back, each as a signed commit: suspend, resume, freeze, unfreeze."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.operate import Repository, SettingsFile
from reconciler.cli.signing_key import Key, chosen_key

Subject = Annotated[str, typer.Argument(metavar="enclave/NAME")]


def suspend(subject: Subject, repo: Repository = Path(), settings: SettingsFile = None, key: Key = None) -> None:
    """Keep an enclave as it is: nobody joins, leaves or restarts; members are held to their proofs all the same."""
    from reconciler.repo.holding import suspend_enclave

    commit = suspend_enclave(repo, name=_enclave(subject), signing_key=chosen_key(key, settings=settings))
    _say(commit, did=f"{subject} is suspended", already=f"{subject} is suspended already")


def resume(subject: Subject, repo: Repository = Path(), settings: SettingsFile = None, key: Key = None) -> None:
    """Let a suspended enclave go on."""
    from reconciler.repo.holding import resume_enclave

    commit = resume_enclave(repo, name=_enclave(subject), signing_key=chosen_key(key, settings=settings))
    _say(commit, did=f"{subject} goes on", already=f"{subject} is not suspended")


def freeze(
    reason: Annotated[str, typer.Option(help="Why; it stands in the commit and in every plan.")],
    repo: Repository = Path(),
    settings: SettingsFile = None,
    key: Key = None,
) -> None:
    """Hold every change of the whole repository. Trust is withdrawn all the same."""
    from reconciler.repo.holding import freeze_repository

    commit = freeze_repository(repo, reason=reason, signing_key=chosen_key(key, settings=settings))
    _say(commit, did="the repository is frozen", already="the repository is frozen for that reason already")


def unfreeze(repo: Repository = Path(), settings: SettingsFile = None, key: Key = None) -> None:
    """Take the freeze away."""
    from reconciler.repo.holding import unfreeze_repository

    commit = unfreeze_repository(repo, signing_key=chosen_key(key, settings=settings))
    _say(commit, did="the repository goes on", already="the repository is not frozen")


def _enclave(subject: str) -> str:
    from reconciler.errors.taxonomy import InputError, cut

    kind, _, name = subject.partition("/")
    if kind != "enclave" or not name:
        hint = "write enclave/NAME; to hold everything: ringfence freeze --reason '…'"
        raise InputError(cut(subject), "cannot be suspended", reason="SubjectUnknown", hint=hint)
    return name


def _say(commit: str | None, *, did: str, already: str) -> None:
    typer.echo(already if commit is None else f"{did} as of commit {commit[:12]}")


COMMANDS: tuple[Callable[..., None], ...] = (suspend, resume, freeze, unfreeze)
