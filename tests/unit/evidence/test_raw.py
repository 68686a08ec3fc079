"""Raw evidence as it is recorded: nothing is lost, what recurs is stored once, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import Packed, RawReader, enrolment_of, pack
from tests.support.appraisals import booted
from tests.support.softtpm import Challenge


@pytest.mark.parametrize("ima_log", [b"", b"a list"])
def test_evidence_comes_back_whole(ima_log: bytes) -> None:
    evidence = replace(booted().evidence(Challenge()), ima_log=ima_log)
    packed = pack(evidence)
    assert {hashlib.sha256(data).hexdigest() for data in packed.blobs.values()} == set(packed.blobs)
    reader = RawReader(packed.blobs.get)
    assert reader.read(packed.submitted) == evidence
    assert reader.read(packed.submitted) == evidence, "what is remembered is the same"
    assert packed.submitted.enrolment == enrolment_of(evidence)


def test_a_second_proof_of_a_session_adds_no_blob() -> None:
    tpm = booted()
    first, second = (pack(tpm.evidence(Challenge(nonce=bytes([n]) * 32))) for n in (1, 2))
    assert first.blobs == second.blobs
    assert first.submitted != second.submitted


def test_what_is_remembered_is_bounded() -> None:
    tpm = booted()
    packed = [pack(replace(tpm.evidence(Challenge()), session=f"s{n}", event_log=bytes([n]))) for n in range(3)]
    blobs: dict[str, bytes] = {}
    for each in packed:
        blobs |= each.blobs
    reader = RawReader(blobs.get, kept=1)
    assert [reader.read(each.submitted).session for each in packed] == ["s0", "s1", "s2"]


def _renamed(packed: Packed, part: str, data: bytes) -> TrustError:
    submitted = packed.submitted.model_copy(update={part: digest(data)})
    reader = RawReader({**packed.blobs, hashlib.sha256(data).hexdigest(): data}.get)
    with pytest.raises(TrustError) as caught:
        reader.read(submitted)
    return caught.value


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b"[" * 100_000],
    ids=["empty", "not-utf-8", "list", "no-fields", "deep"],
)
def test_an_enrolment_that_pack_did_not_make_is_refused(data: bytes) -> None:
    assert _renamed(pack(booted().evidence(Challenge())), "enrolment", data).reason == "BlobMalformed"


@pytest.mark.parametrize(
    "changes",
    [{"node": 1}, {"ak_public": "!"}, {"ak_public": 7}, {"activation": []}, {"ek_certificate": 7}, {"more": 1}],
    ids=["node-not-text", "not-base64", "not-text", "activation-list", "certificate-unnamed", "unknown-field"],
)
def test_an_enrolment_with_a_spoiled_field_is_refused(changes: dict[str, Any]) -> None:
    packed = pack(booted().evidence(Challenge()))
    document = json.loads(packed.blobs[packed.submitted.enrolment.removeprefix("sha256:")])
    assert _renamed(packed, "enrolment", canonical(document | changes)).reason == "BlobMalformed"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"four": "00"}', b'{"4": 7}', b'{"4": "0"}', b"[" * 100_000])
def test_pcr_values_that_pack_did_not_write_are_refused(data: bytes) -> None:
    assert _renamed(pack(booted().evidence(Challenge())), "pcrs", data).reason == "BlobMalformed"


@pytest.mark.parametrize("part", ["quote", "signature"])
def test_a_quote_that_is_no_base64_is_refused(part: str) -> None:
    packed = pack(booted().evidence(Challenge()))
    with pytest.raises(TrustError) as caught:
        RawReader(packed.blobs.get).read(packed.submitted.model_copy(update={part: "!"}))
    assert caught.value.reason == "BlobMalformed"


@pytest.mark.parametrize("part", ["enrolment", "pcrs", "event_log"])
def test_a_blob_that_is_gone_is_missed(part: str) -> None:
    packed = pack(booted().evidence(Challenge()))
    name = getattr(packed.submitted, part).removeprefix("sha256:")
    kept = {digest: data for digest, data in packed.blobs.items() if digest != name}
    with pytest.raises(TrustError) as caught:
        RawReader(kept.get).read(packed.submitted)
    assert caught.value.reason == "BlobMissing"
