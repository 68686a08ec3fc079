"""Made-up evidence of a site, through the real author and ledger: what is random in life is random here.

Nonces, quotes, signatures and session keys are random bytes of the sizes that an RSA-2048 key has; event logs and PCR
values stay as they are, and some nodes have an IMA log that grows. Nothing of it would verify; nothing here asks.
"""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.evidence.author import Author, News
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import pack
from reconciler.evidence.statement import Appraisal
from reconciler.model.phase import Phase
from reconciler.model.record import Clock, Event, Head
from reconciler.model.submission import Activation, Evidence
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey

START = datetime(2026, 3, 1, tzinfo=UTC)
_COMMIT, _TREE = "1" * 40, "2" * 40
_QUOTE = bytes.fromhex("ff54434780180022000b") + bytes(34) + bytes.fromhex("0020")
_LINE = 150
_GROWS = 0.1


def made_ledger(path: Path, *, key: Path) -> GitLedger:
    """Return the evidence branch of the repository at ``path``, signed with a key that is made at ``key``."""
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    return GitLedger(Git(path), branch="evidence", key=EvidenceKey(key), signers=AllowedSigners(signers=()))


@dataclass(kw_only=True)
class MadeSite:
    """Nodes that prove themselves again and again; those in ``growing`` have an IMA log."""

    author: Author
    nodes: int
    growing: int = 0
    prefix: str = "n"
    event_log_bytes: int = 48_000
    heads: dict[str, Head] = field(default_factory=dict)
    _random: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311  # made up, and the same each time
    _logs: dict[str, bytes] = field(default_factory=dict)
    _fixed: dict[str, Evidence] = field(default_factory=dict)
    made_s: float = 0.0
    _times: int = 0

    def __post_init__(self) -> None:
        """Make what does not change: a machine type's event log in a variant for each, keys and certificates."""
        common = self._random.randbytes(self.event_log_bytes // 3)
        for index in range(self.nodes):
            name = f"{self.prefix}{index:05d}"
            self._fixed[name] = self._first(name, common)
        self._rules = canonical({"policy": "x" * 3000})

    def round(self) -> Entry:
        """Return a round in which every node proved itself once more."""
        at = self._now()
        entry = self.author.round(
            [(self._head(name), self._proof(name, at, is_leaf=True)) for name in self._fixed], at=at
        )
        self.heads |= {head.node: head for head in entry.heads}
        return entry

    def statements(self, many: int) -> list[Entry]:
        """Return ``many`` statements of single appraisals, one node after the other."""
        at = self._now()
        entries = []
        names = list(self._fixed)
        for index in range(many):
            name = names[index % len(names)]
            entries.append(self.author.entry(self._head(name), self._proof(name, at, is_leaf=False), at=at))
            self.heads[name] = entries[-1].heads[0]
        return entries

    def _now(self) -> datetime:
        self._times += 1
        return START + timedelta(seconds=30 * self._times, microseconds=self._random.randrange(1_000_000))

    def _head(self, name: str) -> Head:
        known = self.heads.get(name)
        return known or Head(
            node=name,
            sequence=1,
            digest=digest(name.encode()),
            phase=Phase.ENCLAVE,
            enclave="blue",
            attempt=digest(name.encode())[7:39],
            image=digest(b"image"),
            commit=_COMMIT,
            assigned_at=START,
            admitted_at=START,
            confirmed_at=START,
            keys={"disk": 1, "mesh": 2},
            enrolment=digest(name.encode()),
        )

    def _first(self, name: str, common: bytes) -> Evidence:
        rnd = self._random.randbytes
        secret = Activation(
            seed=rnd(32), secret=rnd(32), credential_blob=rnd(68), encrypted_secret=rnd(258), returned=rnd(32)
        )
        own = b"".join(b"node %s line %d\n" % (name.encode(), line) for line in range(self.event_log_bytes // 60))
        return Evidence(
            node=name,
            enclave="blue",
            commit=_COMMIT,
            attempt=digest(name.encode())[7:39],
            session=rnd(16).hex(),
            nonce=b"",
            ephemeral="age1" + rnd(29).hex(),
            ek_certificate=rnd(1100),
            ak_public=rnd(310),
            activation=secret,
            quote=b"",
            signature=b"",
            pcrs={number: rnd(32) for number in range(16)},
            event_log=common + own[: self.event_log_bytes - len(common)],
            challenged_at=START,
            received_at=START,
            ima_log=b"",
        )

    def _proof(self, name: str, at: datetime, *, is_leaf: bool) -> News:
        begin = time.perf_counter()
        fixed, before = self._fixed[name], self._head(name)
        clock = Clock(reset_count=7, restart_count=0, clock=30_000 * self._times, firmware_version=1 << 40)
        evidence = self._evidence(name, at, clock=clock)
        nonce = evidence.nonce
        self.made_s += time.perf_counter() - begin
        packed = pack(evidence, ima=before.ima)
        told = {"verdict": "accepted", "node": name, "nonce": nonce.hex(), "commit": _COMMIT, "session": fixed.session}
        told |= {"ear.trustworthiness-vector": {"configuration": 2, "executables": 2, "hardware": 2}, "weakenings": []}
        told |= {
            "clock": {"clock": str(clock.clock)},
            "ephemeral": fixed.ephemeral,
            "endorsement": {"path": ["x" * 64]},
        }
        appraisal = Appraisal(
            verdict=None if is_leaf else told,
            verdict_digest=digest(canonical(told)),
            evidence=packed.submitted,
            rules=digest(self._rules),
            policy="strict",
            image="worker",
            previous=before.clock,
            must_be_same_boot=True,
        )
        details = {
            "enclave": "blue",
            "attempt": fixed.attempt,
            "appraisal": appraisal,
            "nonce": nonce.hex(),
            "clock": clock,
            "accepted_at": evidence.received_at,
            "contacted_at": START,
        }
        blobs = {digest(self._rules)[7:]: self._rules, **packed.blobs}
        endorsement = digest(fixed.ek_certificate)
        return News(node=name, event=Event.APPRAISED, endorsement=endorsement, details=details, blobs=blobs)

    def _evidence(self, name: str, at: datetime, *, clock: Clock) -> Evidence:
        rnd = self._random.randbytes
        fixed, nonce = self._fixed[name], rnd(32)
        return Evidence(
            node=name,
            enclave=fixed.enclave,
            commit=fixed.commit,
            attempt=fixed.attempt,
            session=fixed.session,
            nonce=nonce,
            ephemeral=fixed.ephemeral,
            ek_certificate=fixed.ek_certificate,
            ak_public=fixed.ak_public,
            activation=fixed.activation,
            quote=_QUOTE + nonce + clock.clock.to_bytes(8, "big") + bytes(13) + digest(name.encode()).encode()[7:39],
            signature=bytes.fromhex("0014000b0100") + rnd(256),
            pcrs=fixed.pcrs,
            event_log=fixed.event_log,
            challenged_at=at - timedelta(milliseconds=self._random.randrange(200, 900)),
            received_at=at - timedelta(milliseconds=self._random.randrange(1, 200)),
            ima_log=self._ima(name),
        )

    def _ima(self, name: str) -> bytes:
        """Return the node's IMA log: 200 lines, and one more about every five minutes."""
        if int(name[-5:]) >= self.growing:
            return b""
        log = self._logs.get(name, b"")
        many = 200 if not log else int(self._random.random() < _GROWS)
        self._logs[name] = log + b"".join(self._random.randbytes(64).hex().encode()[:_LINE] for _ in range(many))
        return self._logs[name]


def made_author(key: EvidenceKey) -> Author:
    """Return who signs the records with ``key``."""
    return Author(sign=key.sign, key_id=key.key_id, commit=_COMMIT, tree=_TREE)


def filler(start: int, many: int) -> Sequence[Entry]:
    """Return ``many`` entries of one statement and one blob each, made up, for a branch that is to be full."""
    return list(_filler(start, many))


def _filler(start: int, many: int) -> Iterator[Entry]:
    import hashlib

    for index in range(start, start + many):
        at = START - timedelta(days=30) + timedelta(seconds=index)
        blob = os.urandom(40)
        yield Entry(
            path=f"statements/{at:%Y/%m/%d/%H}/old-{index}.dsse.json",
            envelope=base64.b64encode(os.urandom(60)),
            blobs={hashlib.sha256(blob).hexdigest(): blob},
        )
