"""The commands that look at the world and change it: reconcile, run, status, graph, serve."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.errors.taxonomy import RingfenceError

if TYPE_CHECKING:
    from reconciler.cli.wiring import Workshop
    from reconciler.daemon.loop import Result, Stage, Watcher
    from reconciler.daemon.source import Sight
    from reconciler.execute.outcome import Outcome
    from reconciler.execute.passes import Draft

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


def open_workshop(repo: Path, settings: Path | None) -> Workshop:
    """Open everything that looks at the site and changes it; to be closed by ``with``."""
    from reconciler.drivers.ipmi.pool import WorkerPool

    pool = WorkerPool()  # The workers start up while this process imports what it needs.
    try:
        from reconciler.cli.wiring import Workshop
        from reconciler.daemon.settings import load_settings

        return Workshop(repo, settings=load_settings(settings), pool=pool)
    except RingfenceError:
        pool.close()
        raise


def reconcile(
    repo: Repository = Path(),
    settings: SettingsFile = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for nodes.")] = 900.0,
    pinned: Annotated[
        Path | None, typer.Option("--plan", help="Carry out this plan (plan --out) and nothing else.")
    ] = None,
) -> None:
    """Make the world what the newest trusted commit asks for, then stop.

    With --plan it refuses, before anything is done, if the commit or the site is not what the plan was made from.
    """
    from reconciler.cli.render import Progress
    from reconciler.daemon.loop import converge
    from reconciler.daemon.pinned import PinnedPasses, load_pin

    watcher = Progress()
    pin = load_pin(pinned) if pinned is not None else None
    with open_workshop(repo, settings) as workshop:
        stage = _stage(workshop, watcher)
        if pin is not None:
            stage = replace(stage, permit=PinnedPasses(pin, tell=workshop.journal.pinned).permit)
        result = converge(stage, timeout_s=timeout)
    watcher.pass_begins(result.sight, result.draft)
    raise typer.Exit(_closing(result))


def _stage(workshop: Workshop, watcher: Watcher) -> Stage:
    from reconciler.daemon.loop import Stage
    from reconciler.daemon.recorder import Recorder

    workshop.carry(watcher.trouble)

    journal = workshop.journal

    def refresh() -> Sight:
        sight = workshop.source.refresh()
        workshop.source.hold()
        journal.follow(sight)
        return sight

    recorder = Recorder(lambda: workshop.source.ledger)

    def record(draft: Draft, outcomes: Mapping[str, Outcome]) -> None:
        recorder.note(draft, outcomes)
        journal.note(draft, outcomes)

    return Stage(
        refresh=refresh,
        engine_for=workshop.engine_for,
        wakes=workshop.desk,
        watcher=watcher,
        record=record,
    )


def _closing(result: Result) -> int:
    plan = result.draft.plan
    if result.failures:
        typer.echo(f"stalled: {len(result.failures)} actions failed", err=True)
        return result.failures[0].exit_code
    if result.has_timed_out:
        typer.echo("error: reconcile: time is over and nodes have not come yet", err=True)
        typer.echo("hint: run it again; it goes on from here", err=True)
        return 5
    how_far = ", as far as it can be" if plan.problems else ", as far as it may" if plan.held else ""
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
    with open_workshop(repo, settings) as workshop:
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

    with open_workshop(repo, settings) as workshop:
        sight = workshop.source.refresh()
        found = rows(workshop, sight)
    typer.echo(json.dumps(found, indent=2) if output is Output.JSON else table(found))


def graph(repo: Repository = Path(), settings: SettingsFile = None) -> None:
    """Show the plan as a Mermaid flow chart."""
    from reconciler.plan.graph import to_mermaid

    with open_workshop(repo, settings) as workshop:
        sight = workshop.source.refresh()
        draft = workshop.engine_for(sight).draft(sight.desired)
    typer.echo(to_mermaid(draft.plan.actions))


COMMANDS: tuple[Callable[..., None], ...] = (reconcile, run, status, graph, serve)
