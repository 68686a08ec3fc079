"""Run the few programs that image building needs, each with a deadline.

A program that is missing is an InputError that names the package to install; one
that fails is an InputError with what it said.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.errors.taxonomy import InputError, TransientError, cut

_PACKAGE_OF = {
    "apt-get": "apt (image building needs Debian 12)",
    "apt-cache": "apt (image building needs Debian 12)",
    "dpkg-deb": "dpkg (image building needs Debian 12)",
    "zstd": "zstd",
}


def run(
    command: Sequence[str | Path],
    *,
    deadline_s: float,
    stdin: bytes = b"",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run one program and return what it wrote to standard output."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, check=False, timeout=deadline_s, cwd=cwd, env=environment
        )
    except FileNotFoundError as error:
        hint = f"install the package {_PACKAGE_OF.get(name, name)}"
        raise InputError(name, "is not installed", reason="ProgramMissing", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise TransientError(name, f"did not end within {deadline_s:.0f} s", reason="ProgramHangs") from error
    if done.returncode:
        said = cut(done.stderr.decode("utf-8", "replace")) or f"status {done.returncode}"
        raise InputError(name, said, reason="ProgramFailed", hint=" ".join(str(word) for word in command[:4]))
    return done.stdout
