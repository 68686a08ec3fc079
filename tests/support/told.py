"""Commands of ``ringfence`` as they are called: words in; exit code, output and errors out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from reconciler.cli.error_text import error_lines
from reconciler.errors.taxonomy import RingfenceError


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - the JSON of any command
        """Return the output as JSON."""
        return json.loads(self.out)


def told(app: typer.Typer, *words: str | Path) -> Told:
    """Return what ``app`` makes of ``words``; an error that is none of ours is raised."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    error = result.exception
    if isinstance(error, RingfenceError):
        return Told(code=error.exit_code, out=result.stdout, err="\n".join(error_lines(error)))
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Told(code=result.exit_code, out=result.stdout, err=result.stderr)
