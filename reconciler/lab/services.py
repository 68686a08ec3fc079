"""The lab's long-running programs, and how they are kept running.

A ``Service`` is a command line and the namespace it stands in; ``catalogue`` lists them
all. ``Keeper`` starts them and starts one again, after a growing pause, when it ends.
Nothing here waits or sleeps: the supervisor says what time it is.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.lab import bmc, layout, topology
from reconciler.lab.layout import StateDir
from reconciler.lab.process import environment
from reconciler.lab.topology import VirtualNode

DATABASE_SOCKET = f"unix:{layout.RUN}/ovs/db.sock"
DNSMASQ = "dnsmasq"
SWITCH_SERVICES = ("ovsdb-server", "ovs-vswitchd")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_STEADY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One program: its name is also its log file's."""

    name: str
    argv: tuple[str, ...]
    namespace: str | None = None
    env: dict[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Return the full command line, entered into its namespace."""
        prefix = ["nsenter", f"--net=/run/netns/{self.namespace}", "--"] if self.namespace else []
        return [*prefix, *self.argv]


def switch_services() -> list[Service]:
    """Return the switch: its database, then its forwarding plane."""
    run = layout.RUN / "ovs"
    env = {"OVS_RUNDIR": str(run), "OVS_LOGDIR": str(run), "OVS_DBDIR": str(run)}
    database, forwarding = SWITCH_SERVICES
    return [
        Service(
            name=database,
            argv=(
                "ovsdb-server", str(run / "conf.db"), f"--remote=punix:{run}/db.sock",
                f"--remote=ptcp:{topology.OVSDB_PORT}:127.0.0.1", f"--unixctl={run}/ovsdb.ctl",
                "-vconsole:warn", "-vfile:off", "-vsyslog:off",
            ),
            env=env,
        ),
        Service(
            name=forwarding,
            argv=(
                "ovs-vswitchd", DATABASE_SOCKET, "--disable-system", f"--unixctl={run}/vswitchd.ctl",
                "-vconsole:warn", "-vfile:off", "-vsyslog:off",
            ),
            env=env,
        ),
    ]  # fmt: skip


def other_services(nodes: Sequence[VirtualNode], *, settings: Path) -> list[Service]:
    """Return everything that stands on the switch: DHCP, BMCs, the tenant's service, ours, and the rogue one."""
    python = sys.executable
    found = [
        Service(
            name=DNSMASQ,
            argv=("dnsmasq", "--no-daemon", f"--conf-file={layout.RUN}/dnsmasq.conf"),
            namespace=topology.SERVICE_NAMESPACE,
        ),
        Service(
            name="tenant",
            argv=(python, "-m", "reconciler.lab.tenant", topology.TENANT_ADDRESS, "80"),
            namespace=topology.TENANT_NAMESPACE,
        ),
        Service(
            name="rogue",
            argv=(python, "-m", "reconciler.lab.rogue", str(topology.ROGUE_PORT)),
            namespace=topology.SERVICE_NAMESPACE,
        ),
        Service(
            name="serve",
            argv=(python, "-m", "reconciler.cli.main", "serve"),
            namespace=topology.SERVICE_NAMESPACE,
            env={"RINGFENCE_SETTINGS": str(settings)},
        ),
    ]
    for node in nodes:
        home = layout.RUN / "bmc"
        argv = bmc.argv(lan=str(home / f"{node.name}.conf"), emulation=str(home / "sim.emu"), state=str(home))
        found.append(Service(name=f"bmc-{node.name}", argv=tuple(argv)))
    return found


@dataclass(slots=True, kw_only=True)
class _Kept:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    due_s: float = 0.0


class Keeper:
    """Starts services and restarts those that end; the supervisor reaps and keeps the time."""

    def __init__(self, state: StateDir) -> None:
        """Keep services whose logs go below ``state``."""
        self._logs = state.logs
        self._kept: dict[str, _Kept] = {}

    def start(self, service: Service, *, now_s: float) -> None:
        """Start ``service`` and keep it running from now on."""
        kept = self._kept.setdefault(service.name, _Kept(service=service))
        with (self._logs / f"{service.name}.log").open("ab") as log:
            kept.process = subprocess.Popen(
                service.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment(service.env), start_new_session=True,
            )  # fmt: skip
        kept.started_s = now_s

    def ended(self, pid: int, *, status: int, now_s: float) -> str | None:
        """Take note that ``pid`` has ended; return a line for the log if it was one of the services."""
        for name, kept in self._kept.items():
            if kept.process is not None and kept.process.pid == pid:
                kept.process.returncode = status
                kept.process = None
                steady = now_s - kept.started_s > _STEADY_S
                kept.pause_s = _FIRST_PAUSE_S if steady else min(kept.pause_s * 2, _LONGEST_PAUSE_S)
                kept.due_s = now_s + kept.pause_s
                return f"{name} ended with status {status}; it is started again in {kept.pause_s:g} s"
        return None

    def start_due(self, *, now_s: float) -> float:
        """Start what is due again; return the seconds until the next one is (a minute when none waits)."""
        waiting = [kept for kept in self._kept.values() if kept.process is None]
        for kept in waiting:
            if kept.due_s <= now_s:
                self.start(kept.service, now_s=now_s)
        return min((kept.due_s - now_s for kept in waiting if kept.process is None), default=60.0)

    def process(self, name: str) -> subprocess.Popen[bytes] | None:
        """Return the running process of a service."""
        kept = self._kept.get(name)
        return kept.process if kept else None

    def pids(self) -> dict[str, int]:
        """Return the pid of every service that runs now."""
        return {name: kept.process.pid for name, kept in self._kept.items() if kept.process is not None}
