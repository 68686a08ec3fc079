"""Adoption against hardware of a small world: what is filled in, left open, told and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.ek import pin_of
from reconciler.daemon.adopt.adopt import Adoption, adopt
from reconciler.daemon.adopt.look import Pin, Reach
from reconciler.daemon.adopt.seed import Seed, SeedNode, parse_seed
from reconciler.errors.taxonomy import InputError, TransientError
from reconciler.model.observed import PortMode, PortState, PowerState
from reconciler.model.survey import BmcSighting, PortSighting, SwitchSighting
from reconciler.repo.desired import load_desired
from reconciler.repo.documents import parse_documents
from reconciler.repo.edit import delete_field
from reconciler.repo.git import NO_COMMIT
from reconciler.repo.snapshot import Snapshot
from tests.support import pki
from tests.support.documents import FILES
from tests.support.world_switch import access

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TRUNK = PortState(mode=PortMode.OTHER)
N1, N2 = "site/nodes/n1.yaml", "site/nodes/n2.yaml"


@dataclass
class Hardware:
    """The switch tor and the BMCs of n1 and n2, as they stand; an error in a device's place is what it answers."""

    switch: SwitchSighting | TransientError = field(
        default_factory=lambda: SwitchSighting(
            bridges=("tor",),
            ports={
                "swp1": PortSighting(name="swp1", state=access(999), macs=("52:54:00:00:03:01",)),
                "swp2": PortSighting(name="swp2", state=access(999), macs=("52:54:00:00:03:02",)),
                "swp3": PortSighting(name="swp3", state=access(999)),
                "tor": PortSighting(name="tor", state=TRUNK, is_internal=True),
            },
            has_table=True,
        )
    )
    bmcs: dict[str, BmcSighting | TransientError] = field(
        default_factory=lambda: {
            name: BmcSighting(power=PowerState.OFF, guid=f"{number:032x}") for number, name in enumerate(("n1", "n2"))
        }
    )
    pins: dict[str, Pin] = field(default_factory=dict)

    def port(self, name: str, **changes: object) -> None:
        """Change how a port stands."""
        assert isinstance(self.switch, SwitchSighting)
        known = self.switch.ports.get(name, PortSighting(name=name, state=access(999)))
        self.switch = replace(self.switch, ports={**self.switch.ports, name: replace(known, **changes)})

    def reach(self) -> Reach:
        """Return how it is reached."""
        return Reach(
            switch=lambda _name, _spec: Device(self.switch),
            bmc=lambda name, _spec: Device(self.bmcs[name]),
            on_record=lambda nodes: {node: self.pins[node] for node in nodes if node in self.pins},
        )


@dataclass
class Device:
    """One device that answers what it was made with."""

    answer: Any

    def survey(self) -> SwitchSighting:
        return self._told()  # type: ignore[no-any-return]

    def identify(self) -> BmcSighting:
        return self._told()  # type: ignore[no-any-return]

    def _told(self) -> Any:  # noqa: ANN401  # either sighting
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def run(files: Mapping[str, bytes], *, hardware: Hardware | None = None, seed: Seed | None = None) -> Adoption:
    snapshot = Snapshot(commit=NO_COMMIT, tree=NO_COMMIT, files=dict(files), findings=())
    return adopt(snapshot, seed=seed or Seed(), reach=(hardware or Hardware()).reach(), now=NOW, workers=1)


def value(content: bytes) -> Any:  # noqa: ANN401  # a plain document
    raws, findings = parse_documents(content, path="x")
    assert not findings
    return raws[0].value


def spec(found: Adoption, path: str) -> Any:  # noqa: ANN401  # a plain document's
    return value(found.snapshot.files[path])["spec"]


def codes(found: Adoption) -> set[str]:
    return {remark.code for remark in found.remarks}


def without(path: str, *fields: tuple[str | int, ...]) -> dict[str, bytes]:
    content = FILES[path]
    for each in fields:
        content = delete_field(content, path=("spec", *each))
    return {**FILES, path: content}


def test_repository_that_is_complete_keeps_every_byte() -> None:
    found = run(FILES)
    assert not found.files
    assert not found.remarks
    assert found.snapshot.files == FILES


