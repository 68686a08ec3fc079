"""The commands about who may move metal: trust and approve."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.cli.operate import Output, Repository

_SHORT = 12


def trust(
    repo: Repository = Path(),
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Show the last trusted commit, the head, and what each commit in between lacks."""
    found = _document(repo)
    typer.echo(json.dumps(found, indent=2) if output is Output.JSON else _text(found))
    if found["pending"]:
        raise typer.Exit(3)


def approve(
    commit: Annotated[str, typer.Argument(help="The commit, or the branch whose newest commit is meant.")],
    repo: Repository = Path(),
    key: Annotated[Path | None, typer.Option(help="SSH key to sign with; by default user.signingKey.")] = None,
) -> None:
    """Put your name to somebody else's commit, by a signed tag."""
    from reconciler.repo.approving import approve as make_approval
    from reconciler.repo.git import Git

    name = make_approval(Git(repo), commit, key=key)
    typer.echo(f"approved: {name}\npush it: git push origin refs/tags/{name}")


def _document(repo: Path) -> dict[str, Any]:
    from datetime import UTC, datetime

    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.git import Git
    from reconciler.repo.recollection import judge_by_record

    git = Git(repo)
    branch = git.current_branch()
    head = git.head(branch) if branch else None
    if head is None:
        hint = "check out the branch that holds the desired state"
        raise InputError(f"repository {repo}", "has no commit to judge", reason="NoCommit", hint=hint)
    judgement = judge_by_record(git, head=head, now=datetime.now(UTC))
    trusted = judgement.trusted.commit if judgement.trusted else None
    chain = [commit for commit, _ in git.first_parents(head, past=trusted)] if judgement.refusals else []
    refused = {refusal.subject.removeprefix("commit ") for refusal in judgement.refusals}
    pending = [
        {
            "commit": commit,
            "lacks": [
                {"reason": refusal.reason, "message": refusal.message, "hint": refusal.hint}
                for refusal in judgement.refusals
                if place == 0 or refusal.subject == f"commit {commit[:_SHORT]}"
            ],
        }
        for place, commit in enumerate(_from_first(chain or [head], refused=refused) if judgement.refusals else [])
    ]
    return {"branch": branch, "head": head, "trusted": trusted, "pending": pending}


def _from_first(chain: list[str], *, refused: set[str]) -> list[str]:
    """Return the commits of ``chain`` from the first refused one on, all if it is not among them."""
    places = [place for place, commit in enumerate(chain) if commit[:_SHORT] in refused]
    return chain[places[0] :] if places else chain


def _text(found: dict[str, Any]) -> str:
    trusted = found["trusted"][:_SHORT] if found["trusted"] else "nothing"
    lines = [f"trusted  {trusted}", f"head     {found['head'][:_SHORT]}  {found['branch']}"]
    for pending in found["pending"]:
        short = pending["commit"][:_SHORT]
        if not pending["lacks"]:
            lines.append(f"pending  {short}  waits for the one before it")
        for lack in pending["lacks"]:
            lines += [f"pending  {short}  {lack['message']} [{lack['reason']}]", f"         hint: {lack['hint']}"]
    return "\n".join(lines)


COMMANDS: tuple[Callable[..., None], ...] = (trust, approve)
