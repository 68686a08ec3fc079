"""``ringfence adopt``: what stands in the racks, written into the working tree, and what owning it would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.operate import Output, Repository, SettingsFile

if TYPE_CHECKING:
    from reconciler.cli.wiring import Workshop
    from reconciler.daemon.adopt.adopt import Adoption
    from reconciler.daemon.adopt.seed import Seed
    from reconciler.errors.taxonomy import InputError
    from reconciler.execute.passes import Draft

SEED = "adopt.yaml"
_WORKERS = 16
_SHOWN = 3


def adopt(  # the options of a command
    repo: Repository = Path(),
    settings: SettingsFile = None,
    *,
    seed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to look; by default adopt.yaml in the repository, if any."),
    ] = None,
    zone: Annotated[str | None, typer.Option(help="The zone of whatever does not name one.")] = None,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ADDRESS[,KEY=VALUE…]", help="A switch; keys are bridge, ports (a pattern), control."
        ),
    ] = None,
    bmc: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CREDENTIALS=ADDRESS[:PORT][,KEY=VALUE…]", help="A BMC; its node is the last part of CREDENTIALS."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit what was written, signed.")] = False,
    key: Annotated[Path | None, typer.Option(help="Private SSH key to sign with, instead of the settings'.")] = None,
    detailed_exitcode: Annotated[bool, typer.Option(help="Exit with 2 if owning it would change anything.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Read live switches and BMCs into inventory documents, and show the plan against them. Nothing is touched."""
    from reconciler.cli.operate import open_workshop
    from reconciler.repo.snapshot import read_directory
    from reconciler.repo.worktree import write_files

    given = _seed(repo, seed, zone=zone, switches=switch or [], bmcs=bmc or [])
    with open_workshop(repo, settings) as workshop:
        found, refusal, draft = _look(workshop, read_directory(repo), given)
        if not dry_run:
            write_files(repo, found.files)
        made = None
        if commit and not dry_run and refusal is None:
            made = _commit(repo, found, key=key or workshop.commit_key)
    if output is Output.JSON:
        typer.echo(json.dumps(document(found, refusal=refusal, draft=draft, commit=made), indent=2))
    else:
        typer.echo(text(found, draft=draft, commit=made, dry_run=dry_run, is_committed=commit and not dry_run))
    if refusal is not None:
        raise _refused(refusal)
    if detailed_exitcode and draft is not None and not draft.plan.is_empty():
        raise typer.Exit(2)


def _look(workshop: Workshop, snapshot: Any, seed: Seed) -> tuple[Adoption, InputError | None, Draft | None]:  # noqa: ANN401  # a Snapshot
    """Return what is proposed, why it is not valid, and the plan against it where it is."""
    from dataclasses import replace

    from reconciler.cli.wiring import now
    from reconciler.daemon.adopt.adopt import adopt as propose
    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.desired import load_desired

    sight = workshop.source.refresh()
    controls = {each.name: each.control for each in seed.switches if each.control}
    reach = workshop.reach_for(sight, controls=controls)
    found = propose(snapshot, seed=seed, reach=reach, now=now(), workers=_WORKERS)
    try:
        desired = load_desired(found.snapshot)
        engine = workshop.engine_for(replace(sight, desired=desired))
    except InputError as refusal:
        return found, refusal, None
    return found, None, engine.draft(desired)


def _seed(repo: Path, path: Path | None, *, zone: str | None, switches: list[str], bmcs: list[str]) -> Seed:
    from reconciler.daemon.adopt.seed import Seed, load_seed
    from reconciler.daemon.adopt.words import add_bmc, add_switch

    if path is None and (repo / SEED).is_file():
        path = repo / SEED
    seed = load_seed(path) if path else Seed()
    for word in switches:
        seed = add_switch(seed, word)
    for word in bmcs:
        seed = add_bmc(seed, word)
    return seed.model_copy(update={"zone": zone}) if zone else seed