def test_what_is_missing_is_filled_in_as_it_was() -> None:
    files = without(N1, ("interfaces", 0, "mac"), ("airlock",), ("bmc", "driver"))
    files["site/switches/tor.yaml"] = delete_field(FILES["site/switches/tor.yaml"], path=("spec", "driver"))
    found = run(files, hardware=Hardware(pins={}))
    assert set(found.changed) == {N1, "site/switches/tor.yaml"}
    assert not any(remark.is_open for remark in found.remarks)
    # The lowest free airlock is another one than the hand-written.
    assert spec(found, N1)["airlock"] == {"vlan": 100}
    assert load_desired(found.snapshot).nodes["n1"].spec.interfaces[0].mac == "52:54:00:00:03:01"


REMOVABLE = [
    (N1, ("spec", "interfaces", 0, "mac")),
    (N2, ("spec", "interfaces", 0, "mac")),
    (N1, ("spec", "bmc", "driver")),
    (N2, ("spec", "tpm")),
    ("site/switches/tor.yaml", ("spec", "driver")),
    ("site/switches/tor.yaml", ("spec", "ports")),
]


@given(chosen=st.sets(st.sampled_from(REMOVABLE)))
def test_whatever_can_be_seen_comes_back_and_a_second_time_changes_nothing(
    chosen: set[tuple[str, tuple[str | int, ...]]],
) -> None:
    files = dict(FILES)
    for path, where in chosen:
        files[path] = delete_field(files[path], path=where)
    hardware = Hardware(pins={"n2": Pin(digest=f"sha256:{2:064x}", source="its record")})
    seed = parse_seed(b"switches: [{name: tor, address: tcp:127.0.0.1:6640, ports: [swp*]}]\n", path="seed")
    found = run(files, hardware=hardware, seed=seed)
    assert not any(remark.is_open for remark in found.remarks)
    assert {path: value(found.snapshot.files[path]) for path in FILES if path.startswith("site/")} == {
        path: value(content) for path, content in FILES.items() if path.startswith("site/")
    }
    assert not run(found.snapshot.files, hardware=hardware, seed=seed).files


def test_comments_and_layout_of_a_changed_document_stay() -> None:
    content = without(N1, ("interfaces", 0, "mac"))[N1].replace(b"zone: east\n", b"zone:   east  # second row\n")
    found = run({**FILES, N1: content})
    changed = found.changed[N1]
    assert [line for line in changed.splitlines() if line not in content.splitlines()] == [
        b'      mac: "52:54:00:00:03:01"'
    ]
    assert b"zone:   east  # second row" in changed


def test_what_cannot_be_read_is_left_open_and_refused_with_the_way_to_it() -> None:
    hardware = Hardware()
    hardware.port("swp1", macs=())
    found = run(without(N1, ("interfaces", 0, "mac"), ("tpm",), ("firmware",)), hardware=hardware)
    opened = {remark.code for remark in found.remarks if remark.is_open}
    assert opened == {"MacUnknown", "EndorsementUnknown", "FirmwareUnknown"}
    assert spec(found, N1)["tpm"] == {"endorsement": "?"}
    with pytest.raises(InputError) as caught:
        load_desired(found.snapshot)
    told = {finding.message: finding.hint for finding in caught.value.findings}
    assert "EK certificate" in told["spec.tpm.endorsement is left open"]
    assert all(finding.line for finding in caught.value.findings)
    assert run(found.snapshot.files, hardware=hardware).files == {}
    hardware.port("swp1", macs=("52:54:00:00:03:01",))
    again = run(found.snapshot.files, hardware=hardware)
    assert spec(again, N1)["interfaces"][0]["mac"] == "52:54:00:00:03:01"


def test_two_learnt_addresses_are_not_guessed_between() -> None:
    hardware = Hardware()
    hardware.port("swp1", macs=("52:54:00:00:03:01", "52:54:00:00:03:99"))
    found = run(without(N1, ("interfaces", 0, "mac")), hardware=hardware)
    assert spec(found, N1)["interfaces"][0]["mac"] == "?"
    (remark,) = found.remarks
    assert "52:54:00:00:03:99" in remark.message


