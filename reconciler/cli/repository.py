"""The commands that work on a state repository and nothing else: init, validate, schema."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.operate import Output, Repository


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
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 for warnings as well.")] = False,
    commit: Annotated[
        str | None,
        typer.Option(help="Check this commit instead, for errors only: a branch, a tag or an id."),
    ] = None,
) -> None:
    """Check the state repository as it lies in the folder, committed or not.

    Errors refuse the repository; warnings are what is allowed and looks like a mistake.
    """
    from reconciler.cli.error_text import finding_lines
    from reconciler.errors.taxonomy import Finding, InputError
    from reconciler.repo.cache import cache_folder, open_cache
    from reconciler.repo.git import Git
    from reconciler.repo.valid import check_commit, check_folder

    found: list[Finding] = []
    cache = open_cache(cache_folder(os.environ))
    try:
        if commit:
            counts = check_commit(Git(repo), commit, cache=cache)
        else:
            counts = check_folder(repo, cache=cache, doubts=found)
        summary = f"valid: {counts.nodes} nodes, {counts.enclaves} enclaves"
    except InputError as error:
        if not error.findings:
            raise
        found, summary = list(error.findings), ""
    finally:
        if cache:
            cache.close()
    if output is Output.JSON:
        rows = [{**asdict(finding), "place": finding.place} for finding in found]
        typer.echo(json.dumps({"valid": bool(summary), "findings": rows}, indent=2))
    else:
        if found:
            typer.echo("\n".join(finding_lines(found)), err=True)
        if summary:
            typer.echo(summary + (f", {len(found)} warning{'s'[: len(found) > 1]}" if found else ""))
    if not summary or (strict and found):
        raise typer.Exit(InputError.exit_code)


def schema(out: Annotated[Path, typer.Option(help="Folder for the JSON Schemas.")] = Path("schemas")) -> None:
    """Write the JSON Schema of every kind."""
    from reconciler.repo.schema import write_schemas

    write_schemas(out)


COMMANDS: tuple[Callable[..., None], ...] = (init, validate, schema)
