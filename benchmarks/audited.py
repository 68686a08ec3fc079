"""An evidence branch of a hundred members, written by the code that writes them, so that auditing it can be measured.

Half of the members have attestation keys of RSA-2048, half of P-256; event logs are of about 50 KB, as servers' are.
Each member has the statements of its joining, and then proofs in rounds of all. Keys are made at run time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from reconciler.attest.appraiser import Appraiser
from reconciler.attest.expectation import Attempt, Rules, rules_for
from reconciler.attest.verdict import Accepted
from reconciler.evidence.author import Author, News
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import enrolment_of, pack
from reconciler.evidence.report import describe
from reconciler.evidence.rules import PackedRules, pack_rules
from reconciler.evidence.statement import Appraisal
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import AirlockVlans
from reconciler.model.record import Clock, Event, Head
from reconciler.model.submission import Evidence
from reconciler.ports.ledger import Entry, Ledger
from tests.support import firmware
from tests.support.estate import Estate, estate
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import AK_ATTRIBUTES, NOW, Challenge, SoftTpm, tpm2b

MEMBERS = 100
BOOT_VARIABLES = 110
VARIABLE_BYTES = 330
ROUND = timedelta(seconds=30)
_JOINED = NOW - timedelta(minutes=5)


def make_estate(folder: Path) -> Estate:
    """Return a repository whose enclave ``blue`` asks for all of a hundred nodes; nobody has joined yet."""
    desired = site(nodes=MEMBERS, enclaves=[EnclaveShape(name="blue", count=MEMBERS)])
    zone = desired.zones["east"]
    airlocks = zone.spec.model_copy(update={"airlock_vlans": AirlockVlans(first=100, last=299)})
    networks = {
        name: network.model_copy(update={"spec": network.spec.model_copy(update={"vlan": network.spec.vlan + 200})})
        for name, network in desired.networks.items()
    }
    zones = {"east": zone.model_copy(update={"spec": airlocks})}
    return estate(folder, desired=replace(desired, zones=zones, networks=networks))


class Member:
    """One machine: its TPM, booted, and its record so far."""

    def __init__(self, name: str, *, desired: DesiredState, has_rsa: bool) -> None:
        """Boot it into what its enclave boots."""
        self.name, self.head = name, None
        self.tpm = SoftTpm(name)
        self.sign: Callable[[bytes], bytes] = lambda attest: self.tpm.sign(attest, self.tpm.ak)
        if has_rsa:
            self._take_rsa_key()
        image = desired.images[desired.enclaves["blue"].spec.image].spec
        self.image = image.digest
        self.tpm.reset()
        self.tpm.measure(_many_variables(firmware.firmware_events("ovmf", secure_boot=False), name=name))
        self.tpm.measure(firmware.image_events(image.measurements))
        self.rules: Rules = rules_for(desired, node=name, policy="measured-boot", measurements=image.measurements)
        self.packed: PackedRules = pack_rules(self.rules)
        self.endorsement = desired.nodes[name].spec.tpm.endorsement
        self.head: Head | None
        self._enrolled: Evidence | None = None

    def _take_rsa_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        modulus = key.public_key().public_numbers().n.to_bytes(256)
        head = struct.pack(">HHIHHHHHI", 0x0001, 0x000B, AK_ATTRIBUTES, 0, 0x0010, 0x0014, 0x000B, 2048, 0)
        self.tpm.ak_public = head + tpm2b(modulus)

        def sign(attest: bytes) -> bytes:
            return struct.pack(">HH", 0x0014, 0x000B) + tpm2b(key.sign(attest, padding.PKCS1v15(), hashes.SHA256()))

        self.sign = sign
        self.verify_key = key.public_key()

    def evidence(self, *, commit: str, number: int) -> Evidence:
        """Return its proof of round ``number``, of the session in which it enrolled."""
        at = NOW + number * ROUND
        challenge = Challenge(
            node=self.name,
            commit=commit,
            attempt=f"attempt-{self.name}",
            nonce=number.to_bytes(32),
            challenged_at=at,
            received_at=at,
        )
        self.tpm.tick(30_000)
        made = self.tpm.honest(challenge)
        made = replace(made, signature=self.sign(made.quote))
        if self._enrolled is not None:
            return replace(made, activation=self._enrolled.activation)
        self._enrolled = made
        return made


def _many_variables(events: list[firmware.LogEvent], *, name: str) -> list[firmware.LogEvent]:
    """Return ``events`` with as many boot variables as make the log as long as a server's, and its own."""
    more = []
    for number in range(BOOT_VARIABLES):
        value = f"{name} {number} ".encode().ljust(VARIABLE_BYTES, b"\0")
        data = firmware.variable(f"Boot{number:04X}", value)
        digest_of = firmware.sha256(value)
        more.append(firmware.LogEvent(pcr=1, type=firmware.EV_EFI_VARIABLE_BOOT, data=data, digest=digest_of))
    place = next(index for index, event in enumerate(events) if event.type == firmware.EV_EFI_VARIABLE_BOOT)
    return [*events[:place], *more, *events[place:]]