def test_documented_address_stands_and_a_difference_is_told() -> None:
    hardware = Hardware()
    hardware.port("swp1", macs=("52:54:00:00:03:99",))
    found = run(FILES, hardware=hardware)
    assert not found.files
    assert codes(found) == {"MacDiffers"}


def test_cable_is_found_by_its_address() -> None:
    found = run(without(N1, ("interfaces", 0, "port"), ("interfaces", 0, "switch")))
    assert spec(found, N1)["interfaces"] == [
        {"name": "eno1", "mac": "52:54:00:00:03:01", "switch": "tor", "port": "swp1"}
    ]
    hardware = Hardware()
    hardware.port("swp3", macs=("52:54:00:00:03:01",))
    found = run(without(N1, ("interfaces", 0, "port"), ("interfaces", 0, "switch")), hardware=hardware)
    assert "CableUnknown" in codes(found)
    assert spec(found, N1)["interfaces"][0]["port"] == "?"


def test_cable_is_found_by_the_ports_description() -> None:
    hardware = Hardware()
    hardware.port("swp1", note="n1 eno1")
    found = run(without(N1, ("interfaces",)), hardware=hardware)
    assert spec(found, N1)["interfaces"] == [
        {"name": "eno1", "mac": "52:54:00:00:03:01", "switch": "tor", "port": "swp1"}
    ]
    assert "NoCable" in codes(run(without(N1, ("interfaces",))))


def test_hardware_that_is_gone_is_told_and_its_documents_stay() -> None:
    gone = TransientError("node n1", "its BMC is not reachable: no answer", reason="BmcUnreachable")
    hardware = Hardware()
    hardware.bmcs["n1"] = gone
    assert isinstance(hardware.switch, SwitchSighting)
    ports = {name: port for name, port in hardware.switch.ports.items() if name != "swp2"}
    hardware.switch = replace(hardware.switch, ports=ports)
    found = run(FILES, hardware=hardware)
    assert not found.files
    assert codes(found) == {"BmcUnreachable", "PortGone"}
    hardware.switch = TransientError("switch tor", "no answer within 5 s", reason="SwitchSilent")
    found = run(FILES, hardware=hardware)
    assert not found.files
    assert "SwitchSilent" in codes(found)


def test_only_cabled_and_asked_for_ports_become_ours() -> None:
    hardware = Hardware()
    hardware.port("uplink", state=access(50))
    files = without("site/switches/tor.yaml", ("ports",))
    assert spec(run(files, hardware=hardware), "site/switches/tor.yaml")["ports"] == ["swp1", "swp2"]
    seed = parse_seed(b'switches: [{name: tor, address: "tcp:127.0.0.1:6640", ports: ["swp*"]}]', path="seed")
    found = run(files, hardware=hardware, seed=seed)
    assert spec(found, "site/switches/tor.yaml")["ports"] == ["swp1", "swp2", "swp3"]
    assert "uplink (VLAN 50)" in next(remark.message for remark in found.remarks if remark.code == "OtherPorts")


def test_test_ports_of_a_zone_become_ours() -> None:
    hardware = Hardware()
    for port in ("tp1", "tp2"):
        hardware.port(port, state=access(999))
    files = without("site/switches/tor.yaml", ("ports",))
    ports = "[{switch: tor, port: tp2}, {switch: tor, port: tp1}, {switch: tor-2, port: tp3}]"
    vlans = "parkingVlan: 999, airlockVlans: {first: 100, last: 199}"
    zone = f"{{name: east, {vlans}, probe: {{vlan: 990, ports: {ports}}}}}"
    found = run(files, hardware=hardware, seed=parse_seed(f"zones: [{zone}]".encode(), path="seed"))
    assert spec(found, "site/switches/tor.yaml")["ports"] == ["swp1", "swp2", "tp1", "tp2"]
    assert spec(found, "site/zones/east.yaml")["probe"]["vlan"] == 990
    assert not [remark for remark in found.remarks if remark.code == "ParkingLeads" and "tp" in remark.message]


def test_parking_that_leads_somewhere_is_told() -> None:
    hardware = Hardware()
    hardware.port("uplink", state=TRUNK)
    hardware.port("printer", state=access(999))
    told = [remark.message for remark in run(FILES, hardware=hardware).remarks if remark.code == "ParkingLeads"]
    assert len(told) == 2
    assert any("uplink" in message and "trunk" in message for message in told)


