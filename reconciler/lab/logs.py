"""The lab's logs, and its machines' serial consoles, cleaned for a terminal."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.lab.layout import StateDir

_READ_LIMIT = 1024 * 1024
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


def _files(state: StateDir) -> dict[str, Path]:
    found = {path.stem: path for path in state.logs.glob("*.log")}
    found.update({path.parent.name: path for path in (state.root / "nodes").glob("*/console.log")})
    return found


def names(state: StateDir) -> list[str]:
    """Return what there are logs of: services by name, and consoles of nodes that were ever on."""
    return sorted(_files(state))


def tail(state: StateDir, name: str, *, lines: int) -> list[str]:
    """Return the last lines of one log, without what a machine could do to a terminal with them."""
    path = _files(state).get(name)
    if path is None:
        raise InputError(
            f"log {name}",
            "is not there",
            reason="LabLogUnknown",
            hint=f"there are: {', '.join(names(state)) or 'none'}",
        )
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _READ_LIMIT))
        text = _CONTROL.sub("", stream.read().decode("utf-8", errors="replace").replace("\r\n", "\n"))
    return text.splitlines()[-lines:]
