"""Process 1 of the lab: builds the data centre, keeps its services, reaps its children.

Started by ``lab up`` inside ``unshare -Urnmpf --mount-proc``. When it ends, for whatever
reason, the kernel kills everything in its pid namespace and drops every network and
mount with it; there is nothing else to clean up. Steps, in this order:

1. /run becomes a tmpfs of the lab's own;
2. keys, passwords, settings, TPMs;
3. namespaces, wires, the switch with every port on its VLAN, before any service can speak;
4. services; then the readiness line is written to the descriptor that ``lab up`` watches.

SIGTERM and SIGINT end the lab, SIGHUP makes dnsmasq read its boot options again.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from reconciler.errors.taxonomy import RingfenceError, TransientError
from reconciler.lab import bmc, dhcp, layout, network, provision, requirements, services, topology, tpm
from reconciler.lab.layout import StateDir
from reconciler.lab.process import run
from reconciler.lab.topology import VirtualNode

_SWITCH_DEADLINE_S = 20.0
_SERVICE_DEADLINE_S = 15.0


def log(line: str) -> None:
    """Write one line to the supervisor's log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{stamp} {line}\n")
    sys.stderr.flush()


def _mount_run(state: StateDir) -> None:
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    # All BMCs keep their state below the last one; two that make it at once would stop one of them.
    bmcs = (layout.RUN / "bmc", layout.RUN / "bmc" / "ipmi_sim")
    for folder in (layout.RUN, layout.RUN / "ovs", layout.RUN / "light", *bmcs):
        folder.mkdir(mode=0o700)
    layout.LINK.symlink_to(state.root)
    chassis = layout.RUN / "chassis"
    layout.write_file(chassis, f"#!/bin/sh\nexec '{sys.executable}' -m reconciler.lab.chassis \"$@\"\n", mode=0o700)


def _make_tpms(nodes: Sequence[VirtualNode]) -> None:
    state = layout.here()
    tpm.make_authority(state.ca)

    def make(node: VirtualNode) -> None:
        home = state.node(node.name)
        if not (home / "tpm" / "tpm2-00.permall").exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            tpm.make_tpm(home / "tpm", authority=state.ca, scratch=state.root / "tmp")

    make(nodes[0])  # The first one also makes the authority's keys; only then may the others run side by side.
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(make, nodes[1:]))


def _make_network(nodes: Sequence[VirtualNode]) -> None:
    run(network.sysctl_argv(None))
    for name in network.namespaces(nodes):
        run(["ip", "netns", "add", name])
        run(network.sysctl_argv(name))
    run(["ip", "-batch", "-"], text=network.links_batch(nodes))
    for name in network.namespaces(nodes):
        run(["nsenter", f"--net=/run/netns/{name}", "ip", "-batch", "-"], text=network.addresses_batch(name, nodes))
    for argv in network.offload_argvs(nodes):
        run(argv)


def _wait_for(path: Path, *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        if time.monotonic() > deadline:
            raise TransientError(f"{path.name}", f"was not there after {timeout_s:g} s", reason="LabTimeout")
        time.sleep(0.02)


def _make_switch(nodes: Sequence[VirtualNode], keeper: services.Keeper) -> None:
    home = layout.RUN / "ovs"
    run(["ovsdb-tool", "create", str(home / "conf.db"), str(requirements.SWITCH_SCHEMA)])
    database, forwarding = services.switch_services()
    keeper.start(database, now_s=time.monotonic())
    _wait_for(home / "db.sock", timeout_s=_SWITCH_DEADLINE_S)
    run(["ovs-vsctl", f"--db={services.DATABASE_SOCKET}", "--timeout=10", "--no-wait", "init"])
    keeper.start(forwarding, now_s=time.monotonic())
    run(network.switch_argv(nodes, database=services.DATABASE_SOCKET), timeout_s=_SWITCH_DEADLINE_S + 5)


def _write_configurations(nodes: Sequence[VirtualNode]) -> None:
    state = layout.here()
    options = layout.RUN / "boot-options"
    layout.write_file(
        layout.RUN / "dnsmasq.conf",
        dhcp.configuration(nodes, options_file=str(options), lease_file=str(layout.RUN / "leases")),
    )
    layout.write_file(options, dhcp.boot_options(nodes))
    layout.write_file(layout.RUN / "bmc" / "sim.emu", bmc.EMULATION)
    passwords = layout.read_json(state.credentials) or {}
    for node in nodes:
        text = bmc.lan_configuration(
            node, password=passwords[node.credentials]["password"], chassis=str(layout.RUN / "chassis")
        )
        layout.write_file(layout.RUN / "bmc" / f"{node.name}.conf", text, mode=0o600)


def _listens(pid: int, *, table: str, port: int) -> bool:
    """Say whether ``port`` is bound in the network namespace of ``pid`` (proc_net(5))."""
    try:
        lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in lines)


