"""Canonical bytes: RFC 8785, and nothing that depends on how a value was made."""

from __future__ import annotations

import hashlib

from reconciler.evidence.canonical import canonical, canonical_value, digest
from reconciler.model.record import Clock


def test_members_are_sorted_and_nothing_is_spaced() -> None:
    assert canonical({"b": [1, True, None], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,true,null]}'.encode()


def test_members_are_sorted_by_utf_16_units() -> None:
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_model_values_use_their_wire_names() -> None:
    clock = Clock(reset_count=1, restart_count=2, clock=2**63, firmware_version=3)
    expected = b'{"clock":"9223372036854775808","firmwareVersion":"3","resetCount":"1","restartCount":"2"}'
    assert canonical_value(clock) == expected


def test_digest_names_its_algorithm() -> None:
    assert digest(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()
