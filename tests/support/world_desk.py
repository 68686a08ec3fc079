"""The simulated boot service and attestation service, and the store that they share.

Rules, the same as the real service's: an assignment begins an attempt and ends the node's earlier sessions; the
airlock that a request comes from says which node it is; every nonce is issued once and used once; evidence is kept,
not judged; refusals are uniform (``Refused``).
``SimulatedBoot`` and ``SimulatedDesk`` are the reconciler's side of it, ``SimulatedService`` the nodes' side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.errors.taxonomy import InputError
from reconciler.model.observed import Answered, AnswerStatus, Assignment, Presence, Session
from reconciler.model.submission import Activation, Evidence
from reconciler.ports.attestation import Answer
from tests.support.world_line import FaultKind, Line

CHALLENGE_LIFE = timedelta(minutes=1)


class Refused(Exception):  # noqa: N818 - it is an answer (403), not an error of ours
    """The service refuses, and says no more than that."""


Issue = Callable[[bytes, str], Activation]
"""Makes a credential for the EK in a certificate, in a session (TPM2_MakeCredential), with the right answer in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a node is asked to sign."""

    session: str
    nonce: bytes
    node: str
    enclave: str
    commit: str
    pcrs: tuple[int, ...]
    issued_at: datetime


@dataclass(kw_only=True)
class _Session:
    session: str
    node: str
    attempt: str
    started_at: datetime
    ek_certificate: bytes
    ak_public: bytes
    issued: Activation
    is_active: bool = False
    evidence: Evidence | None = None
    answered: Answered | None = None
    presence: Presence | None = None


@dataclass(kw_only=True)
class Counter:
    """The store; it outlives the reconciler's process."""

    seed: str = "counter"
    drawn: int = 0
    commit: str | None = None
    assignments: dict[str, Assignment] = field(default_factory=dict)
    sessions: dict[str, _Session] = field(default_factory=dict)
    challenges: dict[bytes, Challenge] = field(default_factory=dict)
    answers: dict[bytes, Answer] = field(default_factory=dict)
    submitted: set[bytes] = field(default_factory=set)
    listening_since: datetime | None = None

    def draw(self, size: int) -> bytes:
        """Return bytes that were never drawn before."""
        self.drawn += 1
        return hashlib.shake_256(f"{self.seed}/{self.drawn}".encode()).digest(size)

    def end_sessions(self, node: str) -> None:
        """End every session of ``node``."""
        for name in [name for name, session in self.sessions.items() if session.node == node]:
            del self.sessions[name]


class SimulatedBoot:
    """The boot service as the reconciler sees it (``ports.boot.BootService``)."""

    def __init__(self, counter: Counter, *, images: Collection[str], line: Line) -> None:
        """Serve ``images`` (digests) from ``counter``."""
        self.images = set(images)
        self.on_assigned: Callable[[Assignment], None] = lambda _assignment: None
        self._counter = counter
        self._line = line
        self._shown: dict[str, Assignment] = {}

    def assignments(self) -> Mapping[str, Assignment]:
        """Return what is served now, by node."""
        if self._line.read("boot", "assignments") is not FaultKind.STALE:
            self._shown = dict(self._counter.assignments)
        return dict(self._shown)

    def assign(self, node: str, *, enclave: str, image: str, pcrs: tuple[int, ...]) -> Assignment:
        """Serve ``image`` to ``node`` in a fresh attempt."""
        with self._line.write("boot", "assign", subject=node, detail=f"{enclave} {image}"):
            if image not in self.images:
                raise InputError(f"image {image}", "is not in the store", reason="ImageMissing")
            assignment = Assignment(
                node=node,
                enclave=enclave,
                image=image,
                pcrs=pcrs,
                attempt=self._counter.draw(16).hex(),
                assigned_at=self._line.clock.now(),
            )
            self.on_assigned(assignment)
            self._counter.end_sessions(node)
            self._counter.assignments[node] = assignment
        return assignment

    def withdraw(self, node: str) -> None:
        """Serve nothing to ``node`` any more and end its sessions."""
        with self._line.write("boot", "withdraw", subject=node):
            self._counter.end_sessions(node)
            self._counter.assignments.pop(node, None)


class SimulatedDesk:
    """The attestation desk as the reconciler sees it (``ports.attestation.AttestationDesk``)."""

    def __init__(self, counter: Counter, *, line: Line) -> None:
        """Look at ``counter``."""
        self.on_published: Callable[[str], None] = lambda _commit: None
        self.on_answered: Callable[[Answer, str], None] = lambda _answer, _node: None
        self._counter = counter
        self._line = line
        self._shown: dict[str, Session] = {}

    def publish(self, commit: str) -> None:
        """Bind every challenge issued from now on to ``commit``."""
        if commit == self._counter.commit:
            self._line.read("desk", "publish")
            return
        with self._line.write("desk", "publish", detail=commit):
            self.on_published(commit)
            self._counter.commit = commit

    def listening_since(self) -> datetime | None:
        """Return since when the service has been listening without a break."""
        self._line.read("desk", "listening_since")
        return self._counter.listening_since

    def sessions(self) -> Mapping[str, Session]:
        """Return each node's newest session of its current attempt."""
        if self._line.read("desk", "sessions") is FaultKind.STALE:
            return dict(self._shown)
        newest: dict[str, Session] = {}
        for session in self._counter.sessions.values():
            assignment = self._counter.assignments.get(session.node)
            if assignment is not None and assignment.attempt == session.attempt and session.is_active:
                newest[session.node] = Session(
                    session=session.session,
                    node=session.node,
                    attempt=session.attempt,
                    started_at=session.started_at,
                    evidence=session.evidence,
                    answered=session.answered,
                    presence=session.presence,
                )
        self._shown = newest
        return dict(newest)

    def answer(self, answer: Answer) -> None:
        """Leave ``answer`` for the node to fetch; a second one to the same nonce changes nothing."""
        with self._line.write("desk", "answer", subject=answer.session, detail=answer.status):
            session = self._counter.sessions.get(answer.session)
            sent = session.evidence.nonce if session is not None and session.evidence is not None else None
            if session is None or sent != answer.nonce or answer.nonce in self._counter.answers:
                return
            self.on_answered(answer, session.node)
            self._counter.answers[answer.nonce] = answer
            session.answered = Answered(
                nonce=answer.nonce, status=answer.status, answered_at=self._line.clock.now(), receipts=None
            )


