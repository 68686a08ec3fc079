"""Canonical bytes: RFC 8785, and nothing that depends on how a value was made."""

from __future__ import annotations

import enum
import hashlib
from typing import Any

import pytest
import rfc8785

from reconciler.evidence.canonical import canonical, canonical_value, digest, is_canonical
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


class _Small(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [
        {"z": [1, -1, 0, (1 << 53) - 1], "a": {"b": None, "c": [True, False, [], {}]}},
        {"text": '\b\t\n\f\r"\\/\x7f\x00\x1f\\u0041'},
        {"ü": 1, "a": 2},
        {"a": 1.0, "b": 1e21, "c": -0.0},
        [_Small.ONE],
        ("a", 1),
        "plain",
        "\u2028",
        7,
        None,
    ],
)
def test_the_quick_way_gives_what_the_rfc_gives(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1 << 53, -(1 << 53), {1: "a"}, float("nan"), object(), "\ud800"])
def test_what_has_no_canonical_form_is_refused_in_the_quick_way_too(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - rfc8785 has one kind of error for all
        canonical(value)
    assert not is_canonical(b"", value)


def test_what_is_nested_too_deeply_is_not_canonical() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    assert not is_canonical(b"", value)
