"""The commands that read the record: audit and explain."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.cli.audit_answers import At, Between, OfCommit, OfEnclave, OfNode, ReportFile, parse_question
from reconciler.cli.operate import Output, Repository


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
    question = parse_question(
        at=at, between=between, node=node, enclave=enclave, commit=commit, is_wanted=report is not None
    )
    from reconciler.cli.archive import evidence_tip, open_archive, read_heads
    from reconciler.daemon.source import TrustedSource
    from reconciler.errors.taxonomy import InputError
    from reconciler.evidence.audit import Flaw
    from reconciler.evidence.audit import audit as audit_records
    from reconciler.repo.git import Git
    from reconciler.repo.reader import EvidenceReader

    git = Git(repo)
    sight = TrustedSource(git).refresh()
    tip = evidence_tip(git, sight.desired.repository.spec.evidence.branch)
    if tip is None:
        hint = "clone with all branches: git clone keeps them as origin/…"
        raise InputError("audit", "this clone has no evidence branch", reason="NoEvidence", hint=hint)
    reader = EvidenceReader(git, commit=tip)
    archive = open_archive(git, reader=reader, trusted=sight.desired.commit)
    found = audit_records(reader.statements(), archive=archive, heads=read_heads(reader), rounds=reader.rounds())
    signers = sight.signers.only(sight.desired.repository.spec.evidence.signers)
    rewritten = [Flaw(path=e.subject, code=e.reason, message=e.message) for e in reader.check_history(signers=signers)]
    flaws = rewritten + found.flaws
    document = {
        "evidence": tip,
        "trusted": sight.desired.commit,
        "records": len(found.records),
        "verdicts": found.verdicts,
        "flaws": [{"path": f.path, "code": f.code, "message": f.message} for f in flaws],
        "nodes": {name: head.phase.value for name, head in sorted(found.heads.items())},
    }
    text = _audit_text(document)
    if question is not None:
        from reconciler.cli.audit_report import Answer, Outcome, time_of_audit, write_report

        outcome = Outcome(
            repository=sight.desired.repository.metadata.name,
            trusted=sight.desired.commit,
            evidence=tip,
            flaws=flaws,
            verdicts=found.verdicts,
            blob=reader.blob,
            keys=archive.keys(sight.desired.commit),
        )
        answer = Answer(outcome, question, records=found.records)
        if report is not None:
            write_report(report, answer.to_html(git, at=time_of_audit(os.environ)))
        if output is Output.JSON:
            document |= answer.to_json()
        elif report is None or question.is_narrow:
            text += f"\n\n{answer.to_text()}"
    typer.echo(json.dumps(document, indent=2) if output is Output.JSON else text)
    if flaws:
        raise typer.Exit(3)


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