class SimulatedService:
    """What nodes talk to. ``vlan`` is the network that a request came by; the service cannot be lied to about it."""

    def __init__(
        self,
        counter: Counter,
        *,
        airlocks: Mapping[int, str],
        networks: Mapping[int, str],
        issue: Issue,
        now: Callable[[], datetime],
    ) -> None:
        """Listen in ``airlocks`` (node by VLAN) and ``networks`` (name by VLAN)."""
        self.airlocks = dict(airlocks)
        self.networks = dict(networks)
        self._counter = counter
        self._issue = issue
        self._now = now

    @property
    def is_listening(self) -> bool:
        """Return whether anybody is answered."""
        return self._counter.listening_since is not None

    def start(self) -> None:
        """Begin to listen."""
        self._counter.listening_since = self._now()

    def stop(self) -> None:
        """Be away: nobody is answered any more."""
        self._counter.listening_since = None

    def boot_image(self, *, vlan: int) -> Assignment | None:
        """Return what is served to whoever asks from the airlock ``vlan``."""
        node = self.airlocks.get(vlan)
        return None if node is None or not self.is_listening else self._counter.assignments.get(node)

    def enrol(self, *, vlan: int, ek_certificate: bytes, ak_public: bytes) -> tuple[str, bytes, bytes]:
        """Open a session; return it, the credential blob and the encrypted secret."""
        node = self.airlocks.get(vlan)
        assignment = None if node is None else self._counter.assignments.get(node)
        if node is None or assignment is None:
            raise Refused
        name = self._counter.draw(32).hex()
        issued = self._issue(ek_certificate, name)
        session = _Session(
            session=name,
            node=node,
            attempt=assignment.attempt,
            started_at=self._now(),
            ek_certificate=ek_certificate,
            ak_public=ak_public,
            issued=issued,
        )
        self._counter.sessions[session.session] = session
        return name, issued.credential_blob, issued.encrypted_secret

    def activate(self, session: str, *, secret: bytes) -> Challenge:
        """Take the activated secret and issue the first challenge."""
        held = self._session(session)
        if held.is_active or secret != held.issued.secret:
            raise Refused
        held.is_active = True
        return self.challenge(session)

    def challenge(self, session: str) -> Challenge:
        """Issue a fresh challenge; an earlier one that was not answered is closed."""
        held = self._session(session)
        if not held.is_active or self._counter.commit is None:
            raise Refused
        assignment = self._counter.assignments[held.node]
        challenge = Challenge(
            session=session,
            nonce=self._counter.draw(32),
            node=held.node,
            enclave=assignment.enclave,
            commit=self._counter.commit,
            pcrs=assignment.pcrs,
            issued_at=self._now(),
        )
        for nonce, other in list(self._counter.challenges.items()):
            if other.session == session and nonce not in self._counter.submitted:
                del self._counter.challenges[nonce]
        self._counter.challenges[challenge.nonce] = challenge
        return challenge

    def submit(
        self,
        session: str,
        *,
        nonce: bytes,
        quote: bytes,
        signature: bytes,
        pcrs: Mapping[int, bytes],
        event_log: bytes,
        ephemeral: str,
    ) -> None:
        """Keep evidence for the reconciler to judge."""
        held = self._session(session)
        challenge = self._counter.challenges.get(nonce)
        if challenge is None or challenge.session != session or nonce in self._counter.submitted:
            raise Refused
        if self._now() - challenge.issued_at > CHALLENGE_LIFE:
            raise Refused
        self._counter.submitted.add(nonce)
        held.evidence = Evidence(
            node=held.node,
            enclave=challenge.enclave,
            commit=challenge.commit,
            attempt=held.attempt,
            session=session,
            nonce=nonce,
            ephemeral=ephemeral,
            ek_certificate=held.ek_certificate,
            ak_public=held.ak_public,
            activation=held.issued,
            quote=quote,
            signature=signature,
            pcrs=dict(pcrs),
            event_log=event_log,
            challenged_at=challenge.issued_at,
            received_at=self._now(),
        )

    def verdict(self, session: str, *, nonce: bytes) -> Answer | None:
        """Return the answer to the evidence of ``nonce``, None while there is none."""
        self._session(session)
        answer = self._counter.answers.get(nonce)
        return answer if answer is not None and answer.session == session else None

    def acknowledge(self, session: str, *, nonce: bytes, receipts: Mapping[str, str]) -> None:
        """Keep the receipts for the keys that were accepted."""
        held = self._session(session)
        if held.answered is None or held.answered.nonce != nonce or held.answered.status is not AnswerStatus.ACCEPTED:
            raise Refused
        if held.answered.receipts is None:
            held.answered = replace(held.answered, receipts=dict(receipts))

    def confirm(self, session: str, *, vlan: int) -> None:
        """Keep that the session's node called from inside a network."""
        held = self._session(session)
        network = self.networks.get(vlan)
        if network is None:
            raise Refused
        held.presence = Presence(network=network, seen_at=self._now())

    def _session(self, session: str) -> _Session:
        held = self._counter.sessions.get(session)
        if held is None:
            raise Refused
        return held
