"""Processes: who is alive, who is who, and commands with deadlines.

A pid alone names nobody: it is recycled. An ``Identity`` adds the start time and the
boot, and only a process that matches all three is ever signalled. A zombie is dead.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import DeviceError, TransientError, cut

SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process of one boot of this machine."""

    pid: int
    start_time: int
    boot: str


def boot_id() -> str:
    """Return the random id of this boot of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the command name (proc(5), field 3 on)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def identify(pid: int) -> Identity | None:
    """Return who ``pid`` is now, or None when nobody or a zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return Identity(pid=pid, start_time=int(fields[19]), boot=boot_id())


def is_alive(identity: Identity) -> bool:
    """Say whether exactly this process still runs."""
    return identify(identity.pid) == identity


def children(pid: int) -> list[int]:
    """Return the pids of the living children of ``pid``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            fields = _stat(int(entry.name))
            if fields is not None and fields[0] not in "ZX" and int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone. A recycled pid is never hit."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        # The descriptor holds one process; only now is it worth asking whether it is the right one.
        if not is_alive(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def wait_gone(identity: Identity, *, timeout_s: float) -> bool:
    """Wait until this process has ended; False when it outlived ``timeout_s``."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        if not is_alive(identity):
            return True
        ready, _, _ = select.select([descriptor], [], [], timeout_s)
        return bool(ready)
    finally:
        os.close(descriptor)


def end(identity: Identity, *, timeout_s: float) -> bool:
    """Ask a process to end, make it end after ``timeout_s``; True when it is gone."""
    if send(identity, signal.SIGTERM) and not wait_gone(identity, timeout_s=timeout_s):
        send(identity, signal.SIGKILL)
    return wait_gone(identity, timeout_s=timeout_s)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment, with the system's own programs on PATH."""
    base = dict(os.environ)
    base["PATH"] = f"{base.get('PATH', '/usr/bin:/bin')}:{SYSTEM_PATHS}"
    base.update(extra or {})
    return base


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = 10.0,
    text: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return what it printed.

    Raises DeviceError when it fails, TransientError when it takes longer than ``timeout_s``.
    """
    name = Path(argv[0]).name
    try:
        done = subprocess.run(
            list(argv), input=text, capture_output=True, text=True, errors="replace",
            timeout=timeout_s, check=False, env=environment(env), cwd=cwd,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise DeviceError(f"program {name}", "is not there", reason="LabProgramMissing") from error
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"program {name}", f"took longer than {timeout_s:g} s", reason="LabTimeout") from error
    if done.returncode:
        raise DeviceError(
            f"program {name}",
            cut(done.stderr or done.stdout) or f"failed with status {done.returncode}",
            reason="LabCommandFailed",
        )
    return done.stdout