class Writer:
    """Writes the records of all members as passes do, one round after the other."""

    def __init__(self, made: Estate, ledger: Ledger) -> None:
        """Boot every member."""
        self.desired = desired = made.world.desired
        self._author = Author(sign=made.key.sign, key_id=made.key.key_id, commit=desired.commit, tree=desired.tree)
        self._ledger = ledger
        self._judge = Appraiser()
        self.members = [
            Member(name, desired=desired, has_rsa=index % 2 == 0) for index, name in enumerate(desired.nodes)
        ]

    def join(self) -> None:
        """Record that every member was assigned, proved itself and was let in; one appraisal each."""
        vlan = self.desired.enclave_vlan("blue")
        for member in self.members:
            entries: list[Entry] = []
            evidence = member.evidence(commit=self.desired.commit, number=0)
            own = {"enclave": "blue", "attempt": evidence.attempt}
            for event, details in (
                (Event.ASSIGNED, {"image": member.image}),
                (Event.ENROLLED, {"enrolment": enrolment_of(evidence)}),
                (Event.APPRAISED, None),
                (Event.RELEASED, {"keys": {"common": 1}}),
                (Event.ADMITTED, {"ports": {"eno1": f"access {vlan}"}}),
                (Event.CONFIRMED, {}),
            ):
                news = (
                    self._news(member, evidence, is_leaf=False)
                    if details is None
                    else News(node=member.name, event=event, endorsement=member.endorsement, details=own | details)
                )
                at = _JOINED if event is Event.ASSIGNED else NOW
                entries.append(self._author.entry(member.head, news, at=at))
                member.head = entries[-1].heads[0]
            self._ledger.append(entries)

    def round(self, number: int) -> int:
        """Record one round of proofs, and return how many there are in it."""
        news = []
        for member in self.members:
            evidence = member.evidence(commit=self.desired.commit, number=number)
            if member.head is None:
                raise AssertionError("nobody has joined yet")
            news.append((member.head, self._news(member, evidence, is_leaf=True)))
        entry = self._author.round(news, at=NOW + number * ROUND)
        self._ledger.append([entry])
        for member, head in zip(self.members, entry.heads, strict=True):
            member.head = head
        return len(news)

    def _news(self, member: Member, evidence: Evidence, *, is_leaf: bool) -> News:
        head = member.head
        is_same_boot = head is not None and head.clock is not None
        previous = head.clock if head is not None else None
        attempt = Attempt(
            node=member.name,
            enclave="blue",
            commit=evidence.commit,
            attempt=evidence.attempt,
            previous=None if previous is None else _boot_clock(previous),
            must_be_same_boot=is_same_boot,
            judged_at=evidence.received_at,
        )
        verdict = self._judge.appraise(evidence, expectation=member.rules.hold(attempt))
        if not isinstance(verdict, Accepted):
            raise SystemExit(f"error: {verdict.reasons}")
        told = describe(verdict)
        packed = pack(evidence)
        appraisal = Appraisal(
            verdict=None if is_leaf else told,
            verdict_digest=digest(canonical(told)),
            evidence=packed.submitted,
            rules=member.packed.digest,
            policy="measured-boot",
            image=self.desired.enclaves["blue"].spec.image,
            previous=previous,
            must_be_same_boot=is_same_boot,
        )
        clock = {name: getattr(verdict.clock, name) for name in Clock.model_fields}
        details: dict[str, Any] = {
            "enclave": "blue",
            "attempt": evidence.attempt,
            "appraisal": appraisal,
            "nonce": evidence.nonce.hex(),
            "clock": Clock(**clock),
            "accepted_at": evidence.received_at,
            "contacted_at": NOW,
        }
        blobs = {**member.packed.blobs, **packed.blobs}
        return News(
            node=member.name, event=Event.APPRAISED, endorsement=member.endorsement, details=details, blobs=blobs
        )


def _boot_clock(clock: Clock) -> Any:  # noqa: ANN401 - the verifier's form of it
    from reconciler.evidence.audit.verdicts import clock_of

    return clock_of(clock)


def bare_signatures(writer: Writer) -> Iterator[Callable[[], None]]:
    """Yield for each member what verifies one quote's signature, and does nothing else."""
    for member in writer.members:
        message, key = b"\xff" * 145, member.tpm.ak
        verify_key = getattr(member, "verify_key", None)
        if isinstance(verify_key, rsa.RSAPublicKey):
            signature = member.sign(message)[6:]
            yield _call(verify_key.verify, signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
            yield _call(key.public_key().verify, signature, message, ec.ECDSA(hashes.SHA256()))


def _call(work: Callable[..., object], *arguments: object) -> Callable[[], None]:
    return lambda: work(*arguments) and None
