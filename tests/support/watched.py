"""An evidence branch in real git, a witness beside it, and what a holder of the evidence key could make of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.ledger import ORIGIN, GitLedger
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.witness import Charge, Cosigning, Witness
from reconciler.repo.witness_memory import WitnessMemory
from tests.support.gitrepo import GitRepo, make_key

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def entry(node: str, sequence: int, *, story: str = "") -> Entry:
    """Return an entry that the ledger takes; ``story`` makes it another one in the same place."""
    head = Head(node=node, sequence=sequence, digest=f"sha256:{sequence:064x}", phase=Phase.AIRLOCK, commit="1" * 40)
    blob = f"{story} log".encode()
    return Entry(
        path=f"statements/2026/01/02/{node}-{sequence}.dsse.json",
        envelope=f"{node} {sequence} {story}".encode(),
        blobs={hashlib.sha256(blob).hexdigest(): blob},
        heads=(head,),
    )


def append(repo: GitRepo, numbers: Sequence[int], *, story: str = "", key: str = "carol", origin: str = ORIGIN) -> str:
    """Write a commit for each of ``numbers`` (a range: one for all) to the evidence branch; return the last."""
    signers, _ = parse_allowed_signers(repo.allowed("carol"), path="")
    ledger = GitLedger(
        Git(repo.path), branch="evidence", key=EvidenceKey(repo.keys[key]), signers=signers, origin=origin
    )
    ledger.heads()
    entries = [entry("n1", number, story=story) for number in numbers]
    rounds = [entries] if isinstance(numbers, range) else [[each] for each in entries]
    return [ledger.append(each) for each in rounds][-1]


def signers_of(repo: GitRepo, *names: str) -> AllowedSigners:
    """Return the keys of ``names`` as signers."""
    return parse_allowed_signers(repo.allowed(*names), path="")[0]


def charge(repo: GitRepo, *, origin: str = ORIGIN, signers: tuple[str, ...] = ("carol",)) -> Charge:
    """Return what a witness is told about the evidence branch as it is now."""
    return Charge(origin=origin, tip=Git(repo.path).head("evidence"), signers=signers_of(repo, *signers))


def witness_key(repo: GitRepo, name: str = "w1") -> EvidenceKey:
    """Return the key of the witness ``name``, made when it is first asked for."""
    if name not in repo.keys:
        repo.keys[name] = make_key(repo.path.parent / name)
    return EvidenceKey(repo.keys[name])


def look(
    repo: GitRepo, *, state: Path, name: str = "w1", told: Charge | None = None, at: datetime = AT
) -> Cosigning | None:
    """Let the witness ``name`` look once, as a process of its own would."""
    with WitnessMemory(state) as memory:
        witness = Witness(Git(repo.path), name=name, key=witness_key(repo, name), memory=memory)
        return witness.look(told or charge(repo), at=at)
