"""The contract of ``ports.custody.Custodian``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyrage
import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.model.binding import receipt
from tests.support.benches import CustodyBench, unwrap

NONCE = bytes(range(32))


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


def test_key_that_was_never_made_has_no_version(custodians: CustodyBench) -> None:
    assert custodians.custodian.versions(["disk"]) == {}


def test_key_is_made_once(custodians: CustodyBench) -> None:
    assert [custodians.custodian.ensure("disk") for _ in range(3)] == [1, 1, 1]
    assert custodians.custodian.versions(["disk", "other"]) == {"disk": 1}


def test_rotation_is_done_once_however_often_it_is_asked_for(custodians: CustodyBench) -> None:
    custodians.custodian.ensure("disk")
    assert [custodians.custodian.rotate("disk", past=1) for _ in range(3)] == [2, 2, 2]
    assert custodians.custodian.rotate("disk", past=0) == 2
    assert custodians.custodian.versions(["disk"]) == {"disk": 2}


def test_rotation_of_one_key_leaves_the_others_alone(
    custodians: CustodyBench, identity: pyrage.x25519.Identity
) -> None:
    for name in ("disk", "overlay"):
        custodians.custodian.ensure(name)
    recipient = str(identity.to_public())
    before = unwrap(custodians.custodian.wrap("overlay", version=1, recipient=recipient), identity)
    custodians.custodian.rotate("disk", past=1)
    assert custodians.custodian.versions(["overlay"]) == {"overlay": 1}
    assert unwrap(custodians.custodian.wrap("overlay", version=1, recipient=recipient), identity) == before


def test_wrapped_key_opens_for_its_recipient_only_and_gives_the_receipt(
    custodians: CustodyBench, identity: pyrage.x25519.Identity
) -> None:
    custodians.custodian.ensure("disk")
    wrapped = custodians.custodian.wrap("disk", version=1, recipient=str(identity.to_public()))
    payload = unwrap(wrapped, identity)
    assert len(payload) == 32
    assert custodians.custodian.receipt("disk", version=1, nonce=NONCE) == receipt(payload, nonce=NONCE)
    with pytest.raises(pyrage.DecryptError):
        unwrap(wrapped, pyrage.x25519.Identity.generate())


def test_versions_have_payloads_of_their_own(custodians: CustodyBench, identity: pyrage.x25519.Identity) -> None:
    custodians.custodian.ensure("disk")
    custodians.custodian.rotate("disk", past=1)
    recipient = str(identity.to_public())
    one, two = (unwrap(custodians.custodian.wrap("disk", version=v, recipient=recipient), identity) for v in (1, 2))
    assert one != two


def test_version_that_does_not_exist_is_refused(custodians: CustodyBench, identity: pyrage.x25519.Identity) -> None:
    custodians.custodian.ensure("disk")
    with pytest.raises(TrustError):
        custodians.custodian.wrap("disk", version=2, recipient=str(identity.to_public()))
    with pytest.raises(TrustError):
        custodians.custodian.receipt("other", version=1, nonce=NONCE)


def test_keys_outlive_the_process(custodians: CustodyBench, identity: pyrage.x25519.Identity) -> None:
    custodians.custodian.ensure("disk")
    custodians.custodian.rotate("disk", past=1)
    recipient = str(identity.to_public())
    before = unwrap(custodians.custodian.wrap("disk", version=2, recipient=recipient), identity)
    reopened = custodians.again()
    assert reopened.versions(["disk"]) == {"disk": 2}
    assert unwrap(reopened.wrap("disk", version=2, recipient=recipient), identity) == before


def test_each_version_has_the_time_when_it_was_made(custodians: CustodyBench) -> None:
    custodian = custodians.custodian
    assert custodian.made_at(["disk"]) == {}
    start = custodians.now()
    custodian.ensure("disk")
    custodian.ensure("other")
    first = custodian.made_at(["disk", "other", "never"])
    assert first.keys() == {"disk", "other"}
    custodian.rotate("disk", past=1)
    second = custodian.made_at(["disk", "other"])
    end = custodians.now()
    assert start <= _time(first, "disk") <= _time(second, "disk") <= end
    assert second["other"] == first["other"]


def test_a_time_stands_until_there_is_a_new_version(custodians: CustodyBench) -> None:
    custodians.custodian.ensure("disk")
    made = custodians.custodian.made_at(["disk"])
    custodians.custodian.ensure("disk")
    custodians.custodian.rotate("disk", past=0)
    assert custodians.custodian.made_at(["disk"]) == made
    assert custodians.again().made_at(["disk"]) == made


def _time(times: Mapping[str, datetime | None], name: str) -> datetime:
    made = times[name]
    assert made is not None
    assert made.utcoffset() == timedelta(0)
    return made
