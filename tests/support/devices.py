"""Real peers for the drivers, started by tests and ended by their pids: Open vSwitch and OpenIPMI's BMC.

Everything is on loopback and in a folder of its own; nothing needs privileges. The switch runs Open vSwitch's
``dummy`` datapath: configuration is real and applied by a real ovs-vswitchd, but no frame moves.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_DEADLINE_S = 10.0
_VSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PROGRAMS = ("ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovs-vsctl", "ipmi_sim")


def missing_programs() -> list[str]:
    """Return the programs that these peers need and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


class Peer:
    """A folder and some processes in it, all ended at the end."""

    def __init__(self) -> None:
        """Make the folder; its path is short, because sockets' paths must be."""
        self.folder = Path(tempfile.mkdtemp(prefix="rf-"))
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End what was started, hung or not."""
        for process in reversed(self.processes):
            process.kill()
            process.wait(timeout=_DEADLINE_S)
        shutil.rmtree(self.folder)

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program that stays in the foreground."""
        with (self.folder / f"{Path(argv[0]).name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd=self.folder
            )
        self.processes.append(process)
        return process

    @property
    def environment(self) -> dict[str, str]:
        """Return what the programs see."""
        own = {name: str(self.folder) for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR")}
        return {**own, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "RF_STATE": str(self.folder)}

    def run(self, *argv: str) -> str:
        """Run a program to its end and return what it says."""
        done = subprocess.run(
            argv, env=self.environment, cwd=self.folder, timeout=_DEADLINE_S, check=True, capture_output=True
        )
        return done.stdout.decode()


@contextlib.contextmanager
def hung(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process in its tracks for a while: its sockets are there, and nobody answers."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def wait_until(is_so: object, *, what: str) -> None:
    """Ask ``is_so()`` until it says yes."""
    assert callable(is_so)
    end_s = time.monotonic() + _DEADLINE_S
    while not is_so():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


class RealSwitch(Peer):
    """An Open vSwitch with bridge ``tor`` (swp1, swp2 parked on 999) and bridge ``other`` (its1)."""

    datapath = kind = "dummy"
    options: tuple[str, ...] = ("--enable-dummy=override",)

    def __init__(self) -> None:
        """Start it."""
        super().__init__()
        with contextlib.ExitStack() as undo:
            undo.push(self)
            self.run("ovsdb-tool", "create", "conf.db", str(_VSWITCH_SCHEMA))
            self.port = 0
            self.start_database()
            self.start_daemon()
            for bridge in ("tor", "other"):
                self.configure("add-br", bridge, "--", "set", "bridge", bridge, f"datapath_type={self.datapath}")
            for bridge, port in (("tor", "swp1"), ("tor", "swp2"), ("other", "its1")):
                self.add_port(port, bridge=bridge)
            undo.pop_all()

    def start_daemon(self) -> None:
        """Start the forwarding plane."""
        self.daemon = self.start(*self.enter(), "ovs-vswitchd", f"unix:{self.folder}/db.sock", *self.options,
                                 "--disable-system", "--disable-system-route", "-vconsole:off",
                                 f"--unixctl={self.folder}/v.ctl")  # fmt: skip

    def enter(self) -> tuple[str, ...]:
        """Return the words before the command of the forwarding plane: where it is to run."""
        return ()

    def add_port(self, port: str, *, bridge: str = "tor", vlan: int = 999) -> None:
        """Make a port, an access port of ``vlan`` from the first instant; on 999 it is parked."""
        self.configure("add-port", bridge, port, f"tag={vlan}", "vlan_mode=access",
                       f"protected={'true' if vlan == 999 else 'false'}",  # the parking VLAN
                       "--", "set", "interface", port, f"type={self.kind}")  # fmt: skip

    @property
    def address(self) -> str:
        """Return where its database is."""
        return f"tcp:127.0.0.1:{self.port}"

    def start_database(self) -> None:
        """Start the database server, on the port it had before, if any."""
        log = self.folder / "db.log"
        log.unlink(missing_ok=True)
        (self.folder / "db.sock").unlink(missing_ok=True)
        self.database = self.start("ovsdb-server", "conf.db", f"--remote=punix:{self.folder}/db.sock",
                                   f"--remote=ptcp:{self.port}:127.0.0.1", f"--log-file={log}",
                                   "-vconsole:off", f"--unixctl={self.folder}/d.ctl")  # fmt: skip
        listening = "127.0.0.1: listening on port "
        wait_until(lambda: log.exists() and (self.port or listening in log.read_text()), what="no database server")
        if not self.port:
            self.port = int(log.read_text().split(listening)[1].split()[0])
        else:
            wait_until((self.folder / "db.sock").exists, what="no database server")
        self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "--no-wait", "init")

    def stop_database(self) -> None:
        """End the database server."""
        self.database.terminate()
        self.database.wait(timeout=_DEADLINE_S)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Make the database a replica of one that is not there: it tells everything and takes nothing in."""
        say = ("ovs-appctl", "-t", f"{self.folder}/d.ctl")
        self.run(*say, "ovsdb-server/set-active-ovsdb-server", "tcp:127.0.0.1:1")
        self.run(*say, "ovsdb-server/connect-active-ovsdb-server")
        try:
            yield
        finally:
            self.run(*say, "ovsdb-server/disconnect-active-ovsdb-server")

    def resume(self) -> None:
        """Let a forwarding plane that was held up go on."""
        self.daemon.send_signal(signal.SIGCONT)

    def configure(self, *words: str) -> str:
        """Change or read the configuration with Open vSwitch's own tool, and wait until it is applied."""
        return self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", *words).strip()

    def send(self, port: str, mac: str) -> None:
        """Have the machine behind ``port`` broadcast a frame from ``mac``, so that the switch learns it."""
        flow = (
            f"in_port(1),eth(src={mac},dst=ff:ff:ff:ff:ff:ff),eth_type(0x0800),"
            "ipv4(src=10.0.0.1,dst=10.0.0.255,proto=1,tos=0,ttl=64,frag=no),icmp(type=8,code=0)"
        )
        self.run("ovs-appctl", "-t", f"{self.folder}/v.ctl", "netdev-dummy/receive", port, flow)

    def column(self, port: str, name: str) -> str:
        """Return a column of a port, as the tool shows it."""
        return self.configure("get", "port", port, name)


_EMULATION = """mc_setbmc 0x20
mc_add 0x20 0 has-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""
_CHASSIS = """#!/bin/sh
# Called by ipmi_sim: chassis get|set WHAT [VALUE ...]; the files "power" and "boot" are the machine.
cd "$RF_STATE" || exit 1
verb=$1; shift
if [ "$verb" = get ]; then
    for what in "$@"; do echo "$what:$(cat "$what")"; done
else
    echo "$@" >> done
    while [ $# -gt 1 ]; do
        if [ "$1" = power ] && [ -e stuck ]; then exit 0; fi
        if [ "$1" = boot ] && [ -e stubborn ]; then exit 0; fi
        printf %s "$2" > "$1"; shift 2
    done
fi
"""


class RealBmc(Peer):
    """A BMC on a loopback UDP port, whose machine is two files."""

    user = "admin"
    password = "its-password"  # noqa: S105 - made up, for a BMC that lives as long as a test

    def __init__(self) -> None:
        """Start it, with the machine off."""
        super().__init__()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.machine("power", "0")
        self.machine("boot", "default")
        chassis = self.folder / "chassis"
        chassis.write_text(_CHASSIS)
        chassis.chmod(stat.S_IRWXU)
        (self.folder / "sim.emu").write_text(_EMULATION)
        (self.folder / "lan.conf").write_text(
            'name "bmc"\nset_working_mc 0x20\n  startlan 1\n'
            f"    addr 127.0.0.1 {self.port}\n    priv_limit admin\n"
            + "".join(
                f"    allowed_auths_{w} none md2 md5 straight\n" for w in ("callback", "user", "operator", "admin")
            )
            + f'    guid {1:032x}\n  endlan\n  chassis_control "{chassis}"\n'
            f'  user 2 true "{self.user}" "{self.password}" admin 10 none md2 md5 straight\n'
        )
        self.boot()

    def boot(self) -> None:
        """Start the BMC's process, for the first time or again."""
        self.process = self.start("ipmi_sim", "-c", "lan.conf", "-f", "sim.emu", "-s", str(self.folder), "-n")

    def halt(self) -> None:
        """End the BMC's process; the machine stays as it is."""
        self.process.kill()
        self.process.wait(timeout=_DEADLINE_S)

    def machine(self, what: str, value: str | None = None) -> str:
        """Return (or set) the truth: ``power`` is 0 or 1, ``boot`` a device's name."""
        path = self.folder / what
        if value is not None:
            path.write_text(value)
        return path.read_text()

    def commands(self) -> list[str]:
        """Return what the machine was told, in order."""
        path = self.folder / "done"
        return path.read_text().splitlines() if path.exists() else []
