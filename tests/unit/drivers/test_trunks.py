"""What trunks carry, as each kind of switch says it; what is not understood is not told."""

from __future__ import annotations

import pytest
from lxml import etree

from reconciler.drivers.cli_switch.platforms import PLATFORMS
from reconciler.drivers.cli_switch.profile import parse
from reconciler.drivers.netconf_model import NXOS, OPENCONFIG, VlanModel, port_states
from reconciler.drivers.openvswitch import port_state
from reconciler.model.observed import PortMode

ALL = "VLANs 1-4094"
MODE, ALLOWED = "switchport mode trunk", "switchport trunk allowed vlan"


def _section(*lines: str) -> list[str]:
    return ["\n".join(["interface up1", *(f"  {line}" for line in lines), "!"])]


def _carried(platform: str, answers: list[str]) -> str | None:
    seen = parse(PLATFORMS[platform], answers)["up1"]
    assert seen.state.mode is PortMode.OTHER
    return seen.state.carried.words if seen.state.carried else None


@pytest.mark.parametrize("platform", ["nxos", "eos"])
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([MODE], "VLANs 2-4094, and 1 untagged"),
        ([MODE, f"{ALLOWED} 101-199,200"], "VLANs 101-200"),
        ([MODE, f"{ALLOWED} 1,200"], "VLANs 200, and 1 untagged"),
        ([MODE, f"{ALLOWED} 101-199", f"{ALLOWED} add 200"], "VLANs 101-200"),
        ([MODE, f"{ALLOWED} 7,200", "switchport trunk native vlan 7"], "VLANs 200, and 7 untagged"),
        ([MODE, f"{ALLOWED} none"], "no VLAN"),
        ([MODE, "description up", "mtu 9216", "switchport access vlan 5", f"{ALLOWED} 200"], "VLANs 200"),
        ([f"{ALLOWED} 200"], None),
        (["switchport mode dot1q-tunnel", f"{ALLOWED} 200"], None),
        ([MODE, f"{ALLOWED} except 7"], None),
        ([MODE, "switchport trunk native vlan tag", f"{ALLOWED} 200"], None),
        ([MODE, "switchport trunk group blue", f"{ALLOWED} 200"], None),
        ([MODE, "switchport trunk native vlan 7", "switchport trunk native vlan 8"], None),
        ([MODE, "switchport vlan mapping 7 8"], None),
    ],
)
def test_trunk_of_a_switch_with_sections(platform: str, lines: list[str], words: str | None) -> None:
    assert _carried(platform, _section(*lines)) == words


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([MODE, "switchport access vlan 1", f"{ALLOWED} 101-199,200"], "VLANs 101-200, and 1 untagged"),
        ([MODE], "no VLAN, and 1 untagged"),
        ([MODE, "switchport access vlan 7", f"{ALLOWED} 200"], "VLANs 200, and 7 untagged"),
    ],
)
def test_trunk_of_os10_carries_its_access_vlan_untagged_and_what_is_listed(lines: list[str], words: str) -> None:
    assert _carried("os10", _section(*lines)) == words


