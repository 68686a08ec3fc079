"""Virtual metal behaves like metal: ports isolate, power is power, firmware boots over HTTP."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.lab import enter, layout, lifecycle, probe, process, requirements, tamper, topology
from reconciler.lab.layout import StateDir

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(requirements.missing_packages()), reason="the lab's Debian packages are not installed"),
]

STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateDir]:
    made = layout.state_dir(tmp_path_factory.mktemp("metal") / "lab")
    assert lifecycle.up(made, nodes=2)
    yield made
    lifecycle.down(made)


def retag(state: StateDir, port: str, vlan: int) -> None:
    kept_apart = f"protected={str(vlan == topology.PARKING_VLAN).lower()}"
    command = ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", "set", "port", port, f"tag={vlan}", kept_apart]
    done = enter.call(state, command)
    assert done.returncode == 0, done.stderr


def ipmi(state: StateDir, *words: str) -> str:
    secret = json.loads(state.credentials.read_text())["bmc/n1"]
    where = [
        "-C",
        "3",
        "-I",
        "lanplus",
        "-H",
        "127.0.0.1",
        "-p",
        "9001",
        "-U",
        secret["user"],
        "-P",
        secret["password"],
    ]
    done = enter.call(state, ["ipmitool", *where, *words], timeout_s=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def eventually(holds: Callable[[], bool], *, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_a_port_decides_what_its_node_can_reach(state: StateDir) -> None:
    for port in ("swp1", "swp2"):
        retag(state, port, topology.PARKING_VLAN)
    assert not probe.probe(state, "n1", "10.77.1.1")
    assert not probe.probe(state, "n1", topology.TENANT_ADDRESS, 80)
    assert not probe.leaks(state, "n1", "n2"), "parked nodes are kept from each other, too"

    retag(state, "swp1", 101)
    retag(state, "swp2", 102)
    assert probe.look(state, "n1", target="10.77.1.1", port=topology.ROGUE_PORT) is probe.Reach.OPEN
    assert not probe.probe(state, "n1", "10.77.2.1")
    assert not probe.probe(state, "n1", topology.ENCLAVE_SERVICE)
    assert not probe.leaks(state, "n1", "n2")
    assert not probe.leaks(state, "n2", "n1")

    retag(state, "swp1", topology.ENCLAVE_VLAN)
    retag(state, "swp2", topology.ENCLAVE_VLAN)
    assert probe.look(state, "n1", target=topology.TENANT_ADDRESS, port=80) is probe.Reach.OPEN
    assert probe.look(state, "n1", target=topology.TENANT_ADDRESS, port=81) is probe.Reach.ANSWERS
    assert probe.leaks(state, "n1", "n2")


def test_a_port_without_a_tag_is_a_trunk_and_the_probe_sees_it(state: StateDir) -> None:
    retag(state, "swp2", 102)
    enter.call(state, ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", "remove", "port", "swp1", "tag", "101", "--",
                       "clear", "port", "swp1", "tag", "--", "clear", "port", "swp1", "vlan_mode", "--",
                       "set", "port", "swp1", "protected=false"])  # fmt: skip
    assert lifecycle.port_vlans(state)["swp1"] is None
    assert probe.leaks(state, "n1", "n2")
    enter.call(state, ["ovs-vsctl", f"--db={topology.OVSDB_ADDRESS}", "set", "port", "swp1", "tag=999",
                       "vlan_mode=access"])  # fmt: skip
    assert not probe.leaks(state, "n1", "n2")


@pytest.mark.skipif(not STUB.exists(), reason="systemd-boot-efi is not installed")
def test_power_is_power_and_firmware_asks_its_airlock_for_its_image(state: StateDir, tmp_path: Path) -> None:
    cmdline, uki = tmp_path / "cmdline", tmp_path / "node.efi"
    cmdline.write_text("console=ttyS0")
    argv = ["objcopy", f"--add-section=.cmdline={cmdline}", "--change-section-vma=.cmdline=0x30000", STUB, uki]
    subprocess.run(argv, check=True, timeout=10)
    tamper.tamper_image(state, "n1", uki=uki)
    assert lifecycle.status(state).nodes[0].tampered
    retag(state, "swp1", 101)

    assert "off" in ipmi(state, "power", "status")
    ipmi(state, "power", "on")
    ipmi(state, "power", "on")
    assert "on" in ipmi(state, "power", "status")
    log = state.logs / "rogue.log"
    assert eventually(lambda: "GET /boot.efi" in log.read_text(), timeout_s=90), "firmware never asked"
    ipmi(state, "power", "off")
    assert "off" in ipmi(state, "power", "status")
    assert lifecycle.status(state).nodes[0].boots == 1

    tamper.undo(state, "n1")
    assert not lifecycle.status(state).nodes[0].tampered


def test_every_machine_has_a_tpm_of_its_own_signed_by_the_labs_manufacturer(state: StateDir, tmp_path: Path) -> None:
    documents = lifecycle.inventory_documents(state)
    texts = [text for path, text in documents.items() if "/nodes/" in path]
    digests = {line for text in texts for line in text.splitlines() if "endorsement" in line}
    assert len(digests) == 2
    certificate = state.node("n1") / "tpm" / "ek-rsa2048.crt"
    pem = tmp_path / "ek.pem"
    process.run(["openssl", "x509", "-inform", "der", "-in", str(certificate), "-out", str(pem)])
    roots = tmp_path / "lab.pem"
    roots.write_text(documents["trust/ek-roots/lab.pem"])
    assert "OK" in process.run(["openssl", "verify", "-CAfile", str(roots), str(pem)])
