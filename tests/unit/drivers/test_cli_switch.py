"""Switches by their command lines: how platforms' words are read and said, and what a session may cost."""

from __future__ import annotations

import copy
import itertools
import socket
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from reconciler.drivers.cli_switch.platforms import PLATFORMS
from reconciler.drivers.cli_switch.profile import Seen, lines_for, parse
from reconciler.drivers.secret import Credentials, Secret
from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.ports.isolation import AccessPort
from tests.support.cli_benches import adapter
from tests.support.scripted import scripted_server
from tests.support.ssh_switch import (
    DIALECTS,
    PASSWORD,
    USER,
    Faults,
    Nxos,
    Port,
    SshSwitch,
    host_key,
    private_key,
    ssh_switch,
)
from tests.support.world_switch import access

OTHER = PortState(mode=PortMode.OTHER)
SECTIONED = ("nxos", "eos", "os10")


@pytest.fixture(params=sorted(DIALECTS))
def peer(request: pytest.FixtureRequest) -> Iterator[tuple[str, SshSwitch]]:
    with ssh_switch(request.param) as started:
        yield request.param, started


_REST = ("", "interface Vlan101", "  ip address 192.0.2.1/24", "!", "vlan 101")


def section(*lines: str) -> str:
    """Return a running configuration in which Ethernet1/7 says ``lines``."""
    return "\r\n".join(
        ["!Command: show running-config", "", "interface Ethernet1/7", *(f"  {line}" for line in lines), *_REST]
    )


@pytest.mark.parametrize("platform", SECTIONED)
@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (["switchport access vlan 101"], access(101)),
        (["description r3u07", "switchport", "switchport mode access", "switchport access vlan 101"], access(101)),
        (["switchport access vlan 101", "spanning-tree port type edge", "mtu 9216", "no shutdown"], access(101)),
        ([], OTHER),
        (["switchport mode access"], OTHER),
        (["switchport access vlan 101", "switchport mode trunk"], OTHER),
        (["switchport access vlan 101", "switchport trunk allowed vlan 1-4094"], OTHER),
        (["switchport access vlan 101", "switchport trunk native vlan 7"], OTHER),
        (["switchport access vlan 101", "switchport voice vlan 7"], OTHER),
        (["switchport access vlan 101", "switchport mode dot1q-tunnel"], OTHER),
        (["switchport access vlan 101", "switchport access vlan 102"], OTHER),
        (["switchport access vlan 101", "channel-group 7 mode active"], OTHER),
        (["switchport access vlan 101", "no switchport"], OTHER),
        (["switchport access vlan 101", "something that nobody thought of"], OTHER),
        (["switchport access vlan 0"], OTHER),
        (["switchport access vlan 4095"], OTHER),
        (["switchport access vlan 99999"], OTHER),
        (["switchport access vlan dynamic"], OTHER),
    ],
)
def test_port_is_plain_only_if_every_line_of_it_is_known(platform: str, lines: list[str], state: PortState) -> None:
    seen = parse(PLATFORMS[platform], [section(*lines)])
    assert seen["Ethernet1/7"].state == state
    assert set(seen) == {"Ethernet1/7", "Vlan101"}
    assert seen["Vlan101"].state == OTHER


TERSE = """\
    Interface               Admin Link Proto    Local                 Remote
    xe-0/0/7                up    down
    xe-0/0/7.0              up    down eth-switch
    """
FAMILY = "set interfaces xe-0/0/7 unit 0 family ethernet-switching"


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ([f"{FAMILY} vlan members 101"], access(101)),
        ([f"{FAMILY} interface-mode access", f"{FAMILY} vlan members 101"], access(101)),
        ([f"{FAMILY} interface-mode trunk", f"{FAMILY} vlan members 101"], OTHER),
        ([f"{FAMILY} vlan members 101", f"{FAMILY} vlan members 102"], OTHER),
        ([f"{FAMILY} vlan members blue"], OTHER),
        ([f"{FAMILY} vlan members 101-102"], OTHER),
        ([f"{FAMILY} vlan members 101", "set interfaces xe-0/0/7 native-vlan-id 7"], OTHER),
        ([f"{FAMILY} vlan members 101", "set interfaces xe-0/0/7 unit 7 vlan-id 7"], OTHER),
        ([f"{FAMILY} vlan members 101", "set interfaces xe-0/0/7 ether-options 802.3ad ae0"], OTHER),
        ([f"{FAMILY} vlan members 101", "set interfaces interface-range r member xe-0/0/7"], OTHER),
        ([f"{FAMILY} vlan members 101", "set interfaces apply-groups trunks"], OTHER),
        ([], OTHER),
    ],
)
def test_junos_port_is_plain_only_if_every_statement_of_it_is_known(lines: list[str], state: PortState) -> None:
    seen = parse(PLATFORMS["junos"], ["\n".join(lines), textwrap.dedent(TERSE)])
    assert seen["xe-0/0/7"].state == state


