"""The lab leaves nothing behind, however it ends, and never touches the host's network."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.lab import enter, layout, lifecycle, process, requirements
from reconciler.lab.layout import StateDir
from reconciler.lab.process import Identity

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(requirements.missing_packages()), reason="the lab's Debian packages are not installed"),
]

HOST_PORTS = (6640, 9001)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    made = layout.state_dir(tmp_path / "lab")
    yield made
    lifecycle.down(made)


def host_network() -> list[str]:
    """Return the host's interfaces, addresses, routes and named namespaces, as the kernel lists them."""
    found = [process.run(["ip", "-o", what, "show"]) for what in ("link", "address", "route", "rule")]
    found.append(process.run(["ip", "netns", "list"]))
    for port in HOST_PORTS:
        with socket.socket() as client:
            found.append(f"{port} {client.connect_ex(('127.0.0.1', port))}")
    return found


def members(namespace: str) -> list[int]:
    """Return the living processes of one pid namespace."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and process.identify(int(entry.name)) is not None:
            try:
                if (entry / "ns" / "pid").readlink().name == namespace:
                    found.append(int(entry.name))
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
    return found


def namespace_of(init: Identity) -> str:
    return Path(f"/proc/{init.pid}/ns/pid").readlink().name


def up(state: StateDir) -> tuple[Identity, str]:
    assert lifecycle.up(state, nodes=1)
    init = enter.require_running(state)
    return init, namespace_of(init)


def test_lab_touches_no_network_of_the_host_and_leaves_nothing(state: StateDir) -> None:
    before = host_network()
    init, namespace = up(state)
    assert host_network() == before
    assert len(members(namespace)) > 5

    report = lifecycle.status(state)
    assert [(node.name, node.power, node.vlan) for node in report.nodes] == [("n1", "off", 999)]
    assert not lifecycle.up(state, nodes=1)
    assert enter.require_running(state) == init

    assert lifecycle.down(state)
    assert members(namespace) == []
    assert host_network() == before
    assert not state.root.exists()
    assert not lifecycle.down(state)


@pytest.mark.parametrize("victim", ["init", "outer"])
def test_a_killed_supervisor_leaves_nothing_that_down_would_not_find(state: StateDir, victim: str) -> None:
    before = host_network()
    init, namespace = up(state)
    machine = enter.call(state, ["/run/ringfence/chassis", "n1", "set", "power", "1"])
    assert machine.returncode == 0, machine.stderr
    assert lifecycle.status(state).nodes[0].power == "on"

    found = enter.recorded(state, victim)
    assert found is not None
    assert process.send(found, signal.SIGKILL)
    assert process.wait_gone(init, timeout_s=10)
    assert members(namespace) == []
    assert not lifecycle.status(state).up

    assert lifecycle.down(state)
    assert not state.root.exists()
    assert host_network() == before


def test_up_after_a_crash_starts_afresh(state: StateDir) -> None:
    init, _ = up(state)
    (state.images / "built").write_text("kept")
    (state.jobs / "n1").write_text("gone")
    process.send(init, signal.SIGKILL)
    assert process.wait_gone(init, timeout_s=10)
    again, _ = up(state)
    assert again != init
    assert (state.images / "built").exists()
    assert not (state.jobs / "n1").exists()


def test_down_keeps_logs_when_asked_to(state: StateDir) -> None:
    up(state)
    assert lifecycle.down(state, keep_logs=True)
    assert [path.name for path in state.root.iterdir()] == ["logs"]


def test_exec_runs_inside_with_the_callers_directory_and_exit_status(state: StateDir, tmp_path: Path) -> None:
    up(state)
    argv = enter.argv(state, ["sh", "-c", "pwd; echo $RINGFENCE_SETTINGS; exit 9"], namespace="svc", cwd=tmp_path)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False, env=process.environment())
    assert done.returncode == 9
    assert done.stdout.split() == [str(tmp_path), str(state.settings)]
    look = "from reconciler.lab import layout, probe\n"
    look += f"print(probe.probe(layout.state_dir({str(state.root)!r}), 'n1', '10.77.1.1'))"
    assert enter.call(state, [sys.executable, "-c", look]).stdout == "False\n"
    with pytest.raises(InputError, match="none of the lab's"):
        enter.argv(state, ["true"], namespace="../host")


def test_a_lab_that_is_down_says_so(state: StateDir) -> None:
    with pytest.raises(InputError, match="is not up"):
        enter.argv(state, ["true"])
    assert not lifecycle.status(state).up
