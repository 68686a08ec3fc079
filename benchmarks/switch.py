"""How long moving ports takes on Open vSwitch in user space, read-back included: ``make bench-switch``.

Two switches, each a real ovsdb-server and ovs-vswitchd in a folder of its own: one with 48 ports, as on top of a rack,
and one with 1,000, on which ovs-vswitchd itself takes longer over every change. The reference, measured on each in the
same run and by turns, is what ovsdbapp's own API takes to set tag and mode of one port, with nothing read back; it
keeps one connection a process, so each switch has a process of its own. A move is one call of the port, so the round
trips that confirm it are in the figure. Figures are seconds that passed, the switch's processes included; the median
of the rounds is told, and its ratio to the reference.
"""

# ruff: noqa: T201  # a script, which prints what it measured

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ovsdbapp.backend.ovs_idl.connection import Connection, OvsdbIdl
from ovsdbapp.schema.open_vswitch.impl_idl import OvsdbIdl as Api

from reconciler.drivers.openvswitch import OpenVswitch
from reconciler.drivers.paced_switch import PacedSwitch
from reconciler.ports.isolation import AccessPort, Switch
from tests.support.devices import RealSwitch

PARKING = 999
FEW, MANY = 48, 1_000
ROUNDS = 30
FEW_ROUNDS = 7
WORKERS = 16
_GROUP = 200
_DEADLINE_S = 600


@dataclass(kw_only=True)
class Case:
    """One piece of work, told what round it is; ``bar_s`` is the most that its median may be."""

    name: str
    work: Callable[[int], None]
    rounds: int
    bar_s: float | None = None
    took_s: list[float] = field(default_factory=list)

    def measure(self, number: int) -> None:
        """Do the work once and note how long it took."""
        begun = time.monotonic()
        self.work(number)
        self.took_s.append(time.monotonic() - begun)


def _add_ports(real: RealSwitch, names: Sequence[str]) -> None:
    for first in range(0, len(names), _GROUP):
        words: list[str] = []
        for name in names[first : first + _GROUP]:
            words += ["--", "add-port", "tor", name, f"tag={PARKING}", "vlan_mode=access", "protected=true"]
            words += ["--", "set", "interface", name, "type=dummy"]
        real.configure(*words[1:])


def _bare(address: str) -> Callable[[int], None]:
    """Return what sets the tag and the mode of one port through ovsdbapp's API."""
    api = Api(Connection(OvsdbIdl.from_server(address, "Open_vSwitch"), timeout=10))

    def work(number: int) -> None:
        api.db_set("Port", "p0", ("tag", 100 + number % 2), ("vlan_mode", "access")).execute(check_error=True)

    return work


def _move(switch: Switch, ports: Sequence[str], number: int) -> None:
    wanted = {port: AccessPort(vlan=200 + number % 2, node="r3u07") for port in ports}
    seen = switch.apply(wanted)
    if not all(seen[port].is_access(place.vlan) for port, place in wanted.items()):
        raise SystemExit("error: a port is not where it was sent")


def _cases(real: RealSwitch, switch: OpenVswitch, names: Sequence[str]) -> list[Case]:
    """Return the cases of one switch, the reference first."""
    where, is_large = f"{len(names):,} ports", len(names) == MANY
    rounds = FEW_ROUNDS if is_large else ROUNDS

    def callers(number: int) -> None:
        paced = PacedSwitch(switch, name="tor", per_second=1000)
        with ThreadPoolExecutor(WORKERS) as crowd:
            list(crowd.map(lambda port: _move(paced, [port], number), names))

    return [
        Case(name=f"{where}: one, by ovsdbapp alone", work=_bare(real.address), rounds=rounds),
        Case(
            name=f"{where}: one moved and read back",
            work=lambda number: _move(switch, names[1:2], number),
            rounds=rounds,
            bar_s=None if is_large else 0.020,
        ),
        Case(name=f"{where}: all read", work=lambda _: _read(switch, names), rounds=rounds),
        Case(
            name=f"{where}: all moved and read back",
            work=lambda number: _move(switch, names, number),
            rounds=FEW_ROUNDS,
            bar_s=2.0 if is_large else None,
        ),
        Case(name=f"{where}: a caller each, {WORKERS} at a time", work=callers, rounds=2 if is_large else FEW_ROUNDS),
    ]


def _read(switch: OpenVswitch, names: Sequence[str]) -> None:
    if len(switch.read_ports(names)) != len(names):
        raise SystemExit("error: a port is missing")


def _measure(count: int) -> bool:
    """Measure a switch with ``count`` ports and print its part of the table; return whether its bars are reached."""
    names = [f"p{index}" for index in range(count)]
    with (
        RealSwitch() as real,
        contextlib.closing(OpenVswitch("tor", address=real.address, bridge="tor", parking=PARKING, deadline_s=30)) as s,
    ):
        _add_ports(real, names)
        cases = _cases(real, s, names)
        for number in range(ROUNDS):
            for case in (case for case in cases if number < case.rounds):
                case.measure(number)
    reference = statistics.median(cases[0].took_s)
    told = [_tell(case, reference) for case in cases]
    return all(told)


def _tell(case: Case, reference_s: float) -> bool:
    median_s = statistics.median(case.took_s)
    bar, is_reached = "", True
    if case.bar_s is not None:
        is_reached = median_s < case.bar_s
        bar = f"{case.bar_s * 1000:,.0f} ms: {'' if is_reached else 'NOT '}reached"
    times = f"{median_s * 1000:>8.1f} ms{max(case.took_s) * 1000:>8.1f} ms"
    print(f"{case.name:<42}{times}{median_s / reference_s:>7.1f}x  {bar}")
    return is_reached


def main() -> int:
    """Measure, print the table, and return 1 if a bar is missed and --strict was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail if a bar is missed")
    parser.add_argument("--ports", type=int, choices=(FEW, MANY), help="measure the one switch with so many ports")
    arguments = parser.parse_args()
    if arguments.ports is None:
        print(f"{'case':<42}{'median':>11}{'worst':>11}{'ratio':>8}  bar", flush=True)
        command = [sys.executable, "-m", "benchmarks.switch", *(["--strict"] if arguments.strict else [])]
        ends = [
            subprocess.run([*command, "--ports", str(count)], check=False, timeout=_DEADLINE_S).returncode
            for count in (FEW, MANY)
        ]
        return max(ends)
    return 1 if not _measure(arguments.ports) and arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())