def test_junos_port_that_is_configured_and_not_there_is_not_there() -> None:
    assert "xe-0/0/9" not in parse(
        PLATFORMS["junos"], ["set interfaces xe-0/0/9 unit 0 family ethernet-switching vlan members 1", ""]
    )


@pytest.mark.parametrize(
    ("vlans", "link", "state", "is_shut"),
    [
        ("swp7  101 PVID Egress Untagged", "<BROADCAST,UP,LOWER_UP> mtu 9216 master br_default", access(101), False),
        ("swp7  101 PVID Egress Untagged", "<NO-CARRIER,BROADCAST,UP> mtu 9216 master br_default", access(101), False),
        ("swp7  101 PVID Egress Untagged", "<BROADCAST,MULTICAST> mtu 9216 master br_default", access(101), True),
        ("swp7  101 PVID Egress Untagged", "<BROADCAST,UP> mtu 9216 master bond1", OTHER, False),
        ("swp7  101 PVID Egress Untagged\n      102", "<BROADCAST,UP> mtu 9216", OTHER, False),
        ("swp7  1 PVID Egress Untagged\n      102 Egress Untagged", "<BROADCAST,UP> mtu 9216", OTHER, False),
        ("swp7  101", "<BROADCAST,UP> mtu 9216", OTHER, False),
        ("swp8  101 PVID Egress Untagged", "<BROADCAST,UP> mtu 9216", OTHER, False),
    ],
)
def test_cumulus_port_is_what_the_kernel_says(vlans: str, link: str, state: PortState, *, is_shut: bool) -> None:
    seen = parse(PLATFORMS["nvue"], [f"port  vlan-id\n{vlans}\n", f"1: lo: <UP> mtu 65536\n9: swp7: {link}\n"])["swp7"]
    assert (seen.state, seen.is_shut) == (state, is_shut)


def said(platform: str, *, seen: Seen, place: AccessPort, is_parked: bool = False) -> list[str]:
    return lines_for(PLATFORMS[platform].writing, "Ethernet1/7", place=place, seen=seen, is_parked=is_parked)


@pytest.mark.parametrize("platform", ["nxos", "eos"])
def test_plain_port_moves_without_being_shut(platform: str) -> None:
    seen = Seen(state=access(101), is_shut=False, label="r3u07")
    lines = said(platform, seen=seen, place=AccessPort(vlan=200, node="r3u07"))
    assert "shutdown" not in lines
    assert lines[-1] == "no shutdown"


@pytest.mark.parametrize("platform", SECTIONED)
def test_port_that_is_not_plain_leads_nowhere_while_it_is_changed(platform: str) -> None:
    seen = Seen(state=OTHER, is_shut=False, label="", stale=("switchport trunk allowed vlan 5,6",))
    lines = said(platform, seen=seen, place=AccessPort(vlan=200))
    assert lines[:3] == ["interface Ethernet1/7", "shutdown", "no switchport trunk allowed vlan 5,6"]
    assert lines[-2:] == ["no description", "no shutdown"]


@pytest.mark.parametrize("platform", SECTIONED)
def test_port_is_shut_before_it_is_parked_and_stays_shut(platform: str) -> None:
    seen = Seen(state=access(200), is_shut=False, label="r3u07")
    lines = said(platform, seen=seen, place=AccessPort(vlan=999), is_parked=True)
    assert lines[1] == "shutdown"
    assert "no shutdown" not in lines


def reached(port: Port) -> set[str]:
    """Return the VLANs that a port leads to."""
    if port.is_shut:
        return set()
    return set((port.trunk or "1-4094").split(",")) if port.is_trunk else {str(port.access)}