def _wait_for_services(nodes: Sequence[VirtualNode], keeper: services.Keeper) -> None:
    """Wait until every service that others rely on has bound its port."""
    wanted = [
        (services.SWITCH_SERVICES[0], "tcp", topology.OVSDB_PORT),
        (services.DNSMASQ, "udp", 67),
        ("tenant", "tcp", 80),
        ("rogue", "tcp", topology.ROGUE_PORT),
        *((f"bmc-{node.name}", "udp", node.bmc_port) for node in nodes),
    ]
    deadline = time.monotonic() + _SERVICE_DEADLINE_S
    for name, table, port in wanted:
        started = keeper.process(name)
        while started is None or not _listens(started.pid, table=table, port=port):
            if started is None or started.poll() is not None or time.monotonic() > deadline:
                raise TransientError(f"service {name}", "does not listen", reason="LabServiceSilent")
            time.sleep(0.02)


class Supervisor:
    """The reaping loop; signals only set flags and wake it."""

    def __init__(self, state: StateDir) -> None:
        """Take over signals; from here on SIGTERM ends the lab."""
        self._keeper = services.Keeper(state)
        self._stopping = False
        self._reread = False
        self._wake, self._rouse = socket.socketpair()
        self._wake.settimeout(0)
        self._rouse.settimeout(0)
        signal.set_wakeup_fd(self._rouse.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
        if number == signal.SIGHUP:
            self._reread = True

    def build(self, nodes: Sequence[VirtualNode], *, settings: Path) -> None:
        """Build everything, in the order that the module's docstring gives."""
        _make_tpms(nodes)
        log("TPMs made")
        _make_network(nodes)
        _make_switch(nodes, self._keeper)
        log("network built")
        _write_configurations(nodes)
        for service in services.other_services(nodes, settings=settings):
            self._keeper.start(service, now_s=time.monotonic())
        _wait_for_services(nodes, self._keeper)

    def _reap(self) -> None:
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            line = self._keeper.ended(pid, status=os.waitstatus_to_exitcode(raw), now_s=time.monotonic())
            if line:
                log(line)

    def supervise(self) -> None:
        """Reap, restart and forward until told to stop."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._stopping:
                self._reap()
                dnsmasq = self._keeper.process(services.DNSMASQ)
                if self._reread and dnsmasq is not None:
                    self._reread = False
                    dnsmasq.send_signal(signal.SIGHUP)
                pause_s = self._keeper.start_due(now_s=time.monotonic())
                layout.write_json(layout.RUN / "services.json", self._keeper.pids())
                selector.select(max(pause_s, 0.05))
                while self._drain():
                    pass
        log("stopping")

    def _drain(self) -> bytes:
        try:
            return self._wake.recv(512)
        except BlockingIOError:
            return b""


def main(arguments: list[str]) -> int:
    """Be process 1 of the lab in STATE; report readiness on the descriptor READY."""
    state, ready = StateDir(root=Path(arguments[0])), int(arguments[1])
    os.umask(0o077)
    lab = layout.read_json(state.lab_file) or {}
    nodes = topology.of(lab)
    supervisor = Supervisor(state)
    try:
        _mount_run(state)
        provision.provision(state, nodes=nodes)
        supervisor.build(nodes, settings=state.settings)
    except RingfenceError as error:
        log(f"error: {error}")
        os.write(ready, f"error {error}\n".encode())
        return error.exit_code
    log("ready")
    os.write(ready, b"ready\n")
    os.close(ready)
    supervisor.supervise()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
