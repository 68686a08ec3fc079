"""``ringfence hook``: what a git server starts before it takes a push in."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.errors.taxonomy import InputError, RingfenceError, TransientError

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(name="hook", help="Hooks for a plain git server.", no_args_is_help=True)

_LONGEST_INPUT = 4 * 1024 * 1024


@app.callback()
def hooks() -> None:
    """Run hooks for a plain git server."""


@app.command("pre-receive")
def pre_receive(
    branch: Annotated[str | None, typer.Option(help="The branch that is followed; by default what HEAD names.")] = None,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds after which the push is refused.")] = 120.0,
) -> None:
    """Refuse a push that validate or the trust rules refuse. Git starts it, with the updates on standard input."""
    from reconciler.repo.receive import judge_push, parse_updates, receiving_git

    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        updates = parse_updates(sys.stdin.buffer.read(_LONGEST_INPUT))
        problems = judge_push(receiving_git(os.environ, folder=Path.cwd()), updates, branch=branch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    for problem in problems:
        typer.echo("\n".join(_lines(problem)), err=True)
    if problems:
        typer.echo(f"refused: nothing of this push was taken, for {len(problems)} reasons", err=True)
        raise typer.Exit(problems[0].exit_code)


def _lines(problem: RingfenceError) -> list[str]:
    """Return ``problem`` with its place, code and hint."""
    from reconciler.cli.error_text import error_lines

    if isinstance(problem, InputError) and problem.findings:
        return error_lines(problem)
    return [f"error: {problem} [{problem.reason}]", *([f"hint: {problem.hint}"] if problem.hint else [])]


def _too_late(_number: int, _frame: FrameType | None) -> None:
    hint = "push fewer commits at once, or give the hook a longer --timeout"
    raise TransientError("push", "could not be judged in time, and is refused", reason="HookTimeout", hint=hint)