STATES = [
    Port(),
    Port(access=101, is_shut=False, description="r3u07"),
    Port(access=200, is_shut=False, trunk="5,6"),
    Port(access=7, is_trunk=True, trunk="10,20", is_shut=False),
    Port(access=7, is_trunk=True, is_shut=False),
]


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("place", [AccessPort(vlan=102, node="r3u08"), AccessPort(vlan=999)])
def test_no_line_leaves_a_port_wider_than_it_was_or_is_to_be(before: Port, place: AccessPort) -> None:
    """On a platform without transactions, every line is a state of its own, and the session may break after any."""
    switch = Nxos({"Ethernet1/7": copy.deepcopy(before)}, Faults())
    shell, port = switch.greet(), switch.running["Ethernet1/7"]
    seen = parse(PLATFORMS["nxos"], [switch.obey(shell, "show running-config interface")])["Ethernet1/7"]
    lines = said("nxos", seen=seen, place=place, is_parked=place.vlan == 999)
    for line in ["configure terminal", *lines]:
        switch.obey(shell, line)
        assert reached(port) <= reached(before) | {str(place.vlan)}, line
        assert len(reached(port)) <= 1 or reached(port) == reached(before), line
    assert reached(port) == (set() if place.vlan == 999 else {str(place.vlan)})
    assert (port.trunk, port.description) == ("", place.node)


def test_what_is_so_already_is_not_written_again(peer: tuple[str, SshSwitch]) -> None:
    platform, switch = peer
    tor, port = adapter(switch, platform, deadline_s=20.0), switch.names[0]
    tor.apply({port: AccessPort(vlan=101, node="n1")})
    before = list(switch.log)
    assert tor.apply({port: AccessPort(vlan=101, node="n1")}) == {port: access(101)}
    written = switch.log[len(before) :]
    assert not [line for line in written if line.startswith(("conf", "interface", "nv", "copy", "write", "start"))]


def test_change_outlives_a_reboot(peer: tuple[str, SshSwitch]) -> None:
    platform, switch = peer
    tor, port = adapter(switch, platform, deadline_s=20.0), switch.names[0]
    tor.apply({port: AccessPort(vlan=101, node="n1")})
    assert switch.dialect.saved[port].access == 101


def test_refused_port_of_a_transaction_moves_none(peer: tuple[str, SshSwitch]) -> None:
    platform, switch = peer
    first, second = switch.names
    switch.dialect.faults.refused_port = second
    tor = adapter(switch, platform, deadline_s=20.0)
    with pytest.raises(DeviceError) as caught:
        tor.apply({first: AccessPort(vlan=101), second: AccessPort(vlan=102)})
    assert caught.value.reason == "SwitchRefused"
    moved = access(101) if platform == "nxos" else access(999)  # It has no transactions: each line counts.
    assert tor.read_ports([first, second]) == {first: moved, second: access(999)}
    switch.dialect.faults.refused_port = ""
    assert tor.apply({second: AccessPort(vlan=102)}) == {second: access(102)}, "nothing is left over"
    assert tor.read_ports([first]) == {first: moved}


def test_port_whose_name_is_a_command_is_not_there_and_is_not_said(peer: tuple[str, SshSwitch]) -> None:
    platform, switch = peer
    name = "swp1\nreboot"
    assert adapter(switch, platform, deadline_s=20.0).apply({name: AccessPort(vlan=101)}) == {name: UNKNOWN_PORT}
    assert "reboot" not in switch.log


@pytest.mark.parametrize("place", [AccessPort(vlan=0), AccessPort(vlan=4095), AccessPort(vlan=7, node="a b; reboot")])
def test_what_is_no_place_is_our_own_mistake(place: AccessPort) -> None:
    with ssh_switch("eos") as switch:
        with pytest.raises(InvariantError):
            adapter(switch, "eos").apply({switch.names[0]: place})
        assert switch.logins == 0


def test_wrong_password_is_the_operators_to_mend() -> None:
    with ssh_switch("nxos") as switch:
        wrong = adapter(switch, "nxos", credentials=Credentials(user=USER, password=Secret(b"guess")))
        with pytest.raises(DeviceError, match="login"):
            wrong.read_ports([switch.names[0]])


