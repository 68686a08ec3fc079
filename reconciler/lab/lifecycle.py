"""Up, down, and what stands.

``up`` returns only when the lab has said that it is ready, and leaves nothing behind when
it fails. ``down`` removes whatever is left of a lab, however it ended, and signals only
processes that match the recorded pid, start time and boot.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import DeviceError, InputError, TransientError, cut
from reconciler.lab import enter, inventory, layout, light, process, requirements, topology, tpm
from reconciler.lab import settings as lab_settings
from reconciler.lab.layout import StateDir
from reconciler.lab.process import Identity

_BASE_DEADLINE_S = 60.0
_NODE_DEADLINE_S = 15.0
_TERM_S = 5.0
_MEMORY_RANGE = (224, 4096)
_SIZE_HINT = "each node has an airlock of its own, and there are 90 VLANs for them"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """What one machine of the lab does now; ``vlan`` is its port's, None where unknown."""

    name: str
    power: str
    vlan: int | None
    boots: int
    tampered: bool
    light: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """Whether the lab stands, and its machines."""

    up: bool
    state: str
    memory_mib: int = 0
    nodes: tuple[NodeStatus, ...] = ()
    services: Mapping[str, int] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def _locked(state: StateDir) -> Iterator[None]:
    """Let one ``up`` or ``down`` at a time work on a state directory."""
    state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(state.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TransientError(
            f"lab {state.root}", "another ringfence lab command works on it", reason="LabBusy", hint="try again"
        ) from error
    else:
        yield
    finally:
        os.close(descriptor)


def _record(state: StateDir, **found: Identity) -> None:
    layout.write_json(state.run_file, {role: dataclasses.asdict(who) for role, who in found.items()}, mode=0o600)


def _first_child(outer: Identity, *, timeout_s: float) -> Identity | None:
    """Return the process that unshare forked: process 1 of the lab."""
    deadline = time.monotonic() + timeout_s
    while process.is_alive(outer) and time.monotonic() < deadline:
        for pid in process.children(outer.pid):
            found = process.identify(pid)
            if found is not None:
                return found
        time.sleep(0.01)
    return None


def _spawn(state: StateDir, *, ready: int) -> Identity:
    """Start process 1, detached; record it at once, so that a later ``down`` always finds it."""
    argv = [
        "unshare", "-Urnmpf", "--mount-proc", "--kill-child", "--",
        sys.executable, "-m", "reconciler.lab.supervisor", str(state.root), str(ready),
    ]  # fmt: skip
    with (state.logs / "supervisor.log").open("ab") as log:
        started = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            start_new_session=True, pass_fds=(ready,), env=process.environment(),
        )  # fmt: skip
    outer = process.identify(started.pid)
    started.returncode = 0  # It outlives this command on purpose; nobody waits for it.
    if outer is None:
        raise DeviceError("lab", "its first process ended at once", reason="LabStartFailed", hint=_see(state))
    _record(state, outer=outer)
    init = _first_child(outer, timeout_s=10)
    if init is None:
        raise DeviceError("lab", "its first process ended at once", reason="LabStartFailed", hint=_see(state))
    _record(state, outer=outer, init=init)
    return init


def _see(state: StateDir) -> str:
    return f"see {state.logs / 'supervisor.log'}"


def _await_ready(state: StateDir, descriptor: int, *, timeout_s: float) -> None:
    """Wait for the readiness line; end of file means that process 1 is gone."""
    readable, _, _ = select.select([descriptor], [], [], timeout_s)
    line = os.read(descriptor, 4096).decode(errors="replace").strip() if readable else "error it took too long"
    if line != "ready":
        text = cut(line.removeprefix("error ")) or "it ended while starting"
        raise DeviceError("lab", text, reason="LabStartFailed", hint=_see(state))


def _check_size(*, nodes: int, light_nodes: int, memory_mib: int) -> None:
    most = topology.MAX_NODES
    for name, count in (("--nodes", nodes), ("--light", light_nodes)):
        if not 0 <= count <= most:
            raise InputError(name, f"must be 0 to {most}, not {count}", reason="LabSizeInvalid", hint=_SIZE_HINT)
    if not 1 <= nodes + light_nodes <= most:
        message = f"must be 1 to {most} together, not {nodes + light_nodes}"
        raise InputError("--nodes and --light", message, reason="LabSizeInvalid", hint=_SIZE_HINT)
    if not _MEMORY_RANGE[0] <= memory_mib <= _MEMORY_RANGE[1]:
        raise InputError("--memory", "must be 224 to 4096 MiB", reason="LabSizeInvalid")


def up(state: StateDir, *, nodes: int, light_nodes: int = 0, memory_mib: int = 256) -> bool:
    """Bring a lab up; False when it was up already, and then nothing is changed."""
    _check_size(nodes=nodes, light_nodes=light_nodes, memory_mib=memory_mib)
    if enter.running(state) is not None:
        return False
    requirements.check()
    with _locked(state):
        if enter.running(state) is not None:
            return False
        _end_processes(state)
        _remove(state, keep=("images",))  # Content by digest: true of any lab.
        state.logs.mkdir(mode=0o755)
        layout.write_json(state.lab_file, {"nodes": nodes, "light": light_nodes, "memory_mib": memory_mib})
        read, write = os.pipe()
        try:
            try:
                _spawn(state, ready=write)
            finally:
                os.close(write)
            _await_ready(state, read, timeout_s=_BASE_DEADLINE_S + (nodes + light_nodes) * _NODE_DEADLINE_S)
        except BaseException:
            # Also when the operator interrupts: half a lab is worse than none.
            _end_processes(state)
            raise
        finally:
            os.close(read)
    return True


