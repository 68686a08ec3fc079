"""The simulated world: machines, switches, BMCs, the services, a custodian and an evidence branch behind the ports.

Rules: nothing moves unless somebody calls a port or lets time pass (``tick``); devices behave unless a fault says
otherwise; a monitor watches every effect. It decides nothing; it makes no plan.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from reconciler.model.desired import DatedImage, DesiredState
from reconciler.model.observed import PortMode, PortState
from reconciler.model.submission import Activation
from reconciler.ports.site import Site
from tests.support.monitor import Monitor
from tests.support.softtpm import SoftTpm
from tests.support.world_custodian import SimulatedCustodian
from tests.support.world_desk import Counter, SimulatedBoot, SimulatedDesk, SimulatedService
from tests.support.world_ledger import SimulatedLedger
from tests.support.world_line import Clock, Line
from tests.support.world_node import Machine
from tests.support.world_power import SimulatedPower
from tests.support.world_switch import SimulatedSwitch, access

TICK_S = 5
FOREIGN_VLAN = 4000
MISFORTUNES = ("reboot", "alter", "power-button", "agent-restart", "trunk", "foreign-vlan", "neighbour")
TRUNK = PortState(mode=PortMode.OTHER)


class World:
    """One site. ``desired`` is the newest trusted state, ``trusted`` are the commits that ever were."""

    def __init__(self, desired: DesiredState) -> None:
        """Build the site that ``desired`` has in its inventory: powered off, parked, plugged in as written there."""
        self.clock = Clock()
        self.line = Line(clock=self.clock)
        self.desired = desired
        self.trusted: dict[str, DesiredState] = {}
        self.counter = Counter()
        self.monitor = Monitor(self)
        self.service = SimulatedService(self.counter, airlocks={}, networks={}, issue=self._issue, now=self.clock.now)
        self.tpms: dict[bytes, SoftTpm] = {}
        self.machines: dict[str, Machine] = {}
        self.power: dict[str, SimulatedPower] = {}
        self.switches: dict[str, SimulatedSwitch] = {}
        self.boot = SimulatedBoot(self.counter, images=(), line=self.line)
        self.desk = SimulatedDesk(self.counter, line=self.line)
        self.custodian = SimulatedCustodian(line=self.line)
        self.ledger = SimulatedLedger(line=self.line)
        self._measurements = {image.spec.digest: image.spec.measurements for image in desired.images.values()}
        self._build()
        self.trust(desired)
        self.service.start()

    # What the outside does to it.

    def trust(self, desired: DesiredState) -> None:
        """Make ``desired`` the newest trusted state; the services learn of its networks and images."""
        former = {
            image.spec.digest: DatedImage(commit=commit, name=name, image=image)
            for commit, earlier in self.trusted.items()
            for name, image in earlier.images.items()
        }
        self.desired = desired = replace(desired, former_images=former)
        self.trusted[desired.commit] = desired
        self._measurements.update({i.spec.digest: i.spec.measurements for i in desired.images.values()})
        self.boot.images.update(self._measurements)
        self.service.airlocks.update({node.spec.airlock.vlan: name for name, node in desired.nodes.items()})
        self.service.networks.update({network.spec.vlan: name for name, network in desired.networks.items()})

    def tick(self, seconds: float) -> None:
        """Let time pass; machines boot, agents talk."""
        left = seconds
        while left > 0:
            self.clock.advance(min(TICK_S, left))
            left -= TICK_S
            for name in sorted(self.machines):
                self.machines[name].advance()

    def start_process(self, *, crash_at: int | None = None) -> None:
        """Start the reconciler's process; everything that an earlier one knew is gone."""
        self.line.start_process(crash_at=crash_at)
        self.monitor.start_process()

    def swap_tpm(self, node: str, *, label: str = "stranger") -> None:
        """Put another TPM, with a good certificate, into a machine."""
        tpm = SoftTpm(f"{label} in {node}")
        self.tpms[tpm.ek_certificate] = tpm
        self.machines[node].tpm = tpm

    def swap_cables(self, one: str, other: str) -> None:
        """Plug two machines into each other's switch ports."""
        first, second = self.machines[one], self.machines[other]
        first.cables, second.cables = second.cables, first.cables

    def spoil_port(self, node: str, *, state: PortState = TRUNK) -> None:
        """Change a node's first port behind the reconciler's back."""
        switch, port = self.ports_of(node)[0]
        self.switches[switch].truth[port] = state

    def befall(self, misfortune: str, *, node: str) -> None:
        """Let something happen to a machine or its port; see ``MISFORTUNES``."""
        machine = self.machines[node]
        names = sorted(self.machines)
        neighbour = names[(names.index(node) + 1) % len(names)]
        match misfortune:
            case "reboot" if machine.is_on:
                machine.reboot()
            case "alter" if machine.image is not None:
                machine.alter()
            case "power-button":
                (machine.power_off if machine.is_on else machine.power_on)()
            case "trunk":
                self.spoil_port(node)
            case "foreign-vlan":
                self.spoil_port(node, state=access(FOREIGN_VLAN))
            case "neighbour":
                self.spoil_port(node, state=access(self.airlock_of(neighbour)))
            case "agent-restart" if machine.image is not None and machine.agent is not None:
                machine.agent = None
            case _:
                pass

    @property
    def site(self) -> Site:
        """Return the ports, as the reconciler gets them."""
        return Site(
            switches=self.switches,
            powers=self.power,
            boot=self.boot,
            desk=self.desk,
            custodian=self.custodian,
            ledger=self.ledger,
        )

    # What is true of it.

    def ports_of(self, node: str) -> list[tuple[str, str]]:
        """Return the switch ports that the inventory gives to ``node``."""
        return [(cable.switch, cable.port) for cable in self.desired.nodes[node].spec.interfaces]

    def node_of_port(self, switch: str, port: str) -> str | None:
        """Return the node whose port this is by the inventory."""
        return next((node for node in self.desired.nodes if (switch, port) in self.ports_of(node)), None)

    def machine_at(self, switch: str, port: str) -> Machine | None:
        """Return the machine that is really plugged in."""
        return next((m for m in self.machines.values() if (switch, port) in m.cables.values()), None)

    def states_of(self, node: str) -> list[PortState]:
        """Return how the node's ports really are, in the order of its interfaces."""
        return [self.switches[switch].truth[port] for switch, port in self.ports_of(node)]

    def parking_of(self, node: str) -> int:
        """Return the VLAN that leads nowhere."""
        return self.desired.parking_vlan(node)

    def airlock_of(self, node: str) -> int:
        """Return the VLAN of the node's own airlock."""
        return self.desired.nodes[node].spec.airlock.vlan

    def endorsement_of(self, node: str) -> str:
        """Return the endorsement that is enrolled for ``node``."""
        return self.desired.nodes[node].spec.tpm.endorsement

    def vlan_of_enclave(self, enclave: str) -> int | None:
        """Return the VLAN of an enclave that is asked for."""
        return self.desired.enclave_vlan(enclave) if enclave in self.desired.enclaves else None

    def enclave_vlans(self) -> set[int]:
        """Return the VLANs of every network that any trusted commit ever had."""
        return {n.spec.vlan for desired in self.trusted.values() for n in desired.networks.values()}

    def parking_at(self, switch: str) -> int:
        """Return the VLAN that leads nowhere, by switch."""
        return self.desired.zones[self.desired.switches[switch].spec.zone].spec.parking_vlan

    # How it is wired.

    def _build(self) -> None:
        for name, node in self.desired.nodes.items():
            tpm = SoftTpm(name)
            self.tpms[tpm.ek_certificate] = tpm
            machine = Machine(
                name=name,
                tpm=tpm,
                cables={cable.name: (cable.switch, cable.port) for cable in node.spec.interfaces},
                service=self.service,
                measurements=self._measurements,
                reach=self._reach,
                now=self.clock.now,
                on_proof=self.monitor.on_proof,
            )
            self.machines[name] = machine
            power = SimulatedPower(name, machine=machine, line=self.line)
            power.on_told = partial(self.monitor.on_power_told, name)
            power.on_written = partial(self.monitor.on_power_written, name)
            self.power[name] = power
        for name, switch in self.desired.switches.items():
            parked = access(self.desired.zones[switch.spec.zone].spec.parking_vlan)
            device = SimulatedSwitch(name, ports=dict.fromkeys(switch.spec.ports, parked), line=self.line)
            device.on_told = partial(self.monitor.on_port_told, name)
            device.on_written = partial(self.monitor.on_port_written, name)
            self.switches[name] = device
        self.boot.on_assigned = self.monitor.on_assigned
        self.desk.on_published = self.monitor.on_published
        self.desk.on_answered = self.monitor.on_answered
        self.custodian.on_wrapped = self.monitor.on_wrapped
        self.ledger.on_appended = self.monitor.on_appended

    def _issue(self, ek_certificate: bytes, session: str) -> Activation:
        return self.tpms[ek_certificate].issue(session)

    def _reach(self, machine: Machine) -> frozenset[int]:
        states = [self.switches[switch].truth[port] for switch, port in machine.cables.values()]
        return frozenset(state.vlan for state in states if state.mode is PortMode.ACCESS and state.vlan is not None)
