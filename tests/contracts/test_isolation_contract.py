"""The contract of ``ports.isolation.Switch``."""

from __future__ import annotations

import time

import pytest

from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import UNKNOWN_PORT, PortMode
from reconciler.ports.isolation import AccessPort
from tests.support.benches import DEADLINE_S
from tests.support.switch_benches import SwitchBench
from tests.support.world_switch import access, send


def test_port_reads_as_what_it_is(switches: SwitchBench) -> None:
    assert switches.switch.read_ports(["swp1", "swp2"]) == {"swp1": access(999), "swp2": access(999)}


def test_port_that_the_switch_does_not_know_is_unknown(switches: SwitchBench) -> None:
    assert switches.switch.read_ports(["swp1", "nowhere"]) == {"swp1": access(999), "nowhere": UNKNOWN_PORT}


def test_no_ports_asked_for_is_no_ports_read(switches: SwitchBench) -> None:
    assert switches.switch.read_ports([]) == {}


def test_access_vlan_is_set_and_read_back(switches: SwitchBench) -> None:
    assert send(switches.switch, "swp1", vlan=101) == access(101)
    assert switches.truth("swp1") == access(101)
    assert switches.truth("swp2") == access(999), "the neighbour's port is left alone"


def test_setting_the_same_vlan_again_succeeds_and_changes_nothing(switches: SwitchBench) -> None:
    for _ in range(3):
        assert send(switches.switch, "swp1", vlan=200) == access(200)
    assert switches.truth("swp1") == access(200)


def test_trunk_is_seen_and_made_a_plain_access_port(switches: SwitchBench) -> None:
    switches.make_trunk("swp1")
    seen = switches.switch.read_ports(["swp1"])["swp1"]
    assert (seen.mode, seen.carried) == (PortMode.OTHER, switches.trunk)
    assert send(switches.switch, "swp1", vlan=999) == access(999)
    assert switches.truth("swp1") == access(999)


def test_many_ports_are_moved_at_once_each_to_its_own_vlan(switches: SwitchBench) -> None:
    wanted = {"swp1": AccessPort(vlan=101, node="n1"), "swp2": AccessPort(vlan=102, node="n2")}
    assert switches.switch.apply(wanted) == {"swp1": access(101), "swp2": access(102)}
    assert [switches.truth(port) for port in wanted] == [access(101), access(102)]


def test_nothing_to_move_is_nothing_moved(switches: SwitchBench) -> None:
    assert switches.switch.apply({}) == {}


def test_port_names_its_node_for_whoever_stands_at_the_switch(switches: SwitchBench) -> None:
    if switches.node is None:
        pytest.skip("its ports have no descriptions")
    switches.switch.apply({"swp1": AccessPort(vlan=101, node="r3u07"), "swp2": AccessPort(vlan=102, node="r3u08")})
    assert [switches.node("swp1"), switches.node("swp2")] == ["r3u07", "r3u08"]
    switches.switch.apply({"swp1": AccessPort(vlan=999, node="r3u09")})
    assert [switches.node("swp1"), switches.node("swp2")] == ["r3u09", "r3u08"]


def test_missing_port_reads_back_as_unknown_and_keeps_no_other_from_its_place(switches: SwitchBench) -> None:
    wanted = {"nowhere": AccessPort(vlan=101), "swp2": AccessPort(vlan=102)}
    assert switches.switch.apply(wanted) == {"nowhere": UNKNOWN_PORT, "swp2": access(102)}
    assert switches.truth("swp2") == access(102)


def test_switch_that_refuses_is_a_device_error_and_moves_nothing(switches: SwitchBench) -> None:
    with switches.refusing():
        with pytest.raises(DeviceError):
            switches.switch.apply({"swp1": AccessPort(vlan=101), "swp2": AccessPort(vlan=102)})
        assert switches.switch.read_ports(["swp1"]) == {"swp1": access(999)}, "it is still read"
    assert [switches.truth("swp1"), switches.truth("swp2")] == [access(999), access(999)]
    assert send(switches.switch, "swp1", vlan=101) == access(101)


def test_port_that_does_not_stay_where_it_was_sent_is_told_so(switches: SwitchBench) -> None:
    with switches.half():
        told = switches.switch.apply({"swp1": AccessPort(vlan=101), "swp2": AccessPort(vlan=102)})
    assert told["swp1"] == access(101)
    assert told["swp2"] == access(999), "what is read back is what is so, not what was asked for"
    assert [switches.truth("swp1"), switches.truth("swp2")] == [access(101), access(999)]


def test_reboot_in_the_middle_is_no_success_and_widens_nothing(switches: SwitchBench) -> None:
    with switches.rebooting(), pytest.raises(TransientError):
        switches.switch.apply({"swp1": AccessPort(vlan=101), "swp2": AccessPort(vlan=102)})
    for port, vlan in (("swp1", 101), ("swp2", 102)):
        assert switches.truth(port) in (access(999), access(vlan)), "where it was, or where it was sent"
    assert switches.switch.apply({"swp1": AccessPort(vlan=103), "swp2": AccessPort(vlan=104)}) == {
        "swp1": access(103),
        "swp2": access(104),
    }


def test_silent_switch_is_given_up_at_the_deadline_and_found_again(switches: SwitchBench) -> None:
    switches.switch.read_ports(["swp1"])
    with switches.silent():
        begun = time.monotonic()
        with pytest.raises(TransientError):
            switches.switch.read_ports(["swp1"])
        with pytest.raises(TransientError):
            send(switches.switch, "swp1", vlan=101)
        assert time.monotonic() - begun < 2 * DEADLINE_S + 30
    assert send(switches.switch, "swp1", vlan=102) == access(102)
    assert switches.truth("swp1") == access(102)
