from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import DeviceError, InputError, TransientError
from reconciler.lab import layout, logs, process, services

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_recycled_pid_is_never_signalled() -> None:
    with subprocess.Popen(SLEEP) as other:
        now = process.identify(other.pid)
        assert now is not None
        former = dataclasses.replace(now, start_time=now.start_time - 1)
        assert not process.send(former, signal.SIGKILL)
        assert process.end(former, timeout_s=0.1)
        assert process.is_alive(now)
        assert process.send(now, signal.SIGKILL)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.identify(child.pid) is None
    assert child.pid not in process.children(os.getpid())
    child.wait(5)


def test_a_process_that_ignores_requests_is_made_to_end() -> None:
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        who = process.identify(child.pid)
        assert who is not None
        assert process.children(os.getpid()) == [child.pid]
        assert process.end(who, timeout_s=0.3)


def test_commands_fail_by_the_taxonomy() -> None:
    with pytest.raises(DeviceError, match="oh dear"):
        process.run([sys.executable, "-c", "raise SystemExit('oh dear')"])
    with pytest.raises(TransientError, match=r"longer than 0\.2 s"):
        process.run(SLEEP, timeout_s=0.2)
    with pytest.raises(DeviceError, match="not there"):
        process.run(["no-such-program-anywhere"])


def test_a_service_that_keeps_ending_is_started_less_and_less_often(tmp_path: Path) -> None:
    state = layout.StateDir(root=tmp_path)
    state.logs.mkdir()
    keeper = services.Keeper(state)
    keeper.start(services.Service(name="brief", argv=(sys.executable, "-c", "print('here')")), now_s=0.0)
    now_s, pauses = 0.0, []
    for _ in range(7):
        pid = keeper.pids()["brief"]
        os.waitpid(pid, 0)
        assert keeper.ended(pid, status=1, now_s=now_s)
        assert keeper.process("brief") is None
        pauses.append(keeper.start_due(now_s=now_s))
        now_s += pauses[-1]
        assert keeper.start_due(now_s=now_s) == 60.0
    os.waitpid(keeper.pids()["brief"], 0)
    assert keeper.ended(keeper.pids()["brief"], status=0, now_s=now_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert keeper.ended(1, status=0, now_s=now_s) is None
    assert (state.logs / "brief.log").read_text() == "here\n" * 8


def test_the_lab_removes_what_it_made_and_nothing_else(tmp_path: Path) -> None:
    state = layout.state_dir(tmp_path)
    for name in ("lab.json", "precious.txt"):
        (tmp_path / name).write_text("{}")
    for name in ("logs", "nodes", "src"):
        (tmp_path / name).mkdir()
    files, folders = layout.owned(state)
    assert [path.name for path in files] == ["lab.json"]
    assert sorted(path.name for path in folders) == ["logs", "nodes"]
    assert [path.name for path in layout.owned(state, keep=("logs",))[1]] == ["nodes"]


@pytest.mark.parametrize("path", ["/run/lab", "/proc/lab"])
def test_a_state_directory_that_the_lab_would_hide_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="could not see it"):
        layout.state_dir(path)


def test_half_a_file_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"init": ')
    assert layout.read_json(tmp_path / "run.json") is None
    assert layout.read_json(tmp_path / "absent.json") is None


def test_secrets_are_private_from_the_first_byte(tmp_path: Path) -> None:
    layout.write_file(tmp_path / "key", "x", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_console_cannot_talk_to_the_terminal_it_is_shown_on(tmp_path: Path) -> None:
    state = layout.StateDir(root=tmp_path)
    state.node("n1").mkdir(parents=True)
    (state.node("n1") / "console.log").write_bytes(b"one\r\n\x1b[2J\x1b[31mtwo\x07\r\nthree\r\n")
    assert logs.names(state) == ["n1"]
    assert logs.tail(state, "n1", lines=2) == ["two", "three"]
    with pytest.raises(InputError, match="not there"):
        logs.tail(state, "n2", lines=2)
