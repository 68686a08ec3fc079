"""Raw evidence as blobs and verdicts as JSON: nothing is lost, and nothing else is taken for them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.attest.appraise import appraise
from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.raw import pack, unpack
from reconciler.evidence.report import PROFILE, describe
from tests.support.appraisals import booted, expected_of
from tests.support.softtpm import Challenge, Lie


@pytest.mark.parametrize("ima_log", [b"", b"a list"])
def test_evidence_comes_back_whole_from_its_blobs(ima_log: bytes) -> None:
    evidence = replace(booted().evidence(Challenge()), ima_log=ima_log)
    packed = pack(evidence)
    assert {hashlib.sha256(data).hexdigest() for data in packed.blobs.values()} == set(packed.blobs)
    data, log = (packed.blobs[name.removeprefix("sha256:")] for name in (packed.document, packed.event_log))
    assert unpack(data, event_log=log, ima_log=ima_log) == evidence
    assert (packed.ima_log is None) == (not ima_log)
    with pytest.raises(TrustError, match="ima log"):
        unpack(data, event_log=log, ima_log=ima_log + b"more")


def _spoiled(**changes: Any) -> bytes:  # noqa: ANN401 - any JSON value
    packed = pack(booted().evidence(Challenge()))
    return canonical(json.loads(packed.blobs[packed.document.removeprefix("sha256:")]) | changes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        _spoiled(nonce="!"),
        _spoiled(quote=7),
        _spoiled(activation=[]),
        _spoiled(pcrs=[]),
        _spoiled(pcrs={"four": "00"}),
        _spoiled(received_at="yesterday"),
        _spoiled(received_at=7),
        _spoiled(received_at="2026-06-01T12:00:00"),
        _spoiled(node=1),
        _spoiled(event_log="0" * 64),
    ],
    ids=[
        "empty", "not-utf-8", "list", "no-fields", "deep", "nonce-not-base64", "quote-not-text", "activation-list",
        "pcrs-list", "pcr-not-a-number", "time-not-a-time", "time-not-text",
        "time-without-zone", "node-not-text", "another-log",
    ],
)  # fmt: skip
def test_what_pack_did_not_make_is_refused(data: bytes) -> None:
    with pytest.raises(TrustError) as caught:
        unpack(data, event_log=booted().evidence(Challenge()).event_log)
    assert caught.value.reason == "BlobMalformed"


def test_acceptance_says_for_what_and_when() -> None:
    tpm = booted()
    asked = Challenge()
    document = describe(appraise(tpm.evidence(asked), expectation=expected_of(tpm)))
    assert (document["eat_profile"], document["verdict"], document["ear.status"]) == (PROFILE, "accepted", "warning")
    assert (document["node"], document["enclave"], document["nonce"]) == ("n1", "blue", asked.nonce.hex())
    assert document["ephemeral"] == asked.ephemeral
    assert set(document["clock"]) == {"reset_count", "restart_count", "clock", "firmware_version"}
    assert document["ear.trustworthiness-vector"] == {
        "instance-identity": 2, "configuration": 32, "executables": 2, "hardware": 2,
    }  # fmt: skip


def test_rejection_says_every_reason_and_no_ephemeral_key() -> None:
    tpm = booted()
    document = describe(appraise(tpm.evidence(Challenge(), lie=Lie.CHANGED_EVENT), expectation=expected_of(tpm)))
    assert (document["verdict"], document["ear.status"]) == ("rejected", "contraindicated")
    assert "ephemeral" not in document
    assert all(reason["code"] and None not in reason.values() for reason in document["reasons"])


def test_a_verdict_says_what_weakens_it_and_what_its_endorsement_was_trusted_by() -> None:
    tpm = booted()
    document = describe(appraise(tpm.evidence(Challenge()), expectation=expected_of(tpm)))
    assert (document["weakenings"], document["workarounds"]) == ([], [])
    assert len(document["endorsement"]["path"]) == 2
    assert document["endorsement"]["revocation_lists"] == []
    forged = describe(appraise(tpm.evidence(Challenge(), lie=Lie.FORGED_EK), expectation=expected_of(tpm)))
    assert "endorsement" not in forged


def test_equal_verdicts_give_equal_bytes() -> None:
    tpm = booted()
    evidence = tpm.evidence(Challenge(), lie=Lie.EMPTY_LOG)
    one, other = (describe(appraise(evidence, expectation=expected_of(tpm))) for _ in range(2))
    assert canonical(one) == canonical(other)
