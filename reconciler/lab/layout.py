"""Where the lab keeps its things: one state directory, and a /run of its own.

The state directory outlives the lab's processes and is removed by ``lab down``. What
must not outlive them (sockets, pid files, the switch's database) is on the tmpfs that
the supervisor mounts over /run, which the kernel drops together with the namespace;
the state directory is linked there as ``/run/ringfence/state``, so that no program is
ever handed a path with a blank or a comma in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors.taxonomy import InputError

RUN = Path("/run/ringfence")
LINK = RUN / "state"

_OWNED_FILES = (
    "lab.json", "run.json", "settings.yaml", "credentials.json", "allowed_signers",
    "spool.sqlite", "spool.sqlite-wal", "spool.sqlite-shm",
)  # fmt: skip
_OWNED_FOLDERS = ("nodes", "ca", "tls", "keys", "keystore", "images", "jobs", "results", "rogue", "tmp", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDir:
    """Paths below one lab's state directory."""

    root: Path

    @property
    def lab_file(self) -> Path:
        """Return what the lab was asked to be: its size, and the services it runs."""
        return self.root / "lab.json"

    @property
    def run_file(self) -> Path:
        """Return which process is the lab's, by pid, start time and boot."""
        return self.root / "run.json"

    @property
    def settings(self) -> Path:
        """Return the operator-local settings that the reconciler and the services read."""
        return self.root / "settings.yaml"

    @property
    def credentials(self) -> Path:
        """Return the file with the BMCs' passwords; only its owner may read it."""
        return self.root / "credentials.json"

    @property
    def logs(self) -> Path:
        """Return the folder of log files."""
        return self.root / "logs"

    @property
    def ca(self) -> Path:
        """Return the folder of the TPM manufacturer's certificate authority."""
        return self.root / "ca"

    @property
    def images(self) -> Path:
        """Return the folder that the image service serves from."""
        return self.root / "images"

    @property
    def jobs(self) -> Path:
        """Return the folder of jobs that the tenant's service hands out."""
        return self.root / "jobs"

    @property
    def results(self) -> Path:
        """Return the folder where the tenant's service puts what nodes post."""
        return self.root / "results"

    @property
    def rogue(self) -> Path:
        """Return the folder of tampered images."""
        return self.root / "rogue"

    def node(self, name: str) -> Path:
        """Return the folder of one machine: firmware variables, TPM, consoles."""
        return self.root / "nodes" / name


def state_dir(path: str | os.PathLike[str]) -> StateDir:
    """Return the state directory at ``path``, made absolute."""
    root = Path(path).resolve()
    if root.is_relative_to("/run") or root.is_relative_to("/proc"):
        raise InputError(
            f"state directory {root}",
            "the lab mounts its own /run and /proc, and could not see it",
            reason="LabStateHidden",
            hint="choose another directory with --state",
        )
    return StateDir(root=root)


def inside(state: StateDir) -> bool:
    """Say whether this process already runs inside that lab."""
    try:
        return LINK.resolve() == state.root and LINK.is_symlink()
    except OSError:
        return False


def here() -> StateDir:
    """Return the state directory of the lab this process runs in."""
    return StateDir(root=LINK)


def write_file(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write ``path`` whole or not at all, with ``mode`` from its first byte on."""
    data = content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    fresh.replace(path)


def write_json(path: Path, value: object, *, mode: int = 0o644) -> None:
    """Write ``value`` as JSON, whole or not at all."""
    write_file(path, json.dumps(value, indent=2, sort_keys=True) + "\n", mode=mode)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in ``path``, or None where there is no whole one."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def owned(state: StateDir, *, keep: Collection[str] = ()) -> tuple[list[Path], list[Path]]:
    """Return the files and folders below ``state`` that the lab made and that are there, without those to ``keep``."""
    folders = [name for name in _OWNED_FOLDERS if name not in keep]
    files = [state.root / name for name in _OWNED_FILES]
    return [path for path in files if path.exists()], [
        state.root / name for name in folders if (state.root / name).is_dir()
    ]