def _commit(repo: Path, found: Adoption, *, key: Path | None) -> str | None:
    """Commit the inventory, and nothing else that lies in the working tree; None if it is committed already."""
    from dataclasses import replace

    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.desired import load_desired
    from reconciler.repo.git import Git
    from reconciler.repo.snapshot import read_commit
    from reconciler.repo.worktree import commit_files

    if key is None:
        hint = "give --key FILE, or commit_key in the settings"
        raise InputError("commit", "there is no key to sign it with", reason="NoSigningKey", hint=hint)
    git, files = Git(repo), found.inventory
    branch = git.current_branch()
    head = git.head(branch) if branch else None
    if head is not None:
        # What is committed must be valid without whatever else is being edited.
        before = read_commit(git, head)
        load_desired(replace(before, files=dict(sorted({**before.files, **files}.items()))))
        files = {path: content for path, content in files.items() if before.files.get(path) != content}
    message = "\n".join(["site: adopt what stands there", "", *files, ""])
    return commit_files(repo, files=files, message=message, signing_key=key) if files else None


def document(found: Adoption, *, refusal: InputError | None, draft: Draft | None, commit: str | None) -> dict[str, Any]:
    """Return everything that is told, as a JSON value."""
    from dataclasses import asdict

    from reconciler.daemon.adopt.consequences import consequences

    return {
        "files": {"new": sorted(found.new), "changed": sorted(found.changed), "same": sorted(found.same)},
        "remarks": [remark.to_json() for remark in found.remarks],
        "findings": [asdict(finding) for finding in refusal.findings] if refusal else [],
        "plan": draft.plan.to_json() if draft else None,
        "consequences": consequences(draft.plan, seen=found.seen) if draft else None,
        "commit": commit,
    }


def text(
    found: Adoption, *, draft: Draft | None, commit: str | None, dry_run: bool = False, is_committed: bool = False
) -> str:
    """Return what was read and written, what is open, and what owning it would do."""
    from reconciler.daemon.adopt.consequences import consequences

    lines = [_read(found)]
    lines += [f"  new      {path}" for path in found.new] + [f"  changed  {path}" for path in found.changed]
    lines += [f"  as it is {len(found.same)} files"] if found.same else []
    lines += _remarks(found, word="note", is_open=False) + _remarks(found, word="open", is_open=True)
    if draft is None:
        lines.append("there is no plan before the documents are complete and valid")
    elif draft.plan.is_empty():
        lines.append("the plan against it is empty: nothing would be touched")
    else:
        lines.append("the plan against it is not empty; once it is committed, reconcile would change this:")
        lines += [f"  {line}" for line in consequences(draft.plan, seen=found.seen)]
    lines += [f"problem: {problem.subject}: {problem.message}" for problem in (draft.plan.problems if draft else ())]
    if commit:
        lines.append(f"commit {commit[:12]}")
    elif draft is not None and is_committed:
        lines.append("nothing is left to commit")
    elif dry_run:
        lines.append("nothing was written")
    elif found.files:
        lines.append("nothing is committed: look at it with git diff, then use --commit")
    return "\n".join(lines)


def _read(found: Adoption) -> str:
    from reconciler.errors.taxonomy import RingfenceError

    devices = [*found.seen.switches.values(), *found.seen.bmcs.values()]
    failed = sum(isinstance(each, RingfenceError) for each in devices)
    counts = [(len(found.seen.switches), "switch", "switches"), (len(found.seen.bmcs), "BMC", "BMCs")]
    asked = " and ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts)
    return f"asked {asked}; {failed} gave no answer" if failed else f"read {asked}"


def _remarks(found: Adoption, *, word: str, is_open: bool) -> list[str]:
    """Return the remarks as lines, those of one sort together: a rack is told in a few lines."""
    groups: dict[tuple[str, str], list[str]] = {}
    for remark in found.remarks:
        if remark.is_open is is_open:
            groups.setdefault((remark.code, remark.hint), []).append(f"{remark.subject}: {remark.message}")
    lines: list[str] = []
    for (_, hint), told in groups.items():
        lines += [f"{word}: {line}" for line in told[:_SHOWN]]
        lines += [f"{word}: {len(told) - _SHOWN} more like these; -o json lists them"] if len(told) > _SHOWN else []
        lines += [f"  hint: {hint}"] if hint else []
    return lines


def _refused(refusal: InputError) -> InputError:
    """Return the refusal; fields that are left open were told already."""
    from reconciler.errors.taxonomy import InputError

    if not refusal.findings or any(finding.code != "LeftOpen" for finding in refusal.findings):
        return refusal
    count = len(refusal.findings)
    message = "a field is left open" if count == 1 else f"{count} fields are left open"
    hint = "fill in each ? in the documents or in the seed, and run ringfence adopt again"
    return InputError("inventory", message, reason="LeftOpen", hint=hint)


COMMANDS: tuple[Callable[..., None], ...] = (adopt,)
