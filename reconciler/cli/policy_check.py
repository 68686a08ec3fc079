"""``ringfence policy check``: which running nodes a changed policy, image or inventory would reject."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.operate import Output, Repository

if TYPE_CHECKING:
    from reconciler.evidence.rejudge import Outlook
    from reconciler.model.desired import DesiredState
    from reconciler.repo.git import Git


def check(
    policy: Annotated[
        str | None, typer.Argument(help="A policy's name, or a file that holds one. Default: all.")
    ] = None,
    repo: Repository = Path(),
    evidence: Annotated[
        Path | None, typer.Option(help="The repository with the evidence branch, if it is another one.")
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Judge every running node by POLICY, not only those that it is for.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Judge recorded evidence again under the folder as it lies there, committed or not. Nothing is changed.

    Exit code 1: a running node would be rejected, or nobody can tell.
    """
    from reconciler.evidence.rejudge import Fate
    from reconciler.repo.git import Git

    now, name = _edited(repo, policy)
    outlooks = _outlooks(Git(evidence or repo), now=now, policy=name, everyone=everyone)
    if output is Output.JSON:
        typer.echo(json.dumps([_document(outlook) for outlook in outlooks], indent=2))
    else:
        typer.echo(_text(outlooks))
    if any(outlook.fate in {Fate.REJECTED, Fate.UNKNOWN} for outlook in outlooks):
        raise typer.Exit(1)


def _edited(repo: Path, policy: str | None) -> tuple[DesiredState, str | None]:
    """Return the desired state as it lies in the folder, with the policy of a file put in, and that policy's name."""
    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.desired import load_desired
    from reconciler.repo.snapshot import read_directory

    snapshot = read_directory(repo)
    before = load_desired(snapshot)
    if policy is None or policy in before.policies:
        return before, policy
    file = Path(policy)
    if not file.is_file():
        known = ", ".join(sorted(before.policies))
        raise InputError(policy, "is neither a policy nor a file", reason="PolicyUnknown", hint=f"policies: {known}")
    place = _place_of(file, repo, known=before)
    now = load_desired(replace(snapshot, files={**snapshot.files, place: file.read_bytes()}))
    added = [name for name in now.policies if now.policies[name] != before.policies.get(name)]
    return now, PurePath(place).stem if PurePath(place).stem in now.policies else next(iter(added), None)


def _place_of(file: Path, repo: Path, *, known: DesiredState) -> str:
    """Return where in the repository a file's policy stands, or would stand."""
    if file.resolve().is_relative_to(repo.resolve()):
        return file.resolve().relative_to(repo.resolve()).as_posix()
    stem = file.stem if file.stem in known.policies else f"{file.stem}-tried"
    return f"policies/{stem}.yaml"


def _outlooks(git: Git, *, now: DesiredState, policy: str | None, everyone: bool) -> list[Outlook]:
    from reconciler.cli.archive import evidence_tip, open_archive, read_heads, records_on
    from reconciler.cli.outlooks import judge_again, newest_accepted
    from reconciler.daemon.source import TrustedSource
    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.reader import EvidenceReader

    sight = TrustedSource(git).refresh()
    tip = evidence_tip(git, sight.desired.repository.spec.evidence.branch)
    if tip is None:
        hint = "point --evidence at a clone that has it"
        raise InputError("policy check", "there is no evidence branch", reason="NoEvidence", hint=hint)
    reader = EvidenceReader(git, commit=tip)
    archive = open_archive(git, blob=reader.blob, trusted=sight.desired.commit)
    newest = newest_accepted(records_on(git, reader, desired=sight.desired), heads=read_heads(reader))
    chosen = [
        record
        for record in newest
        if not policy
        or everyone
        or ((enclave := now.enclaves.get(record.enclave or "")) is not None and enclave.spec.policy == policy)
    ]
    return [judge_again(record, archive=archive, now=now, policy=policy if everyone else None) for record in chosen]


def _document(outlook: Outlook) -> dict[str, Any]:
    reasons = [
        {name: value for name in reason.__slots__ if (value := getattr(reason, name)) is not None}
        for reason in outlook.reasons
    ]
    return {
        "node": outlook.node,
        "enclave": outlook.enclave,
        "record": outlook.sequence,
        "fate": outlook.fate.value,
        "note": outlook.note,
        "reasons": reasons,
    }


def _text(outlooks: list[Outlook]) -> str:
    from reconciler.attest.explain import explain

    if not outlooks:
        return "no running node is judged by it"
    lines = []
    for outlook in outlooks:
        note = f": {outlook.note}" if outlook.note else ""
        lines.append(f"{outlook.node} ({outlook.enclave}) {outlook.fate.value}{note}")
        lines += [f"  {line}" for line in explain(outlook.reasons).splitlines()]
    return "\n".join(lines)
