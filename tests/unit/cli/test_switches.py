"""Which adapter a switch gets, and when its connection is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.switches import DRIVERS, SwitchSet
from reconciler.drivers.ipmi.power import Credentials
from reconciler.drivers.netconf import Netconf
from reconciler.drivers.openvswitch import OpenVswitch
from reconciler.drivers.paced_switch import PacedSwitch
from reconciler.drivers.secret import Secret
from reconciler.errors.taxonomy import InputError
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Switch
from reconciler.model.switches import SwitchSpec
from tests.support.sites import site

ROOT = {"switch/tor-1": Credentials(user="root", password=Secret(b""), key=Path("key"))}
NETCONF = {
    "driver": "netconf",
    "address": "ssh:127.0.0.1:830",
    "bridge": None,
    "login": {"credentials": "switch/tor-1", "hostKey": f"ssh-ed25519 {'A' * 68}"},
}


def _changed(desired: DesiredState, **changes: object) -> DesiredState:
    """Return ``desired`` with another spec of tor-1."""
    document: dict[str, Any] = json.loads(desired.switches["tor-1"].model_dump_json(by_alias=True))
    document["spec"] |= changes
    switches = {**desired.switches, "tor-1": Switch.model_validate_json(json.dumps(document))}
    return replace(desired, switches=switches)


def _adapter(switch: PacedSwitch) -> object:
    return switch._switch


def test_every_driver_that_a_document_may_name_has_an_adapter() -> None:
    named = SwitchSpec.model_json_schema()["properties"]["driver"]["enum"]
    assert sorted(DRIVERS) == sorted(named)


def test_switch_gets_the_adapter_that_its_document_names() -> None:
    switches = SwitchSet(credentials=ROOT)
    assert isinstance(_adapter(switches.of(site())["tor-1"]), OpenVswitch)
    assert isinstance(_adapter(switches.of(_changed(site(), **NETCONF))["tor-1"]), Netconf)
    switches.close()


def test_switch_that_has_not_changed_is_kept_and_one_that_has_is_made_anew() -> None:
    switches, desired = SwitchSet(credentials={}), site(switches=2)
    first = switches.of(desired)
    again = switches.of(desired)
    assert all(first[name] is again[name] for name in ("tor-1", "tor-2"))
    changed = switches.of(_changed(desired, address="tcp:127.0.0.1:6641"))
    assert changed["tor-1"] is not first["tor-1"]
    assert changed["tor-2"] is first["tor-2"]


def test_another_parking_vlan_makes_a_switch_anew() -> None:
    switches, desired = SwitchSet(credentials={}), site()
    zone = desired.zones["east"]
    moved = zone.model_copy(update={"spec": zone.spec.model_copy(update={"parking_vlan": 998})})
    first = switches.of(desired)["tor-1"]
    assert switches.of(replace(desired, zones={"east": moved}))["tor-1"] is not first


def test_switch_that_is_named_no_more_is_forgotten() -> None:
    switches = SwitchSet(credentials={})
    first = switches.of(site(switches=2))["tor-2"]
    assert set(switches.of(site(switches=1))) == {"tor-1"}
    assert switches.of(site(switches=2))["tor-2"] is not first


def test_credentials_that_are_not_on_this_machine_are_told() -> None:
    with pytest.raises(InputError, match="there are no credentials switch/tor-1") as caught:
        SwitchSet(credentials={}).of(_changed(site(), **NETCONF))
    assert caught.value.reason == "CredentialsMissing"
