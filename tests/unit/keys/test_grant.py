"""Grants: a key goes to the quote-bound recipient of an accepted node of its enclave, or nowhere."""

from __future__ import annotations

import pytest

from reconciler.attest.appraise import appraise
from reconciler.attest.verdict import Accepted
from reconciler.errors.taxonomy import TrustError
from reconciler.keys.grant import grant
from tests.support.appraisals import booted, expected_of
from tests.support.softtpm import Challenge


def _accepted() -> Accepted:
    tpm = booted()
    verdict = appraise(tpm.evidence(Challenge()), expectation=expected_of(tpm))
    assert isinstance(verdict, Accepted)
    return verdict


def test_each_key_goes_to_the_key_that_the_quote_is_bound_to() -> None:
    asked = Challenge()
    grants = grant(_accepted(), enclave="blue", keys=("disk", "common"), versions={"common": 1, "disk": 7, "other": 2})
    assert [(g.name, g.version) for g in grants] == [("disk", 7), ("common", 1)]
    assert {(g.node, g.recipient, g.nonce) for g in grants} == {("n1", asked.ephemeral, asked.nonce)}


def test_no_keys_are_no_grants() -> None:
    assert grant(_accepted(), enclave="blue", keys=(), versions={}) == ()


def test_node_proven_for_another_enclave_gets_nothing() -> None:
    with pytest.raises(TrustError, match="proven for enclave blue, not for red") as caught:
        grant(_accepted(), enclave="red", keys=("common",), versions={"common": 1})
    assert caught.value.reason == "KeyRefused"


def test_one_missing_version_withholds_every_key() -> None:
    with pytest.raises(TrustError, match="key disk has no version"):
        grant(_accepted(), enclave="blue", keys=("common", "disk"), versions={"common": 1})
