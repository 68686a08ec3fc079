"""Explaining a node from a repository: phase, verdict, reasons with their pages, and the way its boot went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.cli.explain import document, text
from reconciler.daemon.source import Sight
from reconciler.evidence.envelope import open_envelope, seal
from reconciler.repo.git import Git
from reconciler.repo.ledger import blob_path
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from tests.support.gitrepo import GitRepo
from tests.support.runner import EVIDENCE_KEY, LONG, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.support.world_agent import Malice

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
        files |= {blob_path(digest): data for digest, data in entry.blobs.items()}
    if with_evidence:
        repo.point("evidence", repo.commit(files, signer=None))
    desired = replace(runner.world.desired, commit=trusted)
    return Git(repo.path), Sight(desired=desired, signers=AllowedSigners(signers=()), refusals=())


def test_a_rejected_node_is_explained_beside_a_good_boot(tmp_path: Path) -> None:
    runner = Runner(World(site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)])))
    runner.world.machines["n2"].malice = Malice.TAMPERED
    runner.settle(quiet_rounds=LONG)
    found = document(*published(runner, tmp_path), "n2")
    assert found["phase"] == "REJECTED"
    assert found["divergence"]["compared"]["node"] == "n1"
    lines = text(found).splitlines()
    assert "  page: docs/reasons/MeasurementMismatch.md" in lines
    at = lines.index("against a good boot")
    assert lines[at - 1] == ""
    assert lines[at + 3].startswith("  first difference: PCR 4: expected event ")
    assert "spec.cleared: 3 in site/nodes/n2.yaml" in lines[-1]


def test_a_lost_log_does_not_stop_the_explanation(tmp_path: Path) -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = Lie.EMPTY_LOG
    runner.settle(quiet_rounds=LONG)
    found = document(*published(runner, tmp_path), "n1")
    assert found["divergence"]["first"] is None
    assert "the rejected boot cannot be read" in text(found)


def test_a_member_is_explained_without_a_comparison(tmp_path: Path) -> None:
    found = document(*published(at_stage(Stage.MEMBER), tmp_path), "n1")
    assert (found["phase"], found["divergence"]) == ("ENCLAVE", None)
    assert "against a good boot" not in text(found)


def test_a_node_without_records_is_free(tmp_path: Path) -> None:
    found = document(*published(at_stage(Stage.FRESH), tmp_path, with_evidence=False), "n1")
    assert (found["phase"], found["verdict"], found["divergence"]) == ("FREE", None, None)