def test_machine_under_two_addresses_is_told() -> None:
    hardware = Hardware()
    hardware.bmcs["n2"] = hardware.bmcs["n1"]
    assert codes(run(FILES, hardware=hardware)) == {"SameMachine"}


def test_endorsement_on_record_is_taken_and_told() -> None:
    hardware = Hardware(pins={"n1": Pin(digest="sha256:" + "f" * 64, source="its enrolment")})
    found = run(without(N1, ("tpm",)), hardware=hardware)
    assert spec(found, N1)["tpm"] == {"endorsement": "sha256:" + "f" * 64}
    assert [(remark.code, remark.is_open) for remark in found.remarks] == [("EndorsementTaken", False)]


def test_certificate_counts_only_if_an_ek_root_vouches_for_it_and_a_difference_is_told(tmp_path: Path) -> None:
    maker, stranger = pki.authority("maker"), pki.authority("stranger")
    path = tmp_path / "ek.der"
    seed = Seed(nodes=(SeedNode(name="n1", ek_certificate=path),))
    files = {**without(N1, ("tpm",)), "trust/ek-roots/lab.pem": maker.pem}
    path.write_bytes(pki.ek(stranger))
    found = run(files, seed=seed)
    assert spec(found, N1)["tpm"] == {"endorsement": "?"}
    assert "EkIssuerUnknown" in codes(found)
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "EkCertificateMalformed" in codes(run(files, seed=seed))
    path.write_bytes(pki.ek(maker))
    pin = pin_of(parse_certificate(pki.ek(maker)))
    found = run(files, seed=seed)
    assert spec(found, N1)["tpm"] == {"endorsement": pin}
    assert not found.remarks
    found = run({**FILES, "trust/ek-roots/lab.pem": maker.pem}, seed=seed)
    assert codes(found) == {"EndorsementDiffers"}
    assert not found.files
    path.unlink()
    assert "NoFile" in codes(run(files, seed=seed))


def test_fresh_repository_is_written_from_a_seed() -> None:
    seed = parse_seed(
        b"""\
zone: east
zones: [{name: east, parkingVlan: 999, airlockVlans: {first: 101, last: 199}}]
networks: [{name: blue-net, vlan: 200}]
switches: [{name: tor, address: "tcp:127.0.0.1:6640", bridge: tor, ports: ["swp*"]}]
defaults: {firmware: {family: uefi, profile: ovmf}}
nodes:
  - name: n[1-2]
    bmc: {address: "10.0.3.[1-2]", credentials: "bmc/n[1-2]"}
    interfaces: [{name: eno1, switch: tor, port: "swp[1-2]"}]
    endorsement: "sha256:000000000000000000000000000000000000000000000000000000000000000[1-2]"
""",
        path="seed",
    )
    found = run({path: content for path, content in FILES.items() if not path.startswith("site/")}, seed=seed)
    assert not found.changed
    assert load_desired(found.snapshot).nodes.keys() == {"n1", "n2"}
    assert load_desired(found.snapshot).switches == load_desired(run(FILES).snapshot).switches
    assert load_desired(found.snapshot).nodes == {
        name: node.model_copy(update={"metadata": node.metadata})
        for name, node in load_desired(run(FILES).snapshot).nodes.items()
    }
    assert not run(found.snapshot.files, seed=seed).files


def test_zone_that_nobody_described_is_left_open() -> None:
    files = {path: content for path, content in FILES.items() if "zones" not in path}
    found = run(without_airlock(files))
    assert spec(found, "site/zones/east.yaml") == {"parkingVlan": "?", "airlockVlans": "?"}
    assert {"ZoneUnknown", "AirlockUnknown"} <= codes(found)
    with pytest.raises(InputError):
        load_desired(found.snapshot)


def without_airlock(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {**files, N1: delete_field(files[N1], path=("spec", "airlock"))}


def test_broken_file_of_the_site_stops_adoption() -> None:
    with pytest.raises(InputError):
        run({**FILES, N1: b"a: [\n"})
