"""The commands that read the record: audit and explain."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.audit_answers import At, Between, OfCommit, OfEnclave, OfNode, ReportFile, parse_question
from reconciler.cli.operate import Output, Repository

if TYPE_CHECKING:
    from reconciler.cli.auditing import Audited


def audit(  # noqa: PLR0917  # one option each
    repo: Repository = Path(),
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
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
    from reconciler.cli.auditing import run_audit
    from reconciler.daemon.source import TrustedSource
    from reconciler.repo.git import Git

    question = parse_question(
        at=at, between=between, node=node, enclave=enclave, commit=commit, is_wanted=report is not None
    )
    git = Git(repo)
    sight = TrustedSource(git).refresh()
    if question is None:
        audited = run_audit(git, sight=sight)
        document, text = _document(audited), _audit_text(_document(audited))
    else:
        from reconciler.cli.audit_report import Asked, time_of_audit

        asked = Asked(question)
        audited = run_audit(git, sight=sight, take=asked.take)
        answer = asked.answer(audited, repository=sight.desired.repository.metadata.name)
        document, text = _document(audited) | answer.to_json(), _audit_text(_document(audited))
        if report is not None:
            answer.write_report(report, git=git, at=time_of_audit(os.environ))
        if report is None or question.is_narrow:
            text += f"\n\n{answer.to_text()}"
    typer.echo(json.dumps(document, indent=2) if output is Output.JSON else text)
    if audited.findings.flaws:
        raise typer.Exit(3)


def _document(audited: Audited) -> dict[str, Any]:
    found = audited.findings
    return {
        "evidence": audited.evidence,
        "trusted": audited.trusted,
        "records": len(found.records),
        "verdicts": found.verdicts,
        "flaws": [{"path": f.path, "code": f.code, "message": f.message} for f in found.flaws],
        "nodes": {name: head.phase.value for name, head in sorted(found.heads.items())},
    }


def _audit_text(document: dict[str, Any]) -> str:
    lines = [f"flaw: {f['path']}: {f['message']} [{f['code']}]" for f in document["flaws"]]
    lines.append(f"evidence {document['evidence'][:12]}, desired state {document['trusted'][:12]}")
    lines.append(f"{document['records']} records, {document['verdicts']} verdicts computed again")
    lines.append(f"{len(lines) - 2} flaws" if document["flaws"] else "everything holds")
    return "\n".join(lines)


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
