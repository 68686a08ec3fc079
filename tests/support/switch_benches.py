"""Benches for the isolation port: a switch, a handle to what is really so, and the ways in which switches go wrong.

Each bench is a context manager in ``SWITCHES`` of ``tests/contracts/conftest.py``; see ``benches``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from reconciler.drivers.netconf_model import MODELS
from reconciler.drivers.openvswitch import OpenVswitch
from reconciler.model.observed import PortMode, PortState
from reconciler.model.trunks import Carried
from reconciler.ports.isolation import Switch
from tests.support.benches import DEADLINE_S, Failing, failing
from tests.support.devices import RealSwitch, hung, wait_until
from tests.support.netconf import NXOS, OPENCONFIG, RealNetconf, Speech
from tests.support.world_line import FOREVER, Fault, FaultKind, Line
from tests.support.world_switch import SimulatedSwitch, access

PARKING = 999
EVERY_VLAN = frozenset(range(1, 4095))
NETCONF_DEADLINE_S = 8.0


@dataclass(kw_only=True)
class SwitchBench:
    """A switch with ports swp1 and swp2, parked on 999; ``node`` is whom a port's description names.

    It is None where ports have no descriptions. ``trunk`` is what a port carries that ``make_trunk`` made one, None
    where the switch does not tell.
    ``silent``: it does not answer. ``refusing``: it refuses every write. ``half``: of a batch, swp2 does not stay where
    it was sent, and the switch says so. ``rebooting``: it goes away in the middle of the next write, and comes back.
    """

    switch: Switch
    truth: Callable[[str], PortState]
    node: Callable[[str], str] | None
    make_trunk: Callable[[str], None]
    trunk: Carried | None
    silent: Failing
    refusing: Failing
    half: Failing
    rebooting: Failing


@contextmanager
def simulated_switch() -> Iterator[SwitchBench]:
    """Give a switch of the simulated world."""
    line = Line()
    switch = SimulatedSwitch("tor", ports={"swp1": access(PARKING), "swp2": access(PARKING)}, line=line)

    def make_trunk(port: str) -> None:
        switch.truth[port] = PortState(mode=PortMode.OTHER)

    def writes(kind: FaultKind, *, skip: int = 0, times: int = FOREVER) -> Failing:
        @contextmanager
        def fail() -> Iterator[None]:
            line.faults.append(Fault(device="switch/*", operation="apply", kind=kind, skip=skip, times=times))
            try:
                yield
            finally:
                line.faults.clear()

        return fail

    yield SwitchBench(
        switch=switch,
        truth=lambda port: switch.truth[port],
        node=lambda port: switch.labels.get(port, ""),
        make_trunk=make_trunk,
        trunk=None,
        silent=failing(line, "switch/*", FaultKind.HANG),
        refusing=writes(FaultKind.REFUSED),
        half=writes(FaultKind.OLD, skip=1),
        rebooting=writes(FaultKind.TRANSIENT, skip=1, times=1),
    )


@contextmanager
def openvswitch() -> Iterator[SwitchBench]:
    """Give a real Open vSwitch."""
    with RealSwitch() as real:
        switch = OpenVswitch("tor", address=real.address, bridge="tor", parking=PARKING, deadline_s=DEADLINE_S)

        def truth(port: str) -> PortState:
            mode, tag, trunks, kept = (real.column(port, name) for name in ("vlan_mode", "tag", "trunks", "protected"))
            is_plain = (mode, trunks) == ("access", "[]") and kept == ("true" if tag == str(PARKING) else "false")
            return access(int(tag)) if is_plain else PortState(mode=PortMode.OTHER)

        def make_trunk(port: str) -> None:
            real.configure("clear", "port", port, "tag", "--", "clear", "port", port, "vlan_mode")

        with contextlib.closing(switch):
            yield SwitchBench(
                switch=switch,
                truth=truth,
                node=lambda port: real.configure("get", "port", port, "external_ids:ringfence-node").strip('"'),
                make_trunk=make_trunk,
                trunk=Carried(vlans=EVERY_VLAN),
                silent=lambda: hung(real.database),
                refusing=real.read_only,
                half=lambda: _in_the_middle(real, "swp2", do=lambda: _meddle(real, "swp2")),
                rebooting=lambda: _in_the_middle(real, "swp1", do=lambda: _restart(real)),
            )


def netconf() -> AbstractContextManager[SwitchBench]:
    """Give a real NETCONF server that speaks OpenConfig."""
    return _netconf("openconfig", speech=OPENCONFIG, trunk=Carried(vlans=EVERY_VLAN - {PARKING}, native=PARKING))


def netconf_nxos() -> AbstractContextManager[SwitchBench]:
    """Give a real NETCONF server that speaks the model of NX-OS."""
    return _netconf("nxos", speech=NXOS, trunk=Carried(vlans=EVERY_VLAN - {1}, native=1))


@contextmanager
def _netconf(model: str, *, speech: Speech, trunk: Carried) -> Iterator[SwitchBench]:
    from reconciler.drivers.netconf import Netconf, SshLogin

    with RealNetconf(speech) as real:
        switch = Netconf(
            "tor",
            address=real.address,
            login=SshLogin(user=real.user, key=real.user_key, host_key=real.host_key),
            parking=PARKING,
            model=MODELS[model],
            deadline_s=NETCONF_DEADLINE_S,
        )

        def truth(port: str) -> PortState:
            vlan = real.vlan(port)
            is_so = vlan is not None and real.is_off(port) == (vlan == PARKING)
            return access(vlan) if vlan is not None and is_so else PortState(mode=PortMode.OTHER)

        @contextmanager
        def rebooting() -> Iterator[None]:
            with real.fault("reboot"):
                yield
            real.restart()

        @contextmanager
        def silent() -> Iterator[None]:
            with hung(real.netconfd):
                yield

        with contextlib.closing(switch):
            yield SwitchBench(
                switch=switch,
                truth=truth,
                node=lambda port: real.description(port).removeprefix("ringfence: "),
                make_trunk=real.make_trunk,
                trunk=trunk,
                silent=silent,
                refusing=lambda: real.fault("refuse"),
                half=lambda: real.fault("half"),
                rebooting=rebooting,
            )


@contextmanager
def _in_the_middle(real: RealSwitch, port: str, *, do: Callable[[], None]) -> Iterator[None]:
    """Do something when ``port`` was written and the forwarding plane, held up till then, has not applied it."""
    before = real.column(port, "tag")

    def watch() -> None:
        wait_until(lambda: real.column(port, "tag") != before, what="nothing was written")
        do()

    with concurrently(watch), hung(real.daemon):
        yield


def _meddle(real: RealSwitch, port: str) -> None:
    real.configure("--no-wait", "set", "port", port, f"tag={PARKING}", "protected=true")
    real.resume()


def _restart(real: RealSwitch) -> None:
    real.stop_database()
    real.start_database()


@contextmanager
def concurrently(work: Callable[[], None]) -> Iterator[None]:
    """Run ``work`` beside the body, and see that it came to its end."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # raised again below, in the test's thread
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]


SwitchFactory = Callable[[], AbstractContextManager[SwitchBench]]
