"""Entries of the least that a ledger takes, for tests of how they are kept and not of what they say."""

from __future__ import annotations

import hashlib

from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from tests.support.gitrepo import GitRepo


def plain_entry(node: str, sequence: int, *, blob: bytes = b"log") -> Entry:
    """Return an entry with one statement, one blob and one head."""
    head = Head(node=node, sequence=sequence, digest=f"sha256:{sequence:064x}", phase=Phase.AIRLOCK, commit="1" * 40)
    return Entry(
        path=f"statements/2026/01/02/{node}-{sequence}.dsse.json",
        envelope=f"{node} {sequence}".encode(),
        blobs={hashlib.sha256(blob).hexdigest(): blob},
        heads=(head,),
    )


def plain_ledger(repo: GitRepo, *, key: str = "carol") -> GitLedger:
    """Return the evidence branch of ``repo``, signed by ``key``."""
    own = EvidenceKey(repo.keys[key])
    return GitLedger(Git(repo.path), branch="evidence", key=own, signers=AllowedSigners(signers=()))
