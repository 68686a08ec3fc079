"""What a quote is bound to, and receipts: each field counts, and none runs into the next."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from reconciler.model.binding import qualifying_data, receipt
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.model.submission import BootClock

FIELDS = {"node": "n1", "enclave": "blue", "commit": "c" * 40, "ephemeral": "age1xyz"}
NONCE = bytes(range(32))


def test_qualifying_data_is_the_hash_of_a_json_list() -> None:
    text = f'["ringfence/qualifying-data/v1","{NONCE.hex()}","n1","blue","{"c" * 40}","age1xyz"]'
    assert qualifying_data(nonce=NONCE, **FIELDS) == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_bound(field: str) -> None:
    changed = FIELDS | {field: FIELDS[field] + "x"}
    assert qualifying_data(nonce=NONCE, **changed) != qualifying_data(nonce=NONCE, **FIELDS)
    assert qualifying_data(nonce=NONCE[::-1], **FIELDS) != qualifying_data(nonce=NONCE, **FIELDS)


def test_fields_do_not_run_into_each_other() -> None:
    shifted = FIELDS | {"node": 'n1","blue', "enclave": ""}
    assert qualifying_data(nonce=NONCE, **shifted) != qualifying_data(nonce=NONCE, **FIELDS)


def test_receipt_takes_the_payload_and_the_nonce() -> None:
    expected = hmac.new(b"secret", b"ringfence/key-receipt/v1\x00" + NONCE, hashlib.sha256).hexdigest()
    assert receipt(b"secret", nonce=NONCE) == expected
    assert receipt(b"secret", nonce=NONCE[::-1]) != expected
    assert receipt(b"secre!", nonce=NONCE) != expected


def test_unknown_port_is_in_no_network() -> None:
    assert not UNKNOWN_PORT.is_access(200)
    assert not PortState(mode=PortMode.OTHER, vlan=200).is_access(200)
    assert not PortState(mode=PortMode.ACCESS).is_access(200)
    assert not PortState(mode=PortMode.ACCESS, vlan=201).is_access(200)
    assert PortState(mode=PortMode.ACCESS, vlan=200).is_access(200)


def test_a_boot_ends_with_a_reset_or_a_resume() -> None:
    boot = BootClock(reset_count=7, restart_count=1, clock=5, firmware_version=1)
    assert boot.is_same_boot_as(BootClock(reset_count=7, restart_count=1, clock=900, firmware_version=1))
    assert not boot.is_same_boot_as(BootClock(reset_count=8, restart_count=1, clock=5, firmware_version=1))
    assert not boot.is_same_boot_as(BootClock(reset_count=7, restart_count=2, clock=5, firmware_version=1))
