"""What trunks carry, in documents, on switches and in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.model.switches import SwitchSpec
from reconciler.model.trunks import Carried, Trunk, VlanSpan, carried_by, parse_spans, spans

SWITCH = (
    '{"zone": "east", "driver": "openvswitch", "address": "tcp:127.0.0.1:6640", "bridge": "tor", '
    '"ports": ["swp1", "swp2"], "trunks": [%s]}'
)


@pytest.mark.parametrize(
    ("vlans", "words"), [((), ""), ((5,), "5"), ((3, 1, 2), "1-3"), ((1, 2, 7, 9, 10, 10), "1-2, 7, 9-10")]
)
def test_numbers_are_told_as_ranges(vlans: tuple[int, ...], words: str) -> None:
    assert spans(vlans) == words


@pytest.mark.parametrize(
    ("text", "vlans"),
    [
        ("5", {5}),
        (" 1-3,7 ", {1, 2, 3, 7}),
        ("none", set()),
        ("ALL", set(range(1, 4095))),
        ("1-4094", set(range(1, 4095))),
        ("", None),
        ("blue", None),
        ("1-", None),
        ("0-3", None),
        ("5,4095", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
    ],
)
def test_lists_of_switches_are_read(text: str, vlans: set[int] | None) -> None:
    assert parse_spans(text) == vlans


def test_lists_may_be_written_otherwise() -> None:
    assert parse_spans("1..3 7", between="..", apart=" ") == {1, 2, 3, 7}


def test_what_goes_untagged_has_to_pass_as_well() -> None:
    assert carried_by(frozenset({1, 200}), native=1) == Carried(vlans=frozenset({200}), native=1)
    assert carried_by(frozenset({200}), native=1) == Carried(vlans=frozenset({200}))
    assert carried_by(frozenset({200}), native=None).words == "VLANs 200"
    assert Carried(vlans=frozenset(), native=7).words == "no VLAN, and 7 untagged"


def test_a_declared_trunk_carries_what_it_lists() -> None:
    trunk = Trunk(port="up1", vlans=(200, VlanSpan(first=101, last=103)), native=200)
    assert trunk.carried().words == "VLANs 101-103, and 200 untagged"
    read = SwitchSpec.model_validate_json(SWITCH % '{"port": "up1", "vlans": [200, {"first": 101, "last": 103}]}')
    assert read.trunks[0].carried().words == "VLANs 101-103, 200"


@pytest.mark.parametrize(
    ("trunks", "message"),
    [
        ('{"port": "up1", "vlans": [{"first": 3, "last": 2}]}', "last is smaller than first"),
        ('{"port": "up1", "vlans": []}', "at least 1"),
        ('{"port": "swp2", "vlans": [5]}', "swp2 is a trunk and one of ports"),
        ('{"port": "up1", "vlans": [5]}, {"port": "up1", "vlans": [6]}', "a trunk is declared twice"),
    ],
)
def test_a_trunk_that_cannot_be_is_refused(trunks: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SwitchSpec.model_validate_json(SWITCH % trunks)
