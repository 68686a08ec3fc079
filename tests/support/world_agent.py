"""The program that a simulated node's image runs: it proves the node and takes its keys, step by step.

Rules: it lives in one boot and dies with it; its ephemeral key never leaves it; it does as much as it can at one
instant and then waits for the next ``advance``. It may be told to misbehave (``Malice``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import pyrage

from reconciler.model.binding import receipt
from reconciler.model.observed import AnswerStatus
from reconciler.model.submission import Evidence
from reconciler.ports.attestation import Answer
from tests.support.world_desk import Challenge, Refused, SimulatedService


class Malice(StrEnum):
    """How a node misbehaves; what it may say in its evidence is in ``softtpm.Lie``."""

    NONE = "none"
    TAMPERED = "tampered"
    """Its image is not the assigned one, and measured as such."""
    FORGED_LOG = "forged-log"
    """The same, but the log and the PCR values that it claims are those of the right image."""
    FALSE_RECEIPT = "false-receipt"
    """It acknowledges keys that it did not open."""
    SILENT = "silent"
    """It boots and says nothing."""
    ABSENT = "absent"
    """It never calls from inside the enclave's network."""
    MUTE = "mute"
    """It falls silent once it is a member."""


Prove = Callable[[Challenge, str], Evidence]
"""Makes evidence for a challenge, bound to an ephemeral key's recipient."""


class Step(StrEnum):
    """Where the agent stands."""

    STARTED = "started"
    CHALLENGED = "challenged"
    JUDGED = "judged"
    MOVING = "moving"
    MEMBER = "member"
    STOPPED = "stopped"


@dataclass(kw_only=True)
class Agent:
    """The agent in one boot. ``keys`` are the payloads that it opened, by name and version."""

    service: SimulatedService
    ek_certificate: bytes
    ak_public: bytes
    activate: Callable[[bytes, bytes], bytes]
    prove: Prove
    on_contact: Callable[[], None]
    malice: Malice = Malice.NONE
    step: Step = Step.STARTED
    keys: dict[tuple[str, int], bytes] = field(default_factory=dict)
    identity: pyrage.x25519.Identity = field(default_factory=pyrage.x25519.Identity.generate)
    _session: str = ""
    _challenge: Challenge | None = None
    _reattest_s: int = 0
    _due: datetime | None = None
    _is_member: bool = False

    def advance(self, now: datetime, *, vlans: frozenset[int]) -> None:
        """Do what can be done now, from the networks that the node's cables lead to."""
        if self.malice is Malice.SILENT or (self.malice is Malice.MUTE and self._is_member):
            return
        if not (self.service.is_listening and vlans & (set(self.service.airlocks) | set(self.service.networks))):
            return
        self.on_contact()
        before: Step | None = None
        try:
            while before is not self.step:
                before = self.step
                self._take_step(now, vlans=vlans)
        except Refused:
            self.step = Step.STARTED if self.step is not Step.STOPPED else Step.STOPPED
            self._is_member = False

    def _take_step(self, now: datetime, *, vlans: frozenset[int]) -> None:
        match self.step:
            case Step.STARTED:
                self._enrol(vlans)
            case Step.CHALLENGED:
                self._submit()
            case Step.JUDGED:
                self._poll()
            case Step.MOVING:
                self._arrive(now, vlans=vlans)
            case Step.MEMBER:
                if self._due is not None and now >= self._due:
                    self._challenge = self.service.challenge(self._session)
                    self.step = Step.CHALLENGED
            case Step.STOPPED:
                pass

    def _enrol(self, vlans: frozenset[int]) -> None:
        airlocks = sorted(vlans & set(self.service.airlocks))
        if not airlocks:
            return
        self._session, blob, encrypted = self.service.enrol(
            vlan=airlocks[0], ek_certificate=self.ek_certificate, ak_public=self.ak_public
        )
        self._challenge = self.service.activate(self._session, secret=self.activate(blob, encrypted))
        self.step = Step.CHALLENGED

    def _submit(self) -> None:
        assert self._challenge is not None
        evidence = self.prove(self._challenge, str(self.identity.to_public()))
        self.service.submit(
            self._session,
            nonce=self._challenge.nonce,
            quote=evidence.quote,
            signature=evidence.signature,
            pcrs=evidence.pcrs,
            event_log=evidence.event_log,
            ephemeral=evidence.ephemeral,
        )
        self.step = Step.JUDGED

    def _poll(self) -> None:
        assert self._challenge is not None
        answer = self.service.verdict(self._session, nonce=self._challenge.nonce)
        if answer is None:
            return
        match answer.status:
            case AnswerStatus.REJECTED:
                self.step = Step.STOPPED
            case AnswerStatus.AGAIN:
                self._challenge = self.service.challenge(self._session)
                self.step = Step.CHALLENGED
            case AnswerStatus.ACCEPTED:
                self._acknowledge(answer)
                self._reattest_s = answer.reattest_s
                self.step = Step.MOVING

    def _acknowledge(self, answer: Answer) -> None:
        receipts: dict[str, str] = {}
        for key in answer.keys:
            payload = pyrage.decrypt(key.wrapped, [self.identity])
            self.keys[key.name, key.version] = payload
            receipts[key.name] = receipt(payload, nonce=answer.nonce)
        if self.malice is Malice.FALSE_RECEIPT:
            receipts = dict.fromkeys(receipts, "00" * 32)
        self.service.acknowledge(self._session, nonce=answer.nonce, receipts=receipts)

    def _arrive(self, now: datetime, *, vlans: frozenset[int]) -> None:
        networks = sorted(vlans & set(self.service.networks))
        if not networks:
            return
        if self.malice is not Malice.ABSENT:
            self.service.confirm(self._session, vlan=networks[0])
        self._is_member = True
        self._due = now + timedelta(seconds=self._reattest_s)
        self.step = Step.MEMBER