def test_login_may_be_a_key_and_no_password_is_sent_then(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(private_key())
    with ssh_switch("os10") as switch:
        tor = adapter(switch, "os10", credentials=Credentials(user=USER, password=Secret(b""), key=file))
        with pytest.raises(DeviceError, match="login"):
            tor.read_ports([switch.names[0]])
        switch.passwords, switch.client_key = 0, paramiko.PKey.from_path(file).get_base64()
        assert tor.read_ports([switch.names[0]]) == {switch.names[0]: access(999)}
        assert switch.passwords == 0


@pytest.mark.parametrize("content", ["", "no key"])
def test_key_that_cannot_be_read_is_told_without_a_login(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with ssh_switch("os10") as switch:
        tor = adapter(switch, "os10", credentials=Credentials(user=USER, password=Secret(b""), key=file))
        with pytest.raises(DeviceError, match="key"):
            tor.read_ports([switch.names[0]])


@pytest.mark.parametrize("kind", ["same type", "other type"])
def test_stranger_gets_no_password(kind: str) -> None:
    other = host_key() if kind == "same type" else paramiko.ECDSAKey.generate()
    key = f"{other.get_name()} {other.get_base64()}"
    with ssh_switch("eos") as switch:
        with pytest.raises(DeviceError) as caught:
            adapter(switch, "eos", host_key=key).read_ports([switch.names[0]])
        assert caught.value.reason == "SwitchKey"
        assert switch.passwords == 0
        assert PASSWORD not in str(caught.value)


def test_nobody_and_somebody_who_speaks_no_ssh_are_unreachable() -> None:
    with ssh_switch("nxos") as switch, socket.socket() as unused, scripted_server(is_plain=True) as web:
        unused.bind(("127.0.0.1", 0))
        for port in (unused.getsockname()[1], web.port):
            with pytest.raises(TransientError):
                adapter(switch, "nxos", address=f"ssh:127.0.0.1:{port}", deadline_s=2.0).read_ports(["swp1"])


def test_session_that_breaks_is_noticed_before_the_deadline() -> None:
    with ssh_switch("junos") as switch:
        switch.dialect.faults.reboots = True
        begun = time.monotonic()
        with pytest.raises(TransientError):
            adapter(switch, "junos", deadline_s=60.0).apply({switch.names[0]: AccessPort(vlan=101)})
        assert time.monotonic() - begun < 50
        assert switch.dialect.running[switch.names[0]].access == 999


@pytest.mark.parametrize("platform", ["nxos", "eos"])
def test_change_that_was_not_saved_is_no_success(platform: str) -> None:
    with ssh_switch(platform) as switch:
        switch.dialect.faults.keeps_nothing = True
        with pytest.raises(DeviceError) as caught:
            adapter(switch, platform, deadline_s=20.0).apply({switch.names[0]: AccessPort(vlan=101)})
        assert caught.value.reason == "SwitchNotSaved"


@pytest.mark.parametrize("platform", ["nxos", "eos"])
def test_change_whose_saving_was_missed_is_saved_the_next_time(platform: str) -> None:
    with ssh_switch(platform) as switch:
        tor, port = adapter(switch, platform, deadline_s=20.0), switch.names[0]
        switch.dialect.faults.keeps_nothing = True
        with pytest.raises(DeviceError):
            tor.apply({port: AccessPort(vlan=101)})
        switch.dialect.faults.keeps_nothing = False
        assert switch.dialect.saved[port].access == 999
        assert tor.apply({port: AccessPort(vlan=101)}) == {port: access(101)}
        assert switch.dialect.saved[port].access == 101


def test_lines_that_took_effect_before_a_refusal_are_saved() -> None:
    with ssh_switch("nxos") as switch:
        first, second = switch.names
        switch.dialect.faults.refused_port = second
        with pytest.raises(DeviceError):
            adapter(switch, "nxos", deadline_s=20.0).apply({first: AccessPort(vlan=101), second: AccessPort(vlan=102)})
        assert switch.dialect.saved[first].access == 101


def test_address_that_is_none_is_refused() -> None:
    with ssh_switch("eos") as switch, pytest.raises(DeviceError):
        adapter(switch, "eos", address="tcp:127.0.0.1:22")


def test_profiles_are_told_apart_by_their_drivers() -> None:
    for one, other in itertools.combinations(PLATFORMS.values(), 2):
        assert one.driver != other.driver
    assert set(PLATFORMS) == set(DIALECTS)
