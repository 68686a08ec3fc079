"""The base of boundary values: strict, frozen, no unknown fields; durations and 64-bit counts in their own form."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.model.base import Digest, Duration, Mac, Name, Uint64, Value, Vlan, format_duration


class _Sample(Value):
    boot_deadline: Duration = timedelta(seconds=30)
    count: Uint64 = 0
    vlan: Vlan = 1
    name: Name = "a"
    mac: Mac = "52:54:00:00:00:01"
    digest: Digest = "sha256:" + "0" * 64


def _parse(**fields: Any) -> _Sample:  # noqa: ANN401 - any JSON value
    return _Sample.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30s", 30), ("5m", 300), ("2h", 7200), ("90m", 5400), ("999999s", 999_999)]
)
def test_duration_is_a_whole_number_and_a_unit(text: str, seconds: int) -> None:
    assert _parse(bootDeadline=text).boot_deadline == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0s", "5", "m", "-5m", "1.5h", "5 m", "1w", "5m ", "1000000s", "", "05m"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValidationError):
        _parse(bootDeadline=text)


@pytest.mark.parametrize("value", [True, None, [], {}])
def test_duration_is_text(value: object) -> None:
    with pytest.raises(ValidationError):
        _parse(bootDeadline=value)


def test_duration_is_longer_than_nothing_in_python_too() -> None:
    with pytest.raises(ValidationError, match="longer than nothing"):
        _Sample(boot_deadline=timedelta(0))
    assert _Sample(boot_deadline=timedelta(minutes=5)).model_dump(mode="json")["boot_deadline"] == "5m"


@pytest.mark.parametrize(
    ("seconds", "text"), [(2592000, "30d"), (90000, "25h"), (7200, "2h"), (5400, "90m"), (61, "61s"), (60, "1m")]
)
def test_duration_is_written_in_its_largest_whole_unit(seconds: int, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
    assert _parse(bootDeadline=text).boot_deadline == timedelta(seconds=seconds)


@pytest.mark.parametrize("count", [0, 1, 2**53 + 1, 2**64 - 1])
def test_64_bit_counts_are_decimal_strings_in_json_and_lose_nothing(count: int) -> None:
    text = _Sample(count=count).model_dump_json()
    assert json.loads(text)["count"] == str(count)
    assert _Sample.model_validate_json(text).count == count


@pytest.mark.parametrize("value", ["01", "-1", "1.0", "", " 1", "0x1", str(2**64), "9" * 21, "1e3"])
def test_a_count_is_canonical_decimal_below_two_to_the_64(value: str) -> None:
    with pytest.raises(ValidationError):
        _parse(count=value)


@pytest.mark.parametrize(
    "fields",
    [
        {"vlan": "3"},
        {"vlan": 0},
        {"vlan": 4095},
        {"name": "Upper"},
        {"name": "-a"},
        {"name": "a" * 64},
        {"name": "a\n"},
        {"mac": "52:54:00:00:00:0A"},
        {"digest": "sha256:" + "0" * 63},
        {"digest": "0" * 64},
        {"unknown": 1},
    ],
)
def test_values_are_strict(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _parse(**fields)


def test_values_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _Sample().vlan = 2


def test_an_error_does_not_repeat_what_was_put_in() -> None:
    with pytest.raises(ValidationError) as caught:
        _parse(name="HUNTER2")
    assert "HUNTER2" not in str(caught.value)
