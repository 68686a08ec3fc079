"""The IPMI adapter and its workers against a real BMC: what can go wrong beyond the contract."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.drivers.ipmi.messages import Reply, Request
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.ipmi.power import Credentials, IpmiPower
from reconciler.drivers.ipmi.worker import answer
from reconciler.drivers.secret import Secret
from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import PowerState
from tests.support.devices import RealBmc, hung, missing_programs, wait_until

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason="OpenIPMI is not installed")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with contextlib.closing(WorkerPool(size=2)) as started:
        yield started


@pytest.fixture
def bmc() -> Iterator[RealBmc]:
    with RealBmc() as real:
        yield real


def power_of(bmc: RealBmc, pool: WorkerPool, *, password: str = RealBmc.password, deadline_s: float = 8.0) -> IpmiPower:
    return IpmiPower(
        "n1",
        address="127.0.0.1",
        port=bmc.port,
        credentials=Credentials(user=bmc.user, password=Secret(password.encode())),
        pool=pool,
        deadline_s=deadline_s,
    )


@pytest.fixture
def power(bmc: RealBmc, pool: WorkerPool) -> IpmiPower:
    return power_of(bmc, pool)


def workers() -> set[int]:
    """Return the pids of this process's workers."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {pid for pid in map(int, children) if b"ipmi.worker" in command_line(pid)}


def command_line(pid: int) -> bytes:
    """Return a process's arguments; just after its start they are not there yet."""
    path = Path(f"/proc/{pid}/cmdline")
    wait_until(path.read_bytes, what="a process without arguments")
    return path.read_bytes()


def test_network_is_set_as_boot_device_before_power_goes_on(bmc: RealBmc, power: IpmiPower) -> None:
    assert power.turn_on() is PowerState.ON
    assert bmc.commands() == ["boot pxe", "power 1"]


def test_boot_device_of_a_running_machine_is_left_alone(bmc: RealBmc, power: IpmiPower) -> None:
    bmc.machine("power", "1")
    assert power.turn_on() is PowerState.ON
    assert bmc.commands() == []


def test_machine_that_would_not_boot_from_the_network_stays_off(bmc: RealBmc, power: IpmiPower) -> None:
    (bmc.folder / "stubborn").touch()
    with pytest.raises(DeviceError, match="network"):
        power.turn_on()
    assert bmc.machine("power") == "0"


def test_lying_bmc_does_not_make_us_claim_what_we_have_not_seen(bmc: RealBmc, pool: WorkerPool) -> None:
    (bmc.folder / "stuck").touch()
    assert power_of(bmc, pool, deadline_s=2.0).turn_on() is PowerState.OFF
    bmc.machine("power", "1")
    assert power_of(bmc, pool, deadline_s=2.0).turn_off() is PowerState.ON


def test_slow_machine_is_awaited(bmc: RealBmc, power: IpmiPower) -> None:
    (bmc.folder / "stuck").touch()
    with ThreadPoolExecutor(1) as aside:
        outcome = aside.submit(power.turn_on)
        wait_until(lambda: "power 1" in bmc.commands(), what="it is not switched on")
        time.sleep(0.3)
        bmc.machine("power", "1")
        assert outcome.result(timeout=10) is PowerState.ON


def test_wrong_password_is_refused_and_the_right_one_still_works(bmc: RealBmc, pool: WorkerPool) -> None:
    right, wrong = power_of(bmc, pool), power_of(bmc, pool, password="guess")  # noqa: S106 - wrong on purpose
    for _ in range(3):
        assert right.status() is PowerState.OFF
        with pytest.raises(DeviceError, match="password"):
            wrong.status()


def test_nobody_at_the_address_is_given_up_at_the_deadline(bmc: RealBmc, pool: WorkerPool) -> None:
    bmc.process.kill()
    bmc.process.wait(timeout=5)
    begun = time.monotonic()
    with pytest.raises(TransientError):
        power_of(bmc, pool, deadline_s=1.0).status()
    assert time.monotonic() - begun < 30


def test_overrun_kills_the_worker_and_another_one_takes_its_place(bmc: RealBmc) -> None:
    with contextlib.closing(WorkerPool(size=1)) as small:
        known = workers()
        with hung(bmc.process), pytest.raises(TransientError) as caught:
            power_of(bmc, small, deadline_s=1.0).status()
        assert caught.value.reason == "BmcSilent"
        assert workers() != known
        assert len(workers()) == len(known)
        assert power_of(bmc, small).status() is PowerState.OFF