FAMILY = "set interfaces up1 unit 0 family ethernet-switching"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [f"{FAMILY} interface-mode trunk", f"{FAMILY} vlan members 101-199", f"{FAMILY} vlan members 200"],
            "VLANs 101-200",
        ),
        ([f"{FAMILY} interface-mode trunk", f"{FAMILY} vlan members all"], ALL),
        (
            [f"{FAMILY} interface-mode trunk", f"{FAMILY} vlan members 7-8", "set interfaces up1 native-vlan-id 7"],
            "VLANs 8, and 7 untagged",
        ),
        ([f"{FAMILY} interface-mode trunk"], "no VLAN"),
        ([f"{FAMILY} interface-mode trunk", f"{FAMILY} vlan members blue"], None),
        ([f"{FAMILY} vlan members 7", f"{FAMILY} vlan members 8"], None),
        ([f"{FAMILY} interface-mode trunk", f"{FAMILY} vlan members 7", "set interfaces up1 unit 5 vlan-id 5"], None),
        ([f"{FAMILY} interface-mode trunk", "set interfaces interface-range x member up1"], None),
    ],
)
def test_trunk_of_junos(lines: list[str], words: str | None) -> None:
    assert _carried("junos", ["\n".join(lines), "up1                     up    up"]) == words


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["up1               1 PVID Egress Untagged", "                  10", "                  20"],
            "VLANs 10, 20, and 1 untagged",
        ),
        (["up1               10", "                  20"], "VLANs 10, 20"),
        (["up1               1 PVID Egress Untagged", "                  2 Egress Untagged"], None),
        (["up1               10 PVID", "                  20"], None),
    ],
)
def test_trunk_of_nvue(lines: list[str], words: str | None) -> None:
    link = "5: up1: <BROADCAST,UP,LOWER_UP> mtu 9216 master br_default state UP"
    assert _carried("nvue", ["\n".join(lines), link]) == words


@pytest.mark.parametrize(
    ("mode", "tag", "trunks", "words"),
    [
        ([], [], [], ALL),
        ([], [], [200, 201], "VLANs 200-201"),
        (["trunk"], [5], [0, 200], "VLANs 200"),
        (["native-untagged"], [5], [200], "VLANs 200, and 5 untagged"),
        (["native-untagged"], [1], [], "VLANs 2-4094, and 1 untagged"),
        (["native-tagged"], [5], [200], None),
        (["dot1q-tunnel"], [5], [], None),
        ([], [5], [6], None),
        (["access"], [], [], None),
    ],
)
def test_trunk_of_open_vswitch(mode: list[str], tag: list[int], trunks: list[int], words: str | None) -> None:
    carried = port_state(mode=mode, tag=tag, trunks=trunks).carried
    assert (carried.words if carried else None) == words


_OC = (
    '<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>up1</name>'
    '<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet">'
    '<switched-vlan xmlns="http://openconfig.net/yang/vlan"><config><interface-mode>TRUNK</interface-mode>{}</config>'
    "</switched-vlan></ethernet></interface></interfaces>"
)
_NX = (
    '<System xmlns="http://cisco.com/ns/yang/cisco-nx-os-device"><intf-items><phys-items><PhysIf-list><id>up1</id>'
    "<layer>Layer2</layer><mode>trunk</mode>{}</PhysIf-list></phys-items></intf-items></System>"
)


@pytest.mark.parametrize(
    ("model", "text", "said", "words"),
    [
        (OPENCONFIG, _OC, "", ALL),
        (OPENCONFIG, _OC, "<trunk-vlans>101..199</trunk-vlans><trunk-vlans>200</trunk-vlans>", "VLANs 101-200"),
        (OPENCONFIG, _OC, "<native-vlan>7</native-vlan><trunk-vlans>200</trunk-vlans>", "VLANs 200, and 7 untagged"),
        (OPENCONFIG, _OC, "<trunk-vlans>blue</trunk-vlans>", None),
        (OPENCONFIG, _OC, "<native-vlan>blue</native-vlan>", None),
        (OPENCONFIG, _OC, "<native-vlan>7</native-vlan><native-vlan>8</native-vlan>", None),
        (NXOS, _NX, "<trunkVlans>101-199,200</trunkVlans><nativeVlan>vlan-1</nativeVlan>", "VLANs 101-200"),
        (NXOS, _NX, "<trunkVlans>1,200</trunkVlans><nativeVlan>vlan-1</nativeVlan>", "VLANs 200, and 1 untagged"),
        (NXOS, _NX, "<trunkVlans>200</trunkVlans><nativeVlan>unknown</nativeVlan>", None),
    ],
)
def test_trunk_of_netconf(model: VlanModel, text: str, said: str, words: str | None) -> None:
    state = port_states(model, etree.fromstring(text.format(said)), ["up1"], parking=999)["up1"]
    assert state.mode is PortMode.OTHER
    assert (state.carried.words if state.carried else None) == words
