"""The seed: ranges, entries that add up, and mistakes told at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.daemon.adopt.inventory import read_inventory
from reconciler.daemon.adopt.seed import Seed, expand, load_seed, parse_seed
from reconciler.daemon.adopt.words import add_bmc, add_switch
from reconciler.errors.taxonomy import InputError
from reconciler.repo.git import NO_COMMIT
from reconciler.repo.snapshot import Snapshot

RACK = b"""\
zone: east
zones: [{name: east, parkingVlan: 999, airlockVlans: {first: 101, last: 199}}]
switches: [{name: tor, address: tcp:127.0.0.1:6640, bridge: tor, ports: ["swp*"]}]
defaults:
  firmware: {family: uefi, profile: dell-r340}
  labels: {rack: r3}
nodes:
  - name: r3u[08-11]
    bmc: {address: "10.0.3.[8-11]", credentials: "bmc/r3u[08-11]"}
    interfaces: [{name: eno1, switch: tor, port: "swp[8-11]"}]
  - {name: r3u10, labels: {class: large}, firmware: {profile: other}}
"""

PIN = "sha256:" + "a" * 64


def test_one_entry_stands_for_a_rack_of_machines() -> None:
    seed = parse_seed(RACK, path="adopt.yaml")
    assert [node.name for node in seed.nodes] == ["r3u08", "r3u09", "r3u10", "r3u11", "r3u10"]
    assert [node.bmc.address for node in seed.nodes[:4]] == [f"10.0.3.{i}" for i in range(8, 12)]
    assert [node.interfaces[0].port for node in seed.nodes[:4]] == ["swp8", "swp9", "swp10", "swp11"]


def test_later_entries_add_to_earlier_ones() -> None:
    empty = Snapshot(commit=NO_COMMIT, tree=NO_COMMIT, files={}, findings=())
    found = read_inventory(empty, parse_seed(RACK, path="adopt.yaml"))
    document = found.documents["Node", "r3u10"]
    assert document["metadata"]["labels"] == {"rack": "r3", "class": "large"}
    assert document["spec"]["firmware"] == {"family": "uefi", "profile": "other"}
    assert document["spec"]["bmc"]["address"] == "10.0.3.10"
    assert document["spec"]["zone"] == "east"


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (b"[8-11]", b"[8-12]", 8, "different lengths"),
        (b"[08-11]", b"[11-08]", 8, "different lengths"),
        (b"parkingVlan: 999", b"parkingVlan: 5000", 2, "parkingVlan"),
        (b"credentials", b"password", 9, "password"),
        (b"class: large", b"class: 3", 11, "labels.class"),
    ],
)
def test_mistake_is_told_at_its_line(old: bytes, new: bytes, line: int, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_seed(RACK.replace(old, new, 1), path="adopt.yaml")
    assert any(finding.line == line and told in finding.message for finding in caught.value.findings)


@pytest.mark.parametrize("content", [b"", b"- a\n", b"a: 1\n---\nb: 2\n", b"a: [\n"])
def test_seed_that_is_no_mapping_is_refused(content: bytes) -> None:
    with pytest.raises(InputError):
        parse_seed(content, path="adopt.yaml")


def test_seed_that_is_not_there_is_refused_and_paths_are_beside_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_seed(tmp_path / "nothing.yaml")
    path = tmp_path / "adopt.yaml"
    path.write_text(
        "nodes: [{name: n1, ekCertificate: ek/n1.der}]\nswitches: [{name: a, address: tcp:a:1, control: x.ctl}]\n"
    )
    seed = load_seed(path)
    assert seed.nodes[0].ek_certificate == tmp_path / "ek/n1.der"
    assert seed.switches[0].control == tmp_path / "x.ctl"


def test_a_range_that_goes_down_is_refused() -> None:
    with pytest.raises(ValueError, match="goes up"):
        expand({"name": "n[3-1]"})
    assert expand({"name": "n1", "bmc": {"address": "[fd00::1]"}}) == [{"name": "n1", "bmc": {"address": "[fd00::1]"}}]


def test_words_of_the_command_line_are_a_seed() -> None:
    seed = add_switch(Seed(), "tor=tcp:127.0.0.1:6640,bridge=br0,ports=swp*,control=/run/x.ctl")
    assert seed.switches[0].bridge == "br0"
    assert seed.switches[0].ports == ("swp*",)
    seed = add_bmc(add_bmc(seed, "bmc/n1=127.0.0.1:9001"), "bmc/n2=[fd00::1]")
    assert [(node.name, node.bmc.address, node.bmc.port) for node in seed.nodes] == [
        ("n1", "127.0.0.1", 9001),
        ("n2", "[fd00::1]", None),
    ]


def test_word_of_a_redfish_bmc_has_what_its_document_needs() -> None:
    (node,) = add_bmc(Seed(), f"bmc/n1=10.0.3.7,driver=redfish,certificate={PIN},system=1,networkBoot=pxe").nodes
    assert node.bmc.model_dump(exclude_none=True) == {
        "driver": "redfish",
        "address": "10.0.3.7",
        "credentials": "bmc/n1",
        "certificate": PIN,
        "system": "1",
        "network_boot": "pxe",
    }


@pytest.mark.parametrize("word", ["tor", "TOR=tcp:a:1", "tor=tcp:a:1,brige=x"])
def test_switch_word_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(InputError) as caught:
        add_switch(Seed(), word)
    assert "bridge=" in caught.value.hint


@pytest.mark.parametrize(
    "word",
    ["n1", "bmc/N1=1.2.3.4", "bmc/n1=1.2.3.4:99999", "=1.2.3.4", "bmc/n1=1.2.3.4,driver", "bmc/n1=1.2.3.4,driver=x"],
)
def test_bmc_word_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(InputError):
        add_bmc(Seed(), word)
