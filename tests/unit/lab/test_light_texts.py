"""Light nodes as names, wires and files; what they relive is kept beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.agent.settings import load_settings
from reconciler.errors.taxonomy import InputError
from reconciler.lab import chassis, firmware, inventory, layout, lifecycle, light, network, rogue, tamper, topology

NODES = topology.nodes(2, light=2)
PIN = "ab" * 32


@pytest.fixture
def state(tmp_path: Path) -> layout.StateDir:
    """Return the state of a lab of two machines and two light nodes that is down."""
    made = layout.state_dir(tmp_path / "lab")
    for node in NODES:
        made.node(node.name).mkdir(parents=True)
    layout.write_json(made.lab_file, {"nodes": 2, "light": 2, "memory_mib": 256})
    return made


def test_light_nodes_are_counted_on_behind_the_machines_and_share_nothing_with_them() -> None:
    assert [node.name for node in NODES] == ["n1", "n2", "l1", "l2"]
    assert [node.airlock_vlan for node in NODES] == [101, 102, 103, 104]
    for what in ("port", "mac", "bmc_port", "tap", "cable", "probe_namespace", "airlock_subnet"):
        assert len({getattr(node, what) for node in NODES}) == len(NODES)


def test_names_of_the_largest_light_lab_fit_the_kernel() -> None:
    largest = topology.nodes(0, light=topology.MAX_NODES)
    interfaces = [name for node in largest for name in (node.tap, node.cable, node.port, f"pr-{node.name}")]
    assert max(map(len, interfaces)) <= 15


def test_only_a_light_node_has_a_namespace_and_its_interface_stays_down_until_power_on() -> None:
    assert [name for name in network.namespaces(NODES) if name.startswith("node-")] == ["node-l1", "node-l2"]
    batch = network.addresses_batch("node-l1", NODES)
    assert f"link set eth0 address {NODES[2].mac}" in batch
    assert "eth0 up" not in batch
    links = network.links_batch(NODES)
    assert "tuntap add dev tap-n1" in links
    assert "tuntap add dev tap-l1" not in links
    assert "link add name tap-l1 type veth peer name eth0 netns node-l1" in links


def test_checksum_offload_is_off_at_both_ends_of_a_light_nodes_cable() -> None:
    told = [" ".join(argv) for argv in network.offload_argvs(NODES)]
    assert "ethtool -K tap-l1 tx off" in told
    assert "nsenter --net=/run/netns/node-l1 ethtool -K eth0 tx off" in told


def test_the_inventory_labels_light_nodes_and_gives_them_the_recorded_firmwares_profile() -> None:
    digests = {node.name: "sha256:" + "ab" * 32 for node in NODES}
    files = inventory.documents(NODES, endorsements=digests, roots="PEM\n", profile="ovmf-4m-512")
    assert "class: light" in files["site/nodes/l1.yaml"]
    assert "profile: ovmf-4m-256" in files["site/nodes/l1.yaml"]
    assert "profile: ovmf-4m-512" in files["site/nodes/n1.yaml"]


def test_a_light_nodes_power_is_found_by_its_own_folder_and_ends_with_its_namespaces() -> None:
    argv = light.argv(NODES[2])
    assert str(light.run_folder(NODES[2])) in argv
    for option in ("--pid", "--mount", "--kill-child"):
        assert option in argv
    assert chassis.machine_process(NODES[2]) is None


def test_the_agent_of_a_light_node_is_told_everything_that_a_machine_has(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text(f"quiet ringfence.pin={PIN}\n")
    argv = firmware.agent_argv(memory=tmp_path, socket=tmp_path / "tpm")
    assert argv[1:3] == ["-m", "reconciler.agent"]
    settings = load_settings(argv[3:])
    assert settings.pin == PIN
    assert settings.interface == "eth0"
    assert settings.tcti == f"swtpm:path={tmp_path}/tpm"
    assert settings.services == ()
    for path in (settings.keys, settings.run, settings.event_log, settings.workload):
        assert path.is_relative_to(tmp_path)


def test_a_changed_image_is_found_for_the_node_whose_airlock_asks(tmp_path: Path) -> None:
    assert rogue.image_of("10.77.3.1", rogue=tmp_path, nodes=NODES) == tmp_path / "l1.efi"
    assert rogue.image_of("10.77.1.1", rogue=tmp_path, nodes=NODES) == tmp_path / "n1.efi"
    assert not rogue.image_of("10.20.0.1", rogue=tmp_path, nodes=NODES).exists()


@pytest.mark.parametrize(
    ("place", "is_in_tpm", "is_in_log"),
    [(light.Place.BOTH, True, True), (light.Place.SENT, False, True), (light.Place.EXTENDED, True, False)],
)
def test_a_digest_is_changed_where_it_was_asked_for(
    state: layout.StateDir, place: light.Place, *, is_in_tpm: bool, is_in_log: bool
) -> None:
    tamper.tamper_event(state, "l1", event=22, place=place)
    script = light.script_of(state.node("l1"))
    log, subject = light.log_of(state.node("l1"), script)
    extended, sent = light.logs_for(log, script, subject=subject)
    assert (extended != log, sent != log) == (is_in_tpm, is_in_log)
    assert light.is_tampered(state.node("l1"))
    tamper.undo(state, "l1")
    assert light.logs_for(log, light.script_of(state.node("l1")), subject=subject) == (log, log)


def test_another_log_is_kept_whole_until_it_is_taken_back(state: layout.StateDir, tmp_path: Path) -> None:
    content = light.BASE_LOG.read_bytes()
    content = content[: content.rindex(b"\x05\0\0\0\x07\0\0\x80")]
    (tmp_path / "log").write_bytes(content)
    tamper.relive_log(state, "l2", file=tmp_path / "log")
    tamper.tamper_event(state, "l2", event=1)
    tamper.undo(state, "l2")
    assert light.log_of(state.node("l2"), light.script_of(state.node("l2")))[0] == content
    tamper.relive_log(state, "l2", file=None)
    assert light.script_of(state.node("l2")) == light.Script()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "LabLogMissing"),
        (b"", "LabLogMalformed"),
        (b"text" * 40, "LabLogMalformed"),
        (bytes(64), "LabLogBankMissing"),
    ],
)
def test_a_log_that_cannot_be_relived_is_refused_and_nothing_is_changed(
    state: layout.StateDir, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "log").write_bytes(content)
    with pytest.raises(InputError) as caught:
        tamper.relive_log(state, "l1", file=tmp_path / "log")
    assert caught.value.reason == reason
    assert caught.value.hint
    assert light.script_of(state.node("l1")) == light.Script()


def test_machines_relive_nothing_and_light_nodes_run_no_workload(state: layout.StateDir) -> None:
    with pytest.raises(InputError, match="not a light node"):
        tamper.tamper_event(state, "n1", event=1)
    with pytest.raises(InputError, match="runs no workload"):
        tamper.tamper_pcr(state, "l1", pcr=12)


@pytest.mark.parametrize(("nodes", "light_nodes"), [(0, 0), (-1, 3), (3, -1), (91, 0), (0, 91), (46, 45)])
def test_a_lab_of_an_impossible_size_is_refused_with_a_hint(tmp_path: Path, nodes: int, light_nodes: int) -> None:
    with pytest.raises(InputError) as caught:
        lifecycle.up(layout.state_dir(tmp_path), nodes=nodes, light_nodes=light_nodes)
    assert caught.value.reason == "LabSizeInvalid"
    assert caught.value.hint
