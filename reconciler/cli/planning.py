"""The command ``plan``: what would be done, from a look at the site or from what was last seen of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.operate import Form, Repository, SettingsFile, open_workshop
from reconciler.errors.taxonomy import InputError, RingfenceError

if TYPE_CHECKING:
    from reconciler.cli.proposal import Base, Proposal
    from reconciler.daemon.source import Sight
    from reconciler.model.desired import DesiredState
    from reconciler.model.record import Head
    from reconciler.model.recorded import RecordedObservation
    from reconciler.plan.plan import Plan

CHANGES = 2
_LIVE = "Look at the site now (the default where there are settings), or use what the reconciler recorded last."


def plan(  # noqa: PLR0917  # a command's options, never given by position
    repo: Repository = Path(),
    settings: SettingsFile = None,
    output: Annotated[Form, typer.Option("--output", "-o")] = Form.TEXT,
    base: Annotated[str | None, typer.Option(help="With --head: the branch that it is to be merged into.")] = None,
    head: Annotated[str | None, typer.Option(help="A branch or commit: show what merging it would change.")] = None,
    live: Annotated[bool | None, typer.Option("--live/--recorded", help=_LIVE)] = None,
    out: Annotated[Path | None, typer.Option(help="Write the plan to this file, for reconcile --plan.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 0: nothing to do, 1: an error, 2: something to do.")
    ] = False,
) -> None:
    """Show what reconcile would do, or what a branch would change. Nothing is touched.

    Without --detailed-exitcode: 0, or the exit code of the error (2 input, 3 trust, 4 device, 5 try again).
    """
    look = live if live is not None else settings is not None or bool(os.environ.get("RINGFENCE_SETTINGS"))
    with _exit_codes(detailed=detailed_exitcode):
        if base is not None or head is not None:
            shown = _propose(repo, settings if look else None, base=base, head=head, look=look, output=output)
        else:
            shown = _own(repo, settings, look=look, output=output)
    if out is not None and "digest" in shown.document:
        out.write_text(json.dumps(shown.document, indent=2) + "\n")
    typer.echo(json.dumps(shown.document, indent=2) if output is Form.JSON else shown.text)
    for refusal in shown.refusals:
        _tell(refusal)
    if shown.refusals:
        raise typer.Exit(1 if detailed_exitcode else shown.refusals[0].exit_code)
    if detailed_exitcode and shown.has_changes:
        raise typer.Exit(CHANGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What there is to print and to write, and how to exit."""

    text: str
    document: Mapping[str, Any]
    has_changes: bool
    refusals: tuple[RingfenceError, ...] = ()


@contextmanager
def _exit_codes(*, detailed: bool) -> Iterator[None]:
    """Turn any error into exit code 1 if exit codes are ``detailed``: 2 then means that there is something to do."""
    try:
        yield
    except RingfenceError as error:
        if not detailed:
            raise
        _tell(error)
        raise typer.Exit(1) from None


def _tell(error: RingfenceError) -> None:
    from reconciler.cli.error_text import error_lines

    typer.echo("\n".join(error_lines(error)), err=True)


def _own(repo: Path, settings: Path | None, *, look: bool, output: Form) -> _Shown:
    """Return the plan of what is in force here."""
    from reconciler.cli import render
    from reconciler.plan.pin import pinned_document

    if look:
        with open_workshop(repo, settings) as workshop:
            sight = workshop.source.refresh()
            made = workshop.engine_for(sight).draft(sight.desired).plan
        seen, extra = "", {"observed": {"how": "live"}}
    else:
        sight, made, seen, extra = _from_record(repo)
    show = render.plan_markdown if output is Form.MARKDOWN else render.plan_text
    return _Shown(
        text=show(made, sight.desired) + (f"\n{seen}" if seen else ""),
        document=pinned_document(made, tree=sight.desired.tree, extra=extra),
        has_changes=not made.is_empty(),
        refusals=sight.refusals,
    )


def _from_record(repo: Path) -> tuple[Sight, Plan, str, dict[str, Any]]:
    from reconciler.cli.remembered import as_seen, remember, required, warning_of
    from reconciler.cli.wiring import now as clock
    from reconciler.daemon.source import TrustedSource
    from reconciler.plan.planner import plan as make_plan
    from reconciler.plan.recorded import observed_from
    from reconciler.repo.git import Git

    git = Git(repo)
    sight = TrustedSource(git).refresh()
    memory = remember(git, desired=sight.desired, signers=sight.signers, with_records=False)
    recorded = required(memory)
    observed = observed_from(recorded, desired=sight.desired, heads=memory.heads)
    now = clock()
    made = make_plan(sight.desired, observed=observed, verdicts={}, now=now)
    at = recorded.observed_at
    said = [f"the site {as_seen(at, now=now)}; members whose recorded proof stands are taken to stay proven"]
    said += [f"warning: {text}"] if (text := warning_of(at, now=now)) else []
    return sight, made, "\n".join(said), {"observed": {"how": "recorded", "at": at.isoformat()}}


