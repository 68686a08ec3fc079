"""What is written to and read from a configuration in the OpenConfig model."""

from __future__ import annotations

import pytest

pytest.importorskip("lxml")

from lxml import etree  # after the check that it is there

from reconciler.drivers.netconf_model import (
    BASE,
    MODELS,
    NXOS,
    OPENCONFIG,
    VlanModel,
    describe,
    edit,
    port_states,
    selection,
)
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.ports.isolation import AccessPort
from tests.support.world_switch import access

PARKING = 999
OTHER = PortState(mode=PortMode.OTHER)
_PORT = """<interface><name>{name}</name><config><name>{name}</name>{config}</config>
<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet"><switched-vlan xmlns="http://openconfig.net/yang/vlan">
<config>{vlans}</config></switched-vlan></ethernet></interface>"""
_ACCESS = "<interface-mode>ACCESS</interface-mode><access-vlan>{}</access-vlan>"


def _data(*ports: str) -> etree._Element:
    return etree.fromstring(
        f'<data xmlns="{BASE}"><interfaces xmlns="http://openconfig.net/yang/interfaces">{"".join(ports)}</interfaces></data>'
    )


def _port(vlans: str, *, config: str = "", name: str = "swp1") -> str:
    return _PORT.format(name=name, config=config, vlans=vlans)


def _read(*ports: str) -> PortState:
    return port_states(OPENCONFIG, _data(*ports), ["swp1"], parking=PARKING)["swp1"]


def test_plain_access_port_reads_as_one() -> None:
    assert _read(_port(_ACCESS.format(101))) == access(101)


@pytest.mark.parametrize(
    "vlans",
    [
        "",
        "<interface-mode>ACCESS</interface-mode>",
        "<access-vlan>101</access-vlan>",
        "<interface-mode>TRUNK</interface-mode><access-vlan>101</access-vlan>",
        f"{_ACCESS.format(101)}<trunk-vlans>200</trunk-vlans>",
        f"{_ACCESS.format(101)}<native-vlan>200</native-vlan>",
        f"{_ACCESS.format(101)}<access-vlan>102</access-vlan>",
        f"{_ACCESS.format(101)}<unheard-of/>",
        f"{_ACCESS.format(101)}<access-vlan xmlns='urn:other'>101</access-vlan>",
        _ACCESS.format(0),
        _ACCESS.format(4095),
        _ACCESS.format("blue"),
        _ACCESS.format("\N{ARABIC-INDIC DIGIT FIVE}"),
        _ACCESS.format(""),
    ],
)
def test_whatever_is_not_plainly_access_reads_as_other(vlans: str) -> None:
    assert _read(_port(vlans)) == OTHER


def test_port_that_is_told_twice_reads_as_other() -> None:
    assert _read(_port(_ACCESS.format(101)), _port(_ACCESS.format(101))) == OTHER


def test_port_without_vlans_reads_as_other_and_one_that_is_not_there_as_unknown() -> None:
    assert _read("<interface><name>swp1</name></interface>") == OTHER
    assert _read(_port(_ACCESS.format(101), name="swp2")) == UNKNOWN_PORT


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("<enabled>false</enabled>", access(PARKING)),
        ("<enabled>true</enabled>", OTHER),
        ("", OTHER),
        ("<enabled>False</enabled>", OTHER),
    ],
)
def test_parked_port_counts_as_parked_only_while_it_is_off(config: str, expected: PortState) -> None:
    assert _read(_port(_ACCESS.format(PARKING), config=config)) == expected


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_what_is_written_reads_back_as_wanted(model: VlanModel) -> None:
    wanted = {"Ethernet1/1": AccessPort(vlan=101, node="r3u07"), "xe-0/0/7": AccessPort(vlan=PARKING)}
    config = edit(model, wanted, parking=PARKING)
    assert port_states(model, config, wanted, parking=PARKING) == {
        "Ethernet1/1": access(101),
        "xe-0/0/7": access(PARKING),
    }
    shown = [found.text for found in config.iter(model.description[-1])]
    assert shown == ["ringfence: r3u07", "ringfence: no node"]


def test_vlans_are_replaced_as_a_whole_and_nothing_else_is() -> None:
    config = edit(OPENCONFIG, {"swp1": AccessPort(vlan=101)}, parking=PARKING)
    replaced = [found.tag for found in config.iter() if f"{{{BASE}}}operation" in found.attrib]
    assert replaced == ["{http://openconfig.net/yang/vlan}config"]


def test_name_of_a_port_is_text_whatever_is_in_it() -> None:
    name = "a<b>&amp;"
    assert [found.text for found in selection(OPENCONFIG, [name]).iter(OPENCONFIG.name)] == [name]


def test_description_says_whose_a_port_is() -> None:
    assert [describe("n1"), describe("")] == ["ringfence: n1", "ringfence: no node"]


_NXOS = """<System xmlns="http://cisco.com/ns/yang/cisco-nx-os-device"><intf-items><phys-items><PhysIf-list><id>eth1/1</id>
<trunkVlans>1-4094</trunkVlans>{}</PhysIf-list></phys-items></intf-items></System>"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("<layer>Layer2</layer><mode>access</mode><accessVlan>vlan-101</accessVlan>", access(101)),
        ("<layer>Layer2</layer><mode>access</mode><accessVlan>101</accessVlan>", OTHER),
        ("<layer>Layer2</layer><mode>access</mode><accessVlan>vlan-0101x</accessVlan>", OTHER),
        ("<layer>Layer2</layer><mode>access</mode><accessVlan>unknown</accessVlan>", OTHER),
        ("<layer>Layer2</layer><mode>trunk</mode><accessVlan>vlan-101</accessVlan>", OTHER),
        ("<layer>Layer2</layer><mode>dot1q-tunnel</mode><accessVlan>vlan-101</accessVlan>", OTHER),
        ("<layer>Layer3</layer><mode>access</mode><accessVlan>vlan-101</accessVlan>", OTHER),
        ("<mode>access</mode><accessVlan>vlan-101</accessVlan>", OTHER),
        ("<layer>Layer2</layer><accessVlan>vlan-101</accessVlan>", OTHER),
        ("<adminSt>up</adminSt><layer>Layer2</layer><mode>access</mode><accessVlan>vlan-999</accessVlan>", OTHER),
        (
            "<adminSt>down</adminSt><layer>Layer2</layer><mode>access</mode><accessVlan>vlan-999</accessVlan>",
            access(999),
        ),
    ],
)
def test_port_of_nxos_is_access_only_if_mode_layer_and_vlan_say_so(said: str, expected: PortState) -> None:
    data = etree.fromstring(_NXOS.format(said))
    assert port_states(NXOS, data, ["eth1/1"], parking=PARKING) == {"eth1/1": expected}
