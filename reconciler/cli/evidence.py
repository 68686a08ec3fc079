"""The commands that read the record: audit and explain."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.audit_answers import At, Between, OfCommit, OfEnclave, OfNode, ReportFile, parse_question
from reconciler.cli.operate import Output, Repository

_DEADLINE_S = 1800.0
"""A year of evidence is a large branch: git may take its time for a list of it."""


def audit(  # noqa: PLR0917  # one option each
    repo: Repository = Path(),
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", help="a signed tree head kept from before (a copy of checkpoints/latest); repeatable"),
    ] = None,
    at: At = None,
    between: Between = None,
    node: OfNode = None,
    enclave: OfEnclave = None,
    commit: OfCommit = None,
    report: ReportFile = None,
) -> None:
    """Read every record again, offline, and compute every verdict again. Needs a clone and nothing else.

    With --at, --between, --node, --enclave or --commit it also says who was in which enclave, running which image,
    proven how, holding which keys. Flaws come first, whatever is asked.
    """
    from reconciler.cli.audit_report import Asked
    from reconciler.cli.audit_text import ProgressLine, audit_document, audit_text, read_head
    from reconciler.cli.auditing import run_audit
    from reconciler.repo.git import Git

    is_reported = report is not None
    question = parse_question(at=at, between=between, node=node, enclave=enclave, commit=commit, is_wanted=is_reported)
    asked = None if question is None else Asked(question)
    git = Git(repo, deadline_s=_DEADLINE_S)
    kept = [read_head(path) for path in head or ()]
    with ProgressLine(sys.stderr) as line:
        take = None if asked is None else asked.take
        audited = run_audit(git, progress=line.show, heads=kept, take=take)
    with audited:
        document = audit_document(audited)
        text = audit_text(document)
        if asked is not None:
            answer = asked.answer(audited, sight=audited.sight)
            document |= answer.to_json()
            text += answer.to_text(is_reported=is_reported)
            if report is not None:
                answer.write_report(report, git=git, environment=os.environ)
    typer.echo(json.dumps(document, indent=2) if output is Output.JSON else text)
    if document["flaws"]:
        raise typer.Exit(3)


def explain(
    subject: Annotated[str, typer.Argument(help="node/NAME or enclave/NAME")],
    repo: Repository = Path(),
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Say where a node stands, or which nodes an enclave has, and why."""
    from reconciler.cli import explain as node
    from reconciler.cli import explain_enclave as enclave
    from reconciler.daemon.source import TrustedSource
    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.git import Git

    kind, _, name = subject.partition("/")
    git = Git(repo)
    sight = TrustedSource(git).refresh()
    names = {"node": sight.desired.nodes, "enclave": sight.desired.enclaves}.get(kind, {})
    if name not in names:
        first = [f"enclave/{each}" for each in sorted(sight.desired.enclaves)[:2]]
        known = ", ".join(first + [f"node/{each}" for each in sorted(sight.desired.nodes)[:3]])
        raise InputError(
            subject,
            "there is no such thing to explain",
            reason="SubjectUnknown",
            hint=f"try {known}" if known else "the desired state in force has no nodes and no enclaves yet",
        )
    explainer = enclave if kind == "enclave" else node
    found = explainer.document(git, sight, name)
    typer.echo(json.dumps(found, indent=2) if output is Output.JSON else explainer.text(found))


COMMANDS: tuple[Callable[..., None], ...] = (audit, explain)
