"""What ``probe`` may be run on, where it listens, and how it tells what it found."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.probe import _bench, _document, _heading, _lines, _not_listened_in, _zones
from reconciler.daemon.settings import Settings
from reconciler.errors.taxonomy import InputError
from reconciler.execute.probe import Findings, Leak
from reconciler.model.desired import DesiredState
from reconciler.model.probing import PortRef, ZoneProbe
from tests.support.sites import site

ONE, TWO, THREE = (PortRef(switch="tor-1", port=f"swp{number}") for number in (5, 6, 7))


def _desired(*ports: PortRef) -> DesiredState:
    desired = site(nodes=3)
    zone = desired.zones["east"]
    spec = zone.spec.model_copy(update={"probe": ZoneProbe(vlan=990, ports=ports) if ports else None})
    return replace(desired, zones={"east": zone.model_copy(update={"spec": spec})})


def _settings(*ports: PortRef, listeners: tuple[dict[str, Any], ...] = ()) -> Settings:
    cables = [{"switch": port.switch, "port": port.port, "interface": f"t{port.port}"} for port in ports]
    return Settings.model_validate(
        {
            **dict.fromkeys(("spool", "images", "keystore", "age_identity", "evidence_key", "credentials"), Path("x")),
            "tls": {"certificate": Path("x"), "key": Path("x")},
            "probe": {"cables": tuple(cables)},
            "listeners": listeners,
        },
        strict=False,
    )


def _listener(kind: str, number: int, *, interface: str | None = "eth", **who: str) -> dict[str, Any]:
    named = interface and f"{interface}{number}"
    return {"kind": kind, "interface": named, "address": ip_address(f"10.0.0.{number}"), **who}


LISTENERS = (
    _listener("airlock", 1, node="n1"),
    _listener("airlock", 2, node="n2", interface=None),
    _listener("airlock", 3, node="gone"),
    _listener("enclave", 4, network="blue-net"),
    _listener("enclave", 5, network="gone-net"),
)


def _refusal(desired: DesiredState, settings: Settings, *, only: str | None = None) -> InputError:
    assert settings.probe is not None
    with pytest.raises(InputError) as caught:
        _zones(desired, settings.probe, only=only)
    return caught.value


def test_a_zone_is_probed_if_it_allows_it_and_two_cables_are_here() -> None:
    settings = _settings(ONE, TWO)
    assert settings.probe is not None
    assert _zones(_desired(ONE, TWO, THREE), settings.probe, only=None) == ["east"]
    assert _zones(_desired(ONE, TWO, THREE), settings.probe, only="east") == ["east"]


def test_what_nobody_allowed_is_refused() -> None:
    found = _refusal(_desired(), _settings(ONE, TWO))
    assert (found.subject, found.reason) == ("port tor-1/swp5", "ProbeNotAllowed")
    assert "spec.probe.ports" in found.hint
    found = _refusal(_desired(TWO, THREE), _settings(ONE, TWO, THREE))
    assert found.subject == "port tor-1/swp5"


def test_one_cable_is_too_few() -> None:
    assert _refusal(_desired(ONE, TWO), _settings(ONE)).reason == "ProbeNotAllowed"
    assert _refusal(_desired(ONE, TWO), _settings(ONE), only="east").subject == "zone east"


def test_a_zone_that_is_not_there_is_told() -> None:
    assert _refusal(_desired(ONE, TWO), _settings(ONE, TWO), only="west").reason == "ZoneUnknown"


def test_it_listens_where_services_have_an_interface_and_says_where_not() -> None:
    desired, settings = _desired(ONE, TWO, THREE), _settings(ONE, THREE, listeners=LISTENERS)
    bench = _bench(desired, settings, zone="east")
    assert dict(bench.interfaces) == {ONE: "tswp5", THREE: "tswp7"}
    assert (bench.parking, bench.meeting) == (999, 990)
    assert [(ear.name, ear.interface, ear.vlan) for ear in bench.ears] == [
        ("the airlock of n1", "eth1", 101),
        ("network blue-net", "eth4", 200),
    ]
    assert _not_listened_in(desired, bench.ears, zone="east") == [
        "the airlock of n2",
        "the airlock of n3",
        "network green-net",
        "network red-net",
    ]
    assert _heading("east", bench) == (
        "zone east: test ports tor-1/swp5, tor-1/swp7 (parking VLAN 999, probe VLAN 990); "
        "also listening in airlocks: 1, networks: 1"
    )


def test_findings_are_told_line_by_line() -> None:
    leak = Leak(
        placement="all parked", shown="untagged, to everybody", sender="tor-1/swp5", vlan=999, heard="network x"
    )
    found = Findings(sent={"all parked": 300, "all": 20}, leaks=[leak], late=[leak], doubts=["a doubt"])
    deaf = [f"the airlock of n{number}" for number in range(12)]
    shown = ", ".join(deaf[:10])
    assert list(_lines(found, deaf=deaf)) == [
        "  all parked  300 frames  1 leaked",
        "  all         20 frames  nothing where it must not be",
        "leak: all parked: sent from tor-1/swp5 on VLAN 999, untagged, to everybody: heard in network x",
        "late: 1 frames crossed right after a move, and not a second later (all parked)",
        "doubt: a doubt",
        f"not listened in, for want of an interface here: {shown} and 2 more",
        "leaks: frames crossed where none may",
    ]
    assert list(_lines(Findings(), deaf=[])) == ["unknown: this probe proves nothing"]
    assert list(_lines(Findings(sent={"all": 1}), deaf=[]))[-1] == "tight: every control was heard, and nothing else"


def test_findings_as_json_have_the_same() -> None:
    bench = _bench(_desired(ONE, TWO), _settings(ONE, TWO), zone="east")
    found = Findings(sent={"all": 1}, doubts=["a doubt"])
    assert _document(found, bench, deaf=["network x"]) == {
        "verdict": "unknown",
        "testPorts": ["tor-1/swp5", "tor-1/swp6"],
        "listenedIn": [],
        "notListenedIn": ["network x"],
        "frames": {"all": 1},
        "leaks": [],
        "late": [],
        "doubts": ["a doubt"],
    }
