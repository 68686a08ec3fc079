"""Programs that talk to another machine: the whole group of processes ends with its call.

Git starts ``ssh`` and helpers of its own. Killing git alone at its deadline would leave them waiting for a server that
never answers, one more at every try. Here the program leads a group of its own, and the group is killed when the
deadline passes or the caller is interrupted. Such a program has no terminal, so it cannot ask anything either.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from reconciler.errors.taxonomy import InvariantError


def start_group(  # noqa: PLR0913  # the arguments of subprocess.run that git needs
    words: Sequence[str],
    *,
    input: bytes,  # noqa: A002  # named as in subprocess.run, whose place it takes
    capture_output: bool,
    check: bool,
    timeout: float,
    env: Mapping[str, str],
) -> subprocess.CompletedProcess[bytes]:
    """Run ``words`` as ``subprocess.run`` does, with output captured and no check; TimeoutExpired after ``timeout``."""
    if check or not capture_output:
        raise InvariantError("start", "output is always captured and never checked", reason="BadCall")
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(input, timeout=timeout)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(list(words), process.returncode, output, errors)
