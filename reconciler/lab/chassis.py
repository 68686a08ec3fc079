"""What a BMC's power button does: start and kill one QEMU and its TPM, or one light node.

Called by ipmi_sim as ``chassis NODE get|set WHAT [VALUE …]`` inside the lab; answers on
standard output (``power:1``). Powering on a machine that is on, and off one that is off,
succeeds and does nothing. A lock per node keeps two calls apart. A process is killed
only if its command line still says that it is this node's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from reconciler.errors.taxonomy import DeviceError, RingfenceError, TransientError
from reconciler.lab import layout, light, machine, process, requirements, topology
from reconciler.lab.process import Identity
from reconciler.lab.topology import VirtualNode

_KEEP_CONSOLES = 8
_DEADLINE_S = 10.0


def _recorded(pid_file: Path, *, mark: str) -> Identity | None:
    """Return the living process that ``pid_file`` names, if ``mark`` is one of its arguments."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return process.identify(pid) if mark.encode() in arguments else None


def _pid_file(node: VirtualNode, what: str) -> Path:
    return layout.RUN / f"{node.name}.{what}.pid"


def _socket(node: VirtualNode) -> Path:
    return layout.RUN / f"{node.name}.tpm"


def machine_process(node: VirtualNode) -> Identity | None:
    """Return the node's QEMU, or the process that holds a light node's namespaces; None when the node is off."""
    if node.is_light:
        return _recorded(_pid_file(node, "light"), mark=str(light.run_folder(node)))
    return _recorded(_pid_file(node, "qemu"), mark=node.name)


def _tpm_process(node: VirtualNode) -> Identity | None:
    return _recorded(_pid_file(node, "swtpm"), mark=f"type=unixio,path={_socket(node)}")


def _next_console(folder: Path) -> Path:
    """Return the name of the next boot's console log; old ones are dropped, ``console.log`` points to the newest."""
    numbers = sorted(int(path.stem.partition("-")[2]) for path in folder.glob("console-*.log"))
    for number in numbers[: 1 - _KEEP_CONSOLES]:
        (folder / f"console-{number:04d}.log").unlink()
    fresh = folder / f"console-{(numbers[-1] if numbers else 0) + 1:04d}.log"
    link = folder / "console.log"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    return fresh


def power_on(node: VirtualNode, *, memory_mib: int) -> None:
    """Start the node's TPM and QEMU, unless it runs."""
    if machine_process(node) is not None:
        return
    power_off(node)  # A TPM that outlived its machine is in the way of a fresh one.
    folder = layout.here().node(node.name)
    if node.is_light:
        _start_light(node, console=_next_console(folder))
        return
    variables = folder / "vars.fd"
    if not variables.exists():
        shutil.copyfile(requirements.FIRMWARE_VARIABLES, variables)
    files = machine.Files(
        firmware=str(requirements.FIRMWARE_CODE),
        variables=str(variables),
        tpm_socket=str(_socket(node)),
        console=str(_next_console(folder)),
        pid_file=str(_pid_file(node, "qemu")),
    )
    process.run(
        machine.swtpm_argv(
            tpm_state=str(folder / "tpm"), socket=str(_socket(node)), pid_file=str(_pid_file(node, "swtpm"))
        ),
        timeout_s=_DEADLINE_S,
    )
    process.run(
        machine.qemu_argv(node, memory_mib=memory_mib, files=files),
        timeout_s=_DEADLINE_S,
    )


def _start_light(node: VirtualNode, *, console: Path) -> None:
    """Start a light node and record it; when this program ends, the lab's process 1 reaps it."""
    light.run_folder(node).mkdir(mode=0o700, exist_ok=True)
    with console.open("ab") as output:
        started = subprocess.Popen(
            light.argv(node), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
            start_new_session=True, env=process.environment(),
        )  # fmt: skip
    layout.write_file(_pid_file(node, "light"), f"{started.pid}\n")
    started.returncode = 0  # It outlives this command on purpose.


def _processes(node: VirtualNode) -> list[Identity]:
    """Return what must end when power is cut: for a light node, the first process of its pid namespace as well."""
    outer = machine_process(node)
    if node.is_light:
        inner = [] if outer is None else [process.identify(pid) for pid in process.children(outer.pid)]
        return [found for found in (*inner, outer) if found is not None]
    return [found for found in (outer, _tpm_process(node)) if found is not None]


def power_off(node: VirtualNode) -> None:
    """Cut the power: no shutdown, nothing flushed, as when a real BMC does it."""
    for found in _processes(node):
        process.send(found, signal.SIGKILL)
        if not process.wait_gone(found, timeout_s=_DEADLINE_S):
            raise TransientError(f"node {node.name}", "its process does not end", reason="LabPowerStuck")
    _socket(node).unlink(missing_ok=True)
    if node.is_light:
        process.run(light.unplug_argv(node), timeout_s=_DEADLINE_S)


def _set(node: VirtualNode, what: str, value: str, *, memory_mib: int) -> None:
    match what, value:
        case "power", "1":
            power_on(node, memory_mib=memory_mib)
        case ("power", "0") | ("shutdown", _):
            power_off(node)
        case "reset", _:
            power_off(node)
            power_on(node, memory_mib=memory_mib)
        case "boot", _:
            (layout.RUN / f"{node.name}.boot").write_text(value, encoding="utf-8")
        case "identify", _:
            pass
        case _:
            raise DeviceError(f"node {node.name}", f"its BMC cannot set {what}", reason="LabChassisUnknown")


def _get(node: VirtualNode, what: str) -> str:
    match what:
        case "power":
            return "1" if machine_process(node) is not None else "0"
        case "boot":
            chosen = layout.RUN / f"{node.name}.boot"
            return chosen.read_text(encoding="utf-8") if chosen.exists() else "default"
        case _:
            raise DeviceError(f"node {node.name}", f"its BMC cannot get {what}", reason="LabChassisUnknown")


def main(arguments: list[str]) -> int:
    """Serve one call of ipmi_sim's."""
    name, verb, *rest = arguments
    lab = layout.read_json(layout.here().lab_file) or {}
    node = next(node for node in topology.of(lab) if node.name == name)
    descriptor = os.open(layout.RUN / f"{node.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if verb == "get":
            for what in rest:
                sys.stdout.write(f"{what}:{_get(node, what)}\n")
        else:
            for what, value in zip(rest[::2], [*rest[1::2], ""], strict=False):
                _set(node, what, value, memory_mib=int(lab.get("memory_mib", 256)))
    except RingfenceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        os.close(descriptor)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