def test_worker_that_dies_is_replaced(bmc: RealBmc) -> None:
    before = workers()
    with contextlib.closing(WorkerPool(size=1)) as small:
        (mine,) = workers() - before
        os.kill(mine, signal.SIGKILL)
        with pytest.raises(TransientError):
            power_of(bmc, small).status()
        assert power_of(bmc, small).status() is PowerState.OFF
    assert workers() == before


def test_calls_to_one_bmc_take_turns_and_to_two_go_on_together(bmc: RealBmc, pool: WorkerPool) -> None:
    with RealBmc() as other, ThreadPoolExecutor(8) as threads:
        powers = [power_of(each, pool) for each in (bmc, other) for _ in range(4)]
        assert set(threads.map(lambda power: power.turn_on(), powers)) == {PowerState.ON}
        assert bmc.commands() == other.commands() == ["boot pxe", "power 1"]


def test_password_is_in_no_argument_and_no_variable(bmc: RealBmc, power: IpmiPower) -> None:
    power.status()
    for pid in workers():
        for name in ("cmdline", "environ"):
            assert bmc.password.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_secrets_do_not_show(bmc: RealBmc) -> None:
    credentials = Credentials(user="admin", password=Secret(b"hidden"))
    request = Request(operation="status", address="a", port=1, user="u", password="hidden", timeout_s=1.0)  # noqa: S106
    assert "hidden" not in f"{credentials!r} {credentials.password} {request!r} {request}"
    assert credentials.password == Secret(b"hidden")
    assert credentials.password != Secret(b"other")
    assert bmc.process.poll() is None


def test_workers_end_with_the_process_that_started_them() -> None:
    program = (
        "import os, sys, time\n"
        "from reconciler.drivers.ipmi.pool import WorkerPool\n"
        "pool = WorkerPool(size=2)\n"
        "print(*open(f'/proc/self/task/{os.getpid()}/children').read().split(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = parent.stdout.readline().split()
        assert len(pids) == 2
        parent.kill()
        parent.wait(timeout=5)
    wait_until(lambda: not any(_is_alive(int(pid)) for pid in pids), what="workers outlive their pool")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("line", [b"", b"null\n", b"{}\n", b"[1]\n", b"\xff\n", b'{"operation": "reset"}\n'])
def test_worker_answers_what_it_does_not_understand(line: bytes) -> None:
    assert answer(line).outcome == "refused"


def test_messages_survive_the_pipe() -> None:
    request = Request(operation="on", address="::1", port=623, user="ü", password='p\n"', timeout_s=0.5)  # noqa: S106
    assert Request.decode(request.encode()) == request
    assert request.encode().count(b"\n") == 1
    reply = Reply(outcome="state", text="ON")
    assert Reply.decode(reply.encode()) == reply


def test_dead_bmcs_leave_a_worker_to_the_others(bmc: RealBmc) -> None:
    with contextlib.ExitStack() as stack:
        small = stack.enter_context(contextlib.closing(WorkerPool(size=2)))
        dead = [stack.enter_context(RealBmc()) for _ in range(2)]
        live = power_of(bmc, small, deadline_s=30.0)
        assert live.status() is PowerState.OFF
        for each in dead:
            stack.enter_context(hung(each.process))
            with pytest.raises(TransientError):
                power_of(each, small, deadline_s=0.5).status()
        threads = stack.enter_context(ThreadPoolExecutor(2))
        waiting = [threads.submit(power_of(each, small, deadline_s=5.0).status) for each in dead]
        assert live.status() is PowerState.OFF
        assert not any(each.done() for each in waiting), "the live one did not wait for the dead"
        for each in waiting:
            assert isinstance(each.exception(timeout=20), TransientError)


def test_bmc_that_was_silent_twice_is_left_alone_for_a_while(bmc: RealBmc) -> None:
    with contextlib.closing(WorkerPool(size=1)) as small, hung(bmc.process):
        for _ in range(2):
            with pytest.raises(TransientError):
                power_of(bmc, small, deadline_s=0.5).status()
        before = workers()
        with pytest.raises(TransientError, match="2 times in a row"):
            power_of(bmc, small).status()
        assert workers() == before
