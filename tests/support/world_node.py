"""A simulated machine: power, boots, a TPM, cables, and the agent of what it booted.

Rules: memory and PCRs do not survive a power cycle, the TPM's counts do; it boots what the boot service serves in
the airlock that its cable leads to, and nothing else; it does nothing unless time passes (``advance``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.model.kinds import Measurements
from reconciler.model.submission import Evidence
from tests.support import firmware
from tests.support.softtpm import Challenge as Asked
from tests.support.softtpm import Lie, SoftTpm
from tests.support.world_agent import Agent, Malice
from tests.support.world_desk import Challenge, SimulatedService

TAMPERED_PCRS = (4, 11)
POST_S = 10
BOOT_S = 20
RETRY_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is true of one piece of evidence, whatever it says: an oracle's knowledge."""

    machine: str
    boot: int
    booted_at: datetime
    image: str
    is_honest: bool
    sent_ephemeral: str


@dataclass(kw_only=True)
class Machine:
    """A node. ``cables`` are the switch ports its interfaces are plugged into, which is what counts."""

    name: str
    tpm: SoftTpm
    cables: dict[str, tuple[str, str]]
    service: SimulatedService
    measurements: Mapping[str, Measurements]
    reach: Callable[[Machine], frozenset[int]]
    now: Callable[[], datetime]
    on_proof: Callable[[bytes, Proof], None]
    malice: Malice = Malice.NONE
    lie: Lie | None = None
    is_on: bool = False
    boots: int = 0
    booted_at: datetime | None = None
    image: str | None = None
    is_altered: bool = False
    last_contact_boot: int = 0
    agent: Agent | None = None
    _wakes_at: datetime | None = None

    def power_on(self) -> None:
        """Give it power: a new boot begins."""
        if not self.is_on:
            self.is_on = True
            self.reboot()

    def power_off(self) -> None:
        """Cut its power: what was in memory is gone."""
        self.is_on = False
        self._forget()

    def reboot(self) -> None:
        """Start over, with power on all along."""
        self._forget()
        self.boots += 1
        self.booted_at = self.now()
        self._wakes_at = self.now() + timedelta(seconds=POST_S)

    def alter(self, pcr: int = 9) -> None:
        """Run something that extends a PCR behind the log's back."""
        self.tpm.extend(pcr)
        self.is_altered = True

    def advance(self) -> None:
        """Do what is due now."""
        if not self.is_on or (self._wakes_at is not None and self.now() < self._wakes_at):
            return
        self._wakes_at = None
        if self.image is None:
            self._boot_from_network()
        else:
            if self.agent is None:
                self.agent = self._start_agent()
            self.agent.advance(self.now(), vlans=self.reach(self))

    def _forget(self) -> None:
        self.image = None
        self.agent = None
        self.is_altered = False
        self._wakes_at = None

    def _boot_from_network(self) -> None:
        offers = [self.service.boot_image(vlan=vlan) for vlan in sorted(self.reach(self))]
        served = next((offer for offer in offers if offer is not None), None)
        if served is None:
            self._wakes_at = self.now() + timedelta(seconds=RETRY_S)
            return
        self.image = served.image
        self.is_altered = self.malice in (Malice.TAMPERED, Malice.FORGED_LOG)
        self._wakes_at = self.now() + timedelta(seconds=BOOT_S)
        self.tpm.boot(self.measurements[served.image], tampered=TAMPERED_PCRS if self.is_altered else ())

    def _start_agent(self) -> Agent:
        return Agent(
            service=self.service,
            ek_certificate=self.tpm.ek_certificate,
            ak_public=self.tpm.ak_public,
            activate=self.tpm.activate,
            prove=self._prove,
            on_contact=self._note_contact,
            malice=self.malice,
        )

    def _note_contact(self) -> None:
        self.last_contact_boot = self.boots

    def _prove(self, challenge: Challenge, ephemeral: str) -> Evidence:
        asked = Asked(
            node=challenge.node,
            enclave=challenge.enclave,
            commit=challenge.commit,
            session=challenge.session,
            nonce=challenge.nonce,
            pcrs=challenge.pcrs,
            ephemeral=ephemeral,
        )
        evidence = self.tpm.evidence(asked, lie=self.lie)
        if self.malice is Malice.FORGED_LOG and self.image is not None:
            events = firmware.firmware_events("ovmf", secure_boot=False)
            events += firmware.image_events(self.measurements[self.image])
            claimed = firmware.replay(events)
            evidence = replace(
                evidence, event_log=firmware.encode(events), pcrs={pcr: claimed[pcr] for pcr in challenge.pcrs}
            )
        assert self.image is not None
        assert self.booted_at is not None
        self.on_proof(
            challenge.nonce,
            Proof(
                machine=self.name,
                boot=self.boots,
                booted_at=self.booted_at,
                image=self.image,
                is_honest=self.lie is None and not self.is_altered,
                sent_ephemeral=evidence.ephemeral,
            ),
        )
        return evidence