def _end_processes(state: StateDir) -> bool:
    """End the lab's processes, politely first; True when there were any."""
    init, outer = enter.recorded(state, "init"), enter.recorded(state, "outer")
    there = False
    for found in (init, outer):
        if found is None or not process.is_alive(found):
            continue
        there = True
        if not process.end(found, timeout_s=_TERM_S):
            raise DeviceError(f"process {found.pid}", "does not end", reason="LabProcessStuck")
    return there


def _remove(state: StateDir, *, keep: Collection[str]) -> None:
    """Remove what the lab made, by name: a state directory given by mistake loses nothing else."""
    files, folders = layout.owned(state, keep=keep)
    for folder in folders:
        shutil.rmtree(folder)
    for file in files:
        file.unlink()


def down(state: StateDir, *, keep_logs: bool = False) -> bool:
    """Take the lab down and remove its state; False when there was nothing left of one."""
    if layout.inside(state):
        raise InputError("lab", "it cannot be taken down from inside", reason="LabInside", hint="leave lab exec first")
    if not state.root.is_dir():
        return False
    with _locked(state):
        there = _end_processes(state) or state.lab_file.exists()
        _remove(state, keep=("logs",) if keep_logs else ())
        with contextlib.suppress(OSError):  # Somebody else's files, or kept logs, keep it.
            state.root.rmdir()
    return there


def hang_up(state: StateDir) -> None:
    """Have the lab's DHCP server read its boot options again."""
    process.send(enter.require_running(state), signal.SIGHUP)


def configuration(state: StateDir) -> tuple[tuple[topology.VirtualNode, ...], int]:
    """Return the nodes of the lab and their memory in MiB."""
    lab = layout.read_json(state.lab_file)
    if lab is None:
        raise InputError(f"lab {state.root}", "there is none", reason="LabNotUp", hint="run: ringfence lab up")
    return topology.of(lab), int(lab["memory_mib"])


def node_of(state: StateDir, name: str) -> topology.VirtualNode:
    """Return the node called ``name``, or raise InputError naming those there are."""
    every, _ = configuration(state)
    for node in every:
        if node.name == name:
            return node
    there = ", ".join(node.name for node in every)
    raise InputError(f"node {name}", "is not in this lab", reason="LabNodeUnknown", hint=f"there are: {there}")


def light_node_of(state: StateDir, name: str) -> topology.VirtualNode:
    """Return the light node called ``name``, or raise InputError if it is none."""
    node = node_of(state, name)
    if not node.is_light:
        hint = "light nodes are called l1, l2, …: ringfence lab up --light N"
        raise InputError(f"node {name}", "is a machine, not a light node", reason="LabNodeNotLight", hint=hint)
    return node


def port_vlans(state: StateDir) -> dict[str, int | None]:
    """Return every port of the switch with its access VLAN, read from OVSDB; None is a trunk of everything."""
    argv = ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", "--timeout=5", "--format=json", "--columns=name,tag"]
    done = enter.call(state, [*argv, "list", "Port"])
    if done.returncode:
        raise TransientError("switch tor", cut(done.stderr), reason="LabSwitchSilent")
    rows = json.loads(done.stdout)["data"]
    return {name: tag if isinstance(tag, int) else None for name, tag in rows}


def status(state: StateDir) -> LabStatus:
    """Return what stands."""
    if enter.running(state) is None:
        return LabStatus(up=False, state=str(state.root))
    nodes, memory = configuration(state)
    vlans = port_vlans(state)
    done = enter.call(
        state,
        ["sh", "-c", "cat /run/ringfence/services.json; for n; do /run/ringfence/chassis $n get power; done", "sh"]
        + [node.name for node in nodes],
        timeout_s=10 + len(nodes),
    )
    body, _, powers = done.stdout.partition("}\n")
    on = ["on" if line == "power:1" else "off" for line in powers.splitlines()]
    return LabStatus(
        up=True,
        state=str(state.root),
        memory_mib=memory,
        services=json.loads(body + "}"),
        nodes=tuple(
            NodeStatus(
                name=node.name,
                power=power,
                vlan=vlans.get(node.port),
                boots=_boots(state, node.name),
                tampered=(state.rogue / f"{node.name}.efi").exists() or light.is_tampered(state.node(node.name)),
                light=node.is_light,
            )
            for node, power in zip(nodes, on, strict=True)
        ),
    )


def _boots(state: StateDir, name: str) -> int:
    numbers = [int(path.stem.partition("-")[2]) for path in state.node(name).glob("console-*.log")]
    return max(numbers, default=0)


def inventory_documents(state: StateDir) -> dict[str, str]:
    """Return the lab's inventory: every file's text, by its path in a state repository."""
    nodes, memory = configuration(state)
    endorsements = {node.name: tpm.endorsement(state.node(node.name) / "tpm") for node in nodes}
    return inventory.documents(
        nodes,
        endorsements=endorsements,
        roots=tpm.roots(state.ca),
        profile=inventory.profile_name(memory),
    )


def commit_key(state: StateDir) -> Path:
    """Return the operator's signing key, which commits on the lab's desired state are signed with."""
    return lab_settings.Paths(root=state.root).commit_key
