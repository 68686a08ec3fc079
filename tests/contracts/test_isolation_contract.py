"""The contract of ``ports.isolation.Switch``."""

from __future__ import annotations

import time

import pytest

from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import UNKNOWN_PORT, PortMode
from tests.support.benches import DEADLINE_S, SwitchBench
from tests.support.world_switch import access


def test_port_reads_as_what_it_is(switches: SwitchBench) -> None:
    assert switches.switch.read_ports(["swp1", "swp2"]) == {"swp1": access(999), "swp2": access(999)}


def test_port_that_the_switch_does_not_know_is_unknown(switches: SwitchBench) -> None:
    assert switches.switch.read_ports(["swp1", "nowhere"]) == {"swp1": access(999), "nowhere": UNKNOWN_PORT}


def test_no_ports_asked_for_is_no_ports_read(switches: SwitchBench) -> None:
    assert switches.switch.read_ports([]) == {}


def test_access_vlan_is_set_and_read_back(switches: SwitchBench) -> None:
    assert switches.switch.set_access("swp1", vlan=101) == access(101)
    assert switches.truth("swp1") == access(101)
    assert switches.truth("swp2") == access(999), "the neighbour's port is left alone"


def test_setting_the_same_vlan_again_succeeds_and_changes_nothing(switches: SwitchBench) -> None:
    for _ in range(3):
        assert switches.switch.set_access("swp1", vlan=200) == access(200)
    assert switches.truth("swp1") == access(200)


def test_trunk_is_seen_and_made_a_plain_access_port(switches: SwitchBench) -> None:
    switches.make_trunk("swp1")
    assert switches.switch.read_ports(["swp1"])["swp1"].mode is PortMode.OTHER
    assert switches.switch.set_access("swp1", vlan=999) == access(999)
    assert switches.truth("swp1") == access(999)


def test_missing_port_is_refused_by_name(switches: SwitchBench) -> None:
    with pytest.raises(DeviceError, match="nowhere"):
        switches.switch.set_access("nowhere", vlan=101)


def test_silent_switch_is_given_up_at_the_deadline_and_found_again(switches: SwitchBench) -> None:
    switches.switch.read_ports(["swp1"])
    with switches.silent():
        begun = time.monotonic()
        with pytest.raises(TransientError):
            switches.switch.read_ports(["swp1"])
        with pytest.raises(TransientError):
            switches.switch.set_access("swp1", vlan=101)
        assert time.monotonic() - begun < 2 * DEADLINE_S + 30
    assert switches.switch.set_access("swp1", vlan=102) == access(102)
    assert switches.truth("swp1") == access(102)
