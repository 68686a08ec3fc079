"""The commands that look at the world and change it: plan, reconcile, run, status, serve."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.errors.taxonomy import RingfenceError

if TYPE_CHECKING:
    from reconciler.cli.wiring import Workshop
    from reconciler.daemon.loop import Result, Stage, Watcher
    from reconciler.daemon.source import Sight

Repository = Annotated[Path, typer.Option("--repo", help="The state repository.")]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="This machine's settings (RINGFENCE_SETTINGS).")]


class Form(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Output(StrEnum):
    """How a table is shown."""

    TEXT = "text"
    JSON = "json"


def _open(repo: Path, settings: Path | None) -> Workshop:
    from reconciler.drivers.ipmi.pool import WorkerPool

    pool = WorkerPool()  # The workers start up while this process imports what it needs.
    try:
        from reconciler.cli.wiring import Workshop
        from reconciler.daemon.settings import load_settings

        return Workshop(repo, settings=load_settings(settings), pool=pool)
    except RingfenceError:
        pool.close()
        raise


def plan(
    repo: Repository = Path(),
    settings: SettingsFile = None,
    output: Annotated[Form, typer.Option("--output", "-o")] = Form.TEXT,
    detailed_exitcode: Annotated[bool, typer.Option(help="Exit with 2 if there is something to do.")] = False,
) -> None:
    """Show what reconcile would do. Nothing is touched."""
    from reconciler.cli import render
    from reconciler.cli.error_text import error_lines

    with _open(repo, settings) as workshop:
        sight = workshop.source.refresh()
        draft = workshop.engine_for(sight).draft(sight.desired)
    match output:
        case Form.TEXT:
            typer.echo(render.plan_text(draft.plan, draft.desired))
        case Form.MARKDOWN:
            typer.echo(render.plan_markdown(draft.plan, draft.desired))
        case Form.JSON:
            typer.echo(json.dumps(draft.plan.to_json(), indent=2))
    for refusal in sight.refusals:
        typer.echo("\n".join(error_lines(refusal)), err=True)
    if sight.refusals:
        raise typer.Exit(sight.refusals[0].exit_code)
    if detailed_exitcode and not draft.plan.is_empty():
        raise typer.Exit(2)


def reconcile(
    repo: Repository = Path(),
    settings: SettingsFile = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for nodes.")] = 900.0,
) -> None:
    """Make the world what the newest trusted commit asks for, then stop."""
    from reconciler.cli.render import Progress
    from reconciler.daemon.loop import converge

    watcher = Progress()
    with _open(repo, settings) as workshop:
        result = converge(_stage(workshop, watcher), timeout_s=timeout)
    watcher.pass_begins(result.sight, result.draft)
    raise typer.Exit(_closing(result))


def _stage(workshop: Workshop, watcher: Watcher) -> Stage:
    from reconciler.daemon.loop import Stage

    workshop.carry(watcher.trouble)

    def refresh() -> Sight:
        sight = workshop.source.refresh()
        workshop.source.ledger.set_trusted(sight.desired.commit)
        return sight

    return Stage(refresh=refresh, engine_for=workshop.engine_for, wakes=workshop.desk, watcher=watcher)


def _closing(result: Result) -> int:
    plan = result.draft.plan
    if result.failures:
        typer.echo(f"stalled: {len(result.failures)} actions failed", err=True)
        return result.failures[0].exit_code
    if result.has_timed_out:
        typer.echo("error: reconcile: time is over and nodes have not come yet", err=True)
        typer.echo("hint: run it again; it goes on from here", err=True)
        return 5
    how_far = ", as far as it can be" if plan.problems else ""
    typer.echo(f"converged on {plan.commit[:12]}{how_far}")
    if result.sight.refusals:
        return result.sight.refusals[0].exit_code
    return 1 if plan.problems else 0


def run(repo: Repository = Path(), settings: SettingsFile = None) -> None:
    """Reconcile for ever: every interval, and at once when evidence arrives. Stops cleanly on SIGTERM and SIGINT."""
    from reconciler.cli.render import Progress
    from reconciler.daemon.loop import run as run_loop

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _open(repo, settings) as workshop:
        run_loop(_stage(workshop, Progress()), stop=stop)
    typer.echo("stopped")


def serve(settings: SettingsFile = None) -> None:
    """Run the image and attestation services that nodes talk to. Holds no key and judges nothing."""
    from reconciler.daemon.service.serve import serve as serve_services
    from reconciler.daemon.settings import load_settings

    serve_services(load_settings(settings))


def status(
    repo: Repository = Path(),
    settings: SettingsFile = None,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Show every node: phase, enclave, power, port, and how long it took."""
    from reconciler.cli.status import rows, table

    with _open(repo, settings) as workshop:
        sight = workshop.source.refresh()
        found = rows(workshop, sight)
    typer.echo(json.dumps(found, indent=2) if output is Output.JSON else table(found))


def graph(repo: Repository = Path(), settings: SettingsFile = None) -> None:
    """Show the plan as a Mermaid flow chart."""
    from reconciler.plan.graph import to_mermaid

    with _open(repo, settings) as workshop:
        sight = workshop.source.refresh()
        draft = workshop.engine_for(sight).draft(sight.desired)
    typer.echo(to_mermaid(draft.plan.actions))


COMMANDS: tuple[Callable[..., None], ...] = (plan, reconcile, run, status, graph, serve)
