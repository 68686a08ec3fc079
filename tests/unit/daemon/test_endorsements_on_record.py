"""Whose TPM a node's is, from what is on record: only what was accepted, signed, or verifies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.attest.endorsement.anchors import read_anchors
from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.ek import pin_of
from reconciler.daemon.adopt.endorsed import enrolled, recorded
from reconciler.evidence.author import Author, News
from reconciler.model.observed import Session
from reconciler.model.record import Event
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.reader import EvidenceReader
from reconciler.repo.signers import parse_allowed_signers
from reconciler.repo.signing import EvidenceKey, public_keys
from tests.support import pki
from tests.support.appraisals import booted
from tests.support.gitrepo import GitRepo

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def appraisal(verdict: str) -> dict[str, Any]:
    digest = "sha256:" + "0" * 64
    evidence = {"enrolment": digest, "commit": "1" * 40, "nonce": "ab", "quote": "", "signature": "", "pcrs": digest}
    times = {"challenged_at": NOW, "received_at": NOW}
    made = {
        "verdict": {"verdict": verdict},
        "verdict_digest": digest,
        "evidence": {**evidence, "event_log": digest, **times},
        "rules": digest,
        "policy": "measured-boot",
        "image": "worker",
        "must_be_same_boot": False,
    }
    clock = {"reset_count": 1, "restart_count": 1, "clock": 1, "firmware_version": 1}
    return {"appraisal": made} | ({"clock": clock} if verdict == "accepted" else {})


def test_pin_under_which_a_node_was_accepted_last_is_known_from_its_signed_records(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    signers, _ = parse_allowed_signers(repo.allowed("carol"), path="")
    key = EvidenceKey(repo.keys["carol"])
    ledger = GitLedger(Git(repo.path), branch="evidence", key=key, signers=signers)
    mallory = EvidenceKey(repo.keys["mallory"])
    head = None
    steps = [("accepted", "a", key), ("accepted", "b", key), ("rejected", "c", key), ("accepted", "d", mallory)]
    for verdict, digit, signer in steps:
        author = Author(sign=signer.sign, key_id=signer.key_id, commit="1" * 40, tree="2" * 40)
        news = News(
            node="n1",
            event=Event.APPRAISED,
            endorsement="sha256:" + digit * 64,
            details=appraisal(verdict) | {"enclave": "blue", "attempt": "x"},
        )
        entry = author.entry(head, news, at=NOW)
        head = entry.heads[0]
        ledger.append([entry])
    reader = EvidenceReader(Git(repo.path), commit=repo.git("rev-parse", "refs/heads/evidence"))
    found = recorded(reader, keys=public_keys(signers), nodes=["n1", "n2"])
    assert {node: pin.digest for node, pin in found.items()} == {"n1": "sha256:" + "b" * 64}
    assert found["n1"].is_claim
    assert recorded(reader, keys=public_keys(signers), nodes=[]) == {}


def test_enrolment_counts_only_if_its_certificate_verifies() -> None:
    tpm = booted("n1")
    evidence = tpm.evidence()
    maker = pki.authority("maker")
    anchors = read_anchors((maker.pem,), (), ())
    session = Session(session="s", node="n1", attempt="a", started_at=NOW, evidence=evidence)
    assert enrolled({"n1": session}, anchors=anchors, at=NOW) == {}
    certificate = pki.ek(maker)
    known = replace(session, evidence=replace(evidence, ek_certificate=certificate))
    found = enrolled({"n1": known, "n2": replace(session, evidence=None)}, anchors=anchors, at=NOW)
    assert {node: pin.digest for node, pin in found.items()} == {"n1": pin_of(parse_certificate(certificate))}
    assert "2026-03-01" in found["n1"].source
