"""What is on record of a simulated world, as a repository that can be cloned and read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.daemon.source import Sight
from reconciler.evidence.envelope import open_envelope, seal
from reconciler.repo.git import Git
from reconciler.repo.places import blob_path
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from tests.support.gitrepo import GitRepo
from tests.support.runner import EVIDENCE_KEY, Runner

PRINCIPAL = "ringfence@example.org"


def published(runner: Runner, folder: Path, *, with_evidence: bool = True) -> tuple[Git, Sight]:
    """Return what is on record of ``runner``'s world as a repository, and the desired state in force there."""
    key_path = folder / "evidence"
    key_path.write_bytes(EVIDENCE_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key = EvidenceKey(key_path)
    repo = GitRepo(folder)
    trusted = repo.commit({"trust/allowed_signers": f"{key.signer(PRINCIPAL).line}\n".encode()}, signer=None)
    files: dict[str | bytes, Any] = {}
    for entry in (entry for entries in runner.world.ledger.rounds for entry in entries):
        payload = open_envelope(entry.envelope, keys={"evidence": EVIDENCE_KEY.public_key()})
        files[entry.path] = seal(payload, sign=key.sign, key_id=key.key_id)
        files |= dict(entry.attached)
        files |= {blob_path(digest): data for digest, data in entry.blobs.items()}
    if with_evidence:
        repo.point("evidence", repo.commit(files, signer=None))
    desired = replace(runner.world.desired, commit=trusted)
    return Git(repo.path), Sight(desired=desired, signers=AllowedSigners(signers=()), refusals=())
