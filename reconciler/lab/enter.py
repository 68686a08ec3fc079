"""Commands inside the lab: from outside, through nsenter; from inside, directly.

Entering takes the user, network, mount and pid namespaces of the lab's process 1, so
what is started there dies with the lab. Root is not needed: the lab's user namespace
belongs to whoever started it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from reconciler.errors.taxonomy import DeviceError, InputError, TransientError
from reconciler.lab import layout, process, topology
from reconciler.lab.layout import StateDir
from reconciler.lab.process import Identity

_FORKING = frozenset({"--mount", "--pid"})
"""A new pid namespace needs a fork, which signals do not cross; its /proc comes with the mount namespace."""
_NAMESPACE = re.compile(r"^(mgmt|svc|tenant|(probe-[nl]|node-l)[1-9][0-9]?)$")


def recorded(state: StateDir, role: str) -> Identity | None:
    """Return the lab's ``init`` (process 1, seen from outside) or ``outer`` process as it was recorded."""
    record = (layout.read_json(state.run_file) or {}).get(role)
    if not isinstance(record, dict):
        return None
    return Identity(pid=int(record["pid"]), start_time=int(record["start_time"]), boot=str(record["boot"]))


def running(state: StateDir) -> Identity | None:
    """Return the lab's process 1 if the lab is up, as seen from here."""
    if layout.inside(state):
        return process.identify(1)
    found = recorded(state, "init")
    return found if found is not None and process.is_alive(found) else None


def require_running(state: StateDir) -> Identity:
    """Return the lab's process 1, or raise InputError when the lab is down."""
    found = running(state)
    if found is None:
        raise InputError(
            f"lab {state.root}", "is not up", reason="LabNotUp", hint="run: ringfence lab up, or give --state"
        )
    return found


def argv(
    state: StateDir, command: Sequence[str], *, namespace: str = topology.MANAGEMENT_NAMESPACE, cwd: Path | None = None
) -> list[str]:
    """Return ``command`` as it must be run to run inside the lab, in ``cwd`` or the caller's directory."""
    if _NAMESPACE.match(namespace) is None:
        raise InputError(
            f"namespace {namespace}", "is none of the lab's", reason="LabNamespaceUnknown",
            hint="use mgmt, svc, tenant, probe-nX, or node-lX for a light node",
        )  # fmt: skip
    init = require_running(state)
    inner = ["env", "-C", str(cwd or Path.cwd()), f"RINGFENCE_SETTINGS={state.settings}", *command]
    if namespace != topology.MANAGEMENT_NAMESPACE:
        inner = ["nsenter", f"--net=/run/netns/{namespace}", "--", *inner]
    if layout.inside(state):
        return inner
    # Whoever was entered before, without the mount and pid namespaces, is in the lab's user namespace already.
    user = [] if _shares_user_namespace(init.pid) else ["--user"]
    outer = ["nsenter", f"--target={init.pid}", *user, "--net", "--mount", "--pid", "--preserve-credentials", "--"]
    return [*outer, *inner]


def _shares_user_namespace(pid: int) -> bool:
    try:
        return Path("/proc/self/ns/user").readlink() == Path(f"/proc/{pid}/ns/user").readlink()
    except OSError:
        return False


def replace(state: StateDir, command: Sequence[str], *, namespace: str = topology.MANAGEMENT_NAMESPACE) -> None:
    """Become ``command`` inside the lab: same directory, same terminal, same process, its exit status.

    In the management namespace the process stays one of the caller's, so that a signal to it arrives; it ends when
    its caller ends it. Elsewhere it belongs to the lab and dies with it.
    """
    full = argv(state, command, namespace=namespace)
    if namespace == topology.MANAGEMENT_NAMESPACE:
        full = [word for word in full if word not in _FORKING]
    env = process.environment()
    os.execvpe(full[0], full, env)  # noqa: S606  # no shell is the point


def call(
    state: StateDir,
    command: Sequence[str],
    *,
    namespace: str = topology.MANAGEMENT_NAMESPACE,
    timeout_s: float = 10.0,
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` inside the lab to its end, whatever its exit status.

    Raises InputError when the lab is down, TransientError after ``timeout_s``.
    """
    full = argv(state, command, namespace=namespace, cwd=Path("/"))
    try:
        return subprocess.run(
            full, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=timeout_s, check=False, env=process.environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TransientError(
            f"command {command[0]}", f"took longer than {timeout_s:g} s", reason="LabTimeout"
        ) from error
    except FileNotFoundError as error:
        raise DeviceError("program nsenter", "is not there", reason="LabProgramMissing") from error
