"""The pure parts of the lab: inventory, settings, and what its programs are told."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from reconciler.lab import bmc, dhcp, inventory, machine, network, services, settings, topology, tpm
from reconciler.model.kinds import AnyDocument, Node, Switch, Zone

NODES = topology.nodes(3)
DIGEST = "sha256:" + "ab" * 32


def documents() -> dict[str, str]:
    return inventory.documents(NODES, endorsements={node.name: DIGEST for node in NODES}, roots="PEM\n")


def parsed(text: str) -> AnyDocument:
    value = YAML(typ="safe", pure=True).load(io.StringIO(text))
    return TypeAdapter(AnyDocument).validate_json(json.dumps(value))


def test_inventory_has_every_file_a_provider_would_commit() -> None:
    assert sorted(documents()) == [
        "site/networks/blue-net.yaml",
        "site/nodes/n1.yaml",
        "site/nodes/n2.yaml",
        "site/nodes/n3.yaml",
        "site/switches/tor.yaml",
        "site/zones/lab.yaml",
        "trust/ek-roots/lab.pem",
    ]


def test_inventory_is_valid_under_the_kinds() -> None:
    for path, text in documents().items():
        if path.endswith(".yaml"):
            document = parsed(text)
            assert document.kind.lower() in path
            assert document.metadata.name == Path(path).stem


def test_nodes_of_the_inventory_fit_its_switch_and_zone() -> None:
    files = documents()
    zone, switch = parsed(files["site/zones/lab.yaml"]), parsed(files["site/switches/tor.yaml"])
    assert isinstance(zone, Zone)
    assert isinstance(switch, Switch)
    for node in NODES:
        document = parsed(files[f"site/nodes/{node.name}.yaml"])
        assert isinstance(document, Node)
        assert zone.spec.airlock_vlans.first <= document.spec.airlock.vlan <= zone.spec.airlock_vlans.last
        assert document.spec.interfaces[0].port in switch.spec.ports
        assert document.spec.interfaces[0].mac == node.mac
        assert document.spec.tpm.endorsement == DIGEST


def test_names_and_numbers_of_the_largest_lab_never_meet() -> None:
    largest = topology.nodes(topology.MAX_NODES)
    vlans = [node.airlock_vlan for node in largest]
    vlans += [topology.ENCLAVE_VLAN, topology.PARKING_VLAN, topology.PROBE_VLAN]
    assert len(set(vlans)) == len(vlans)
    assert len({node.mac for node in largest}) == topology.MAX_NODES
    interfaces = [name for node in largest for name in (node.tap, node.cable, node.port, f"tor-{node.port}")]
    assert max(map(len, interfaces)) <= 15


def test_every_port_of_the_switch_is_born_as_an_access_port() -> None:
    argv = network.switch_argv(NODES, database="unix:x")
    commands = " ".join(argv).split(" -- ")
    born = [command for command in commands if command.startswith("add-port tor ")]
    assert len(born) == 2 * len(NODES) + 2 + len(topology.TEST_PORTS)
    assert all("vlan_mode=access tag=" in command for command in born)
    for port in (*(node.port for node in NODES), *topology.TEST_PORTS):
        assert f"add-port tor {port} vlan_mode=access tag=999 protected=true" in born


def test_no_namespace_of_the_lab_forwards() -> None:
    for namespace in (None, *network.namespaces(NODES)):
        assert "net.ipv4.ip_forward=0" in network.sysctl_argv(namespace)


def test_both_ends_of_every_virtual_cable_have_checksum_offload_off() -> None:
    told = {argv[-3] for argv in network.offload_argvs(NODES)}
    assert told == {end for near, far, _ in network.wires(NODES) for end in (near, far)}


def test_airlocks_and_the_enclave_network_get_addresses_and_nothing_else_does() -> None:
    text = dhcp.configuration(NODES, options_file="/o", lease_file="/l")
    ranges = [line for line in text.splitlines() if line.startswith("dhcp-range=")]
    assert [line.split(",")[1] for line in ranges] == ["10.77.1.100", "10.77.2.100", "10.77.3.100", "10.20.0.100"]
    assert "port=0" in text.splitlines()


def test_a_tampered_node_is_pointed_at_the_rogue_server_and_the_others_are_not() -> None:
    lines = dhcp.boot_options(NODES, tampered={"n2"}).splitlines()
    assert [line.rpartition(",")[2] for line in lines] == [
        "http://10.77.1.1/boot.efi",
        "http://10.77.2.1:8080/boot.efi",
        "http://10.77.3.1/boot.efi",
    ]


def test_bmc_answers_on_loopback_only() -> None:
    text = bmc.lan_configuration(NODES[0], password="p", chassis="/run/c")  # noqa: S106  # no secret of anybody's
    assert "addr 127.0.0.1 9001\n" in text
    assert 'chassis_control "/run/c n1"' in text


def test_machine_never_asks_for_kvm_and_has_a_tpm_and_one_network_card() -> None:
    files = machine.Files(firmware="c", variables="v", tpm_socket="t", console="s", pid_file="p")
    argv = machine.qemu_argv(NODES[0], memory_mib=256, files=files)
    assert "q35,accel=tcg,smm=off" in argv
    assert "tpm-crb,tpmdev=tpm0" in argv
    assert argv.count("-netdev") == 1
    assert any("vnet_hdr=off" in argument for argument in argv)
    assert any(f"mac={NODES[0].mac}" in argument and "csum=off" in argument for argument in argv)


def test_the_tpm_maker_keeps_to_the_state_directory() -> None:
    for text in tpm.authority_files("/s/ca").values():
        assert "/var/" not in text
        assert "/etc/" not in text


def test_settings_name_files_and_hold_no_secret(tmp_path: Path) -> None:
    document = settings.document(tmp_path, nodes=NODES)
    assert [listener["interface"] for listener in document["listeners"]] == ["al1", "al2", "al3", "en200"]
    assert document["credentials"] == str(tmp_path / "credentials.json")
    assert "password" not in json.dumps(document)


def test_our_own_services_stand_where_they_can_reach_no_bmc() -> None:
    catalogue = {service.name: service for service in services.other_services(NODES, settings=Path("/s"))}
    assert catalogue["serve"].namespace == "svc"
    assert catalogue["serve"].env == {"RINGFENCE_SETTINGS": "/s"}
    assert catalogue["bmc-n1"].namespace is None
    assert catalogue["serve"].command()[:2] == ["nsenter", "--net=/run/netns/svc"]


@pytest.mark.parametrize("memory", [256, 512])
def test_firmware_profile_names_the_memory_because_pcr_0_depends_on_it(memory: int) -> None:
    assert inventory.profile_name(memory) == f"ovmf-4m-{memory}"
