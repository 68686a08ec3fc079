"""The rules that one document keeps by itself; what documents say about each other is checked in ``repo``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from reconciler.model.kinds import AirlockVlans, AnyDocument, NodeSelection, Repository, Switch
from reconciler.model.policy import AppraisalPolicySpec
from reconciler.model.switches import SwitchPace
from tests.support.sites import EnclaveShape, NodeShape, site

IMAGE_PCRS = [0, 2, 4, 7, 9, 11]


def test_every_kind_comes_back_from_its_own_json() -> None:
    desired = site(nodes=[NodeShape(interfaces=2)], enclaves=[EnclaveShape(name="blue", count=1, policy="pinned")])
    documents = [desired.repository]
    for kind in ("zones", "switches", "networks", "nodes", "images", "policies", "tenants", "enclaves", "keys"):
        documents += getattr(desired, kind).values()
    adapter: TypeAdapter[Any] = TypeAdapter(AnyDocument)
    for document in documents:
        assert adapter.validate_json(document.model_dump_json(by_alias=True, exclude_none=True)) == document


def test_repository_has_defaults_for_its_deadlines() -> None:
    spec = site().repository.spec
    assert (spec.interval.total_seconds(), spec.boot_deadline.total_seconds()) == (30, 600)
    assert (spec.confirm_deadline.total_seconds(), spec.evidence.branch) == (120, "evidence")


def test_unknown_api_version_is_refused() -> None:
    document = json.loads(site().repository.model_dump_json(by_alias=True))
    with pytest.raises(ValidationError):
        Repository.model_validate_json(json.dumps(document | {"apiVersion": "ringfence/v1"}))


def test_airlock_range_is_in_order() -> None:
    assert AirlockVlans(first=100, last=100).first == 100
    with pytest.raises(ValidationError, match="last is smaller than first"):
        AirlockVlans(first=101, last=100)


@pytest.mark.parametrize("pcrs", [[*IMAGE_PCRS, 11], [2, 0, 4, 7, 9, 11]])
def test_pcrs_are_listed_once_in_ascending_order(pcrs: list[int]) -> None:
    with pytest.raises(ValidationError, match="once each, in ascending order"):
        AppraisalPolicySpec.model_validate_json(json.dumps({"pcrs": pcrs, "image": "derived"}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either names or count"),
        ({"names": ["n1"], "count": 1}, "either names or count"),
        ({"names": ["n1"], "select": {"size": "small"}}, "select and spread go with count"),
        ({"names": ["n1", "n1"]}, "named twice"),
    ],
)
def test_nodes_are_chosen_one_way(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NodeSelection.model_validate_json(json.dumps(fields))


def test_nodes_are_named_or_counted() -> None:
    assert NodeSelection.model_validate_json('{"names": []}').names == ()
    assert NodeSelection.model_validate_json('{"count": 0, "select": {"size": "small"}}').count == 0


SSH = {"driver": "netconf", "address": "ssh:sw.example:830", "bridge": None}
LOGIN = {"credentials": "switch/tor-1", "hostKey": f"ssh-ed25519 {'A' * 68}"}


def _switch(**changes: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(site().switches["tor-1"].model_dump_json(by_alias=True))
    document["spec"] |= changes
    return document


def test_switch_spoken_to_by_netconf_has_a_login_and_ports_of_any_name() -> None:
    document = _switch(**SSH, login=LOGIN, ports=["Ethernet1/1", "xe-0/0/7", "swp7"])
    assert Switch.model_validate_json(json.dumps(document)).spec.pace == SwitchPace(at_once=1, per_second=20)


def test_switch_has_the_credentials_of_its_login_or_account() -> None:
    def credentials(**changes: object) -> str | None:
        return Switch.model_validate_json(json.dumps(_switch(**changes))).spec.credentials

    assert credentials() is None
    assert credentials(**SSH | {"driver": "cli", "platform": "nvue", "login": LOGIN}) == "switch/tor-1"
    hil = {"driver": "hil", "address": "https:hil.example:443", "bridge": None, "account": {"credentials": "hil/blue"}}
    assert credentials(**hil, ports=["r3u07/eno1"]) == "hil/blue"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bridge": None}, "driver openvswitch needs bridge"),
        ({"login": LOGIN}, "driver openvswitch has no login"),
        ({"model": "nxos"}, "driver openvswitch has no model"),
        ({"address": "ssh:127.0.0.1:830"}, "the address of driver openvswitch begins with tcp:"),
        (SSH, "driver netconf needs login"),
        (SSH | {"login": LOGIN, "bridge": "tor"}, "driver netconf has no bridge"),
        (SSH | {"driver": "cli", "login": LOGIN}, "driver cli needs platform"),
        (SSH | {"driver": "cli", "platform": "eos"}, "driver cli needs login"),
        (SSH | {"driver": "hil", "address": "https:hil.example:443"}, "driver hil needs account"),
        (SSH | {"login": LOGIN, "address": "tcp:127.0.0.1:830"}, "the address of driver netconf begins with ssh:"),
    ],
)
def test_switch_has_the_fields_of_its_driver(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Switch.model_validate_json(json.dumps(_switch(**changes)))
