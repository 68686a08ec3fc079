"""Rules as blobs: they come back as they were, once for all nodes, and nothing else is taken for them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.rules import RulesPacker, pack_rules, read_rules
from tests.support.appraisals import booted, expected_of


def test_rules_come_back_as_they_were() -> None:
    expectation = expected_of(booted())
    packed = pack_rules(expectation.rules())
    assert read_rules(packed.blobs.get, packed.digest) == expectation.rules()
    assert expectation.rules().hold(expectation) == expectation


def test_rules_of_the_same_parts_are_packed_once() -> None:
    packer = RulesPacker()
    expectation = expected_of(booted())
    first = packer.pack(expectation)
    assert packer.pack(expectation) is first
    other = packer.pack(expected_of(booted(), profile="another"))
    assert other.digest != first.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"family": "another"},
        {"measurements": {}},
        {"policy": 7},
        {"ek_roots": 7},
        {"overlays": ["x"]},
        {"profile": None},
    ],
)
def test_rules_that_pack_did_not_make_are_refused(changes: dict[str, Any]) -> None:
    packed = pack_rules(expected_of(booted()).rules())
    document = json.loads(packed.blobs[packed.digest.removeprefix("sha256:")]) | changes
    data = canonical({name: value for name, value in document.items() if value is not None})
    with pytest.raises(TrustError) as caught:
        read_rules({**packed.blobs, hashlib.sha256(data).hexdigest(): data}.get, digest(data))
    assert caught.value.reason == "BlobMalformed"