def _propose(
    repo: Path, settings: Path | None, *, base: str | None, head: str | None, look: bool, output: Form
) -> _Shown:
    """Return what merging ``head`` into ``base`` would change; invalid documents are told in the output's own form."""
    from reconciler.cli.proposal import in_force, propose
    from reconciler.cli.proposal_report import report_of
    from reconciler.cli.report import to_markdown, to_text
    from reconciler.cli.wiring import now
    from reconciler.repo.git import Git

    git = Git(repo)
    into, branch = base or "main", head or "HEAD"
    ground = in_force(git, into)
    seen = _look(repo, settings, ground=ground) if look else None
    try:
        proposal = propose(git, base=ground, head=branch, now=now(), seen=seen)
    except InputError as error:
        return _refused(error, base=into, head=branch, output=output)
    report = report_of(proposal)
    return _Shown(
        text=to_markdown(report) if output is Form.MARKDOWN else to_text(report),
        document=_document(proposal),
        has_changes=not proposal.change.is_empty() or bool(proposal.outlooks),
    )


def _look(repo: Path, settings: Path | None, *, ground: Base) -> tuple[RecordedObservation, Mapping[str, Head]]:
    """Return the site as it is now, seen under what is in force; the head's addresses are not called."""
    from reconciler.plan.recorded import record_of

    with open_workshop(repo, settings) as workshop:
        sight = workshop.source.refresh()
        observed = workshop.engine_for(sight).draft(sight.desired).observed
    if sight.desired.tree != ground.desired.tree:
        hint = f"check out {ground.name}, or use --recorded"
        raise InputError("plan", f"{ground.name} is not what is in force here", reason="BaseNotInForce", hint=hint)
    heads = {name: seen.head for name, seen in observed.nodes.items() if seen.head} | dict(observed.former)
    return record_of(observed, desired=sight.desired), heads


def _refused(error: InputError, *, base: str, head: str, output: Form) -> _Shown:
    from reconciler.cli.report import Report, Section, quoted, to_markdown

    rows = tuple((quoted(f.place), f.code, quoted(f.message), f.hint) for f in error.findings)
    lines = () if rows else (f"{error.reason}: {quoted(str(error))}", error.hint)
    found = Section(title="Findings", columns=("where", "code", "what", "hint"), rows=rows, lines=lines)
    count = len(error.findings) or 1
    report = Report(
        title=f"Plan: {head} into {base}",
        summary=(f"**Not valid: {count} finding{'' if count == 1 else 's'}. Nothing can be planned.**",),
        sections=(found,),
    )
    document = {
        "error": error.reason,
        "findings": [{"place": f.place, "code": f.code, "message": f.message, "hint": f.hint} for f in error.findings],
    }
    text = to_markdown(report) if output is Form.MARKDOWN else "not valid: nothing can be planned"
    return _Shown(text=text, document=document, has_changes=False, refusals=(error,))


def _document(proposal: Proposal) -> dict[str, Any]:
    """Return the proposal as a pinned plan, and what a program may want to know besides."""
    from dataclasses import asdict

    from reconciler.cli.proposal_report import headline
    from reconciler.plan.measurements import image_changes, policy_changes
    from reconciler.plan.pin import pinned_document

    p = proposal
    states: tuple[DesiredState, DesiredState] = (p.base.desired, p.head.desired)
    extra = {
        "observed": {"how": "live" if p.is_live else "recorded", "at": p.observed_at.isoformat()},
        "base": {"name": p.base.name, "commit": p.base.desired.commit},
        "head": {"name": p.head.name, "commit": p.head_commit, "behind": p.behind},
        "summary": headline(p),
        "nodes": [asdict(turn) for turn in p.change.new.nodes.values()],
        "pendingNodes": [asdict(turn) for turn in p.change.pending.nodes.values()],
        "keys": [asdict(turn) for turn in p.change.new.keys.values()],
        "images": [_named(asdict(change)) for change in image_changes(*states)],
        "policies": [asdict(change) for change in policy_changes(*states)],
        "outlooks": [
            {
                "node": found.node,
                "enclave": found.enclave,
                "fate": found.fate.value,
                "note": found.note,
                "reasons": [reason.code for reason in found.reasons],
            }
            for found in p.outlooks
        ],
        "refusals": [{"reason": error.reason, "message": str(error)} for error in p.refusals],
    }
    return pinned_document(p.head.plan, tree=p.head.desired.tree, extra=json.loads(json.dumps(extra)))


def _named(change: dict[str, Any]) -> dict[str, Any]:
    return {**change, **{side: {str(pcr): v for pcr, v in change[side].items()} for side in ("before", "after")}}


COMMANDS: tuple[Callable[..., None], ...] = (plan,)
