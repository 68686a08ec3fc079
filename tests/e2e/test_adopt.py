"""The bar: the demo's inventory goes through ``adopt`` and comes out the same, with an empty plan; nothing is touched.

The tests are one story and run in their order; a step that fails fails those after it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.lab import enter, layout, lifecycle, requirements
from reconciler.lab.layout import StateDir
from reconciler.repo.desired import load_desired
from reconciler.repo.documents import Plain, parse_documents
from reconciler.repo.edit import delete_field
from reconciler.repo.snapshot import read_directory

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(requirements.missing_packages()), reason="the lab's Debian packages are not installed"),
]

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "reconciler.cli.main"]
NODES = 3
REMOVED: tuple[tuple[str | int, ...], ...] = (
    ("spec", "bmc", "driver"),
    ("spec", "interfaces", 0, "mac"),
    ("spec", "tpm"),
    ("spec", "airlock"),
)


@dataclass
class Story:
    """The lab, its state repository, and what is kept of it."""

    state: StateDir
    repository: Path
    kept: dict[str, bytes] = field(default_factory=dict)

    def ringfence(self, *words: str, is_inside: bool = False) -> subprocess.CompletedProcess[str]:
        command = enter.argv(self.state, [*COMMAND, *words]) if is_inside else [*COMMAND, *words]
        environment = {**os.environ, "RINGFENCE_SETTINGS": str(self.state.settings)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=PROJECT
        )

    def adopt(self, repository: Path, *words: str) -> Any:  # noqa: ANN401  # its JSON
        done = self.ringfence("adopt", "--repo", str(repository), "-o", "json", *words, is_inside=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def init(self, repository: Path) -> None:
        keys = self.state.root / "keys"
        signers = ("--signer", str(keys / "operator.pub"), "--evidence-signer", str(keys / "evidence.pub"))
        assert self.ringfence("init", str(repository), *signers).returncode == 0

    def site(self) -> dict[str, Plain]:
        return documents(read_directory(self.repository).files)

    def write(self, path: str, content: bytes) -> None:
        (self.repository / path).write_bytes(content)

    def seed(self) -> str:
        """Return what an operator would write: where to look, and the makers' certificates."""
        path = self.repository.parent / "adopt.yaml"
        path.write_text(f"""\
zone: lab
zones:
  - name: lab
    parkingVlan: 999
    airlockVlans: {{first: 101, last: 199}}
    probe: {{vlan: 990, ports: [{{switch: tor, port: tp1}}, {{switch: tor, port: tp2}}]}}
networks: [{{name: blue-net, vlan: 200}}]
switches: [{{name: tor, address: "tcp:127.0.0.1:6640", bridge: tor, ports: ["swp*"], control: /run/ringfence/ovs}}]
defaults:
  labels: {{class: light, arch: x86_64}}
  firmware: {{family: uefi, profile: ovmf-4m-256}}
nodes:
  - name: l[1-{NODES}]
    bmc: {{address: 127.0.0.1, credentials: "bmc/l[1-{NODES}]"}}
    interfaces: [{{name: eth0, switch: tor, port: "swp[1-{NODES}]"}}]
    ekCertificate: {self.state.root}/nodes/l[1-{NODES}]/tpm/ek-rsa2048.crt
"""
            + "".join(f"  - {{name: l{i}, bmc: {{port: {9000 + i}}}}}\n" for i in range(1, NODES + 1))
        )  # fmt: skip
        return str(path)

    def power(self, node: str, *, on: bool) -> None:
        enter.call(self.state, ["/run/ringfence/chassis", node, "set", "power", "1" if on else "0"])

    def learnt(self) -> int:
        command = ["ovs-appctl", "-t", "/run/ringfence/ovs/vswitchd.ctl", "fdb/show", "tor"]
        return enter.call(self.state, command).stdout.count("52:54:00:77:00:")

    def metal(self) -> object:
        return lifecycle.port_vlans(self.state), [one.power for one in lifecycle.status(self.state).nodes]


def documents(files: Any) -> dict[str, Plain]:  # noqa: ANN401  # a mapping
    return {
        path: parse_documents(content, path=path)[0][0].value
        for path, content in files.items()
        if path.startswith("site/")
    }


def eventually(holds: Callable[[], bool], *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("adopt")
    state = layout.state_dir(folder / "lab")
    assert lifecycle.up(state, nodes=0, light_nodes=NODES)
    yield Story(state=state, repository=folder / "state")
    lifecycle.down(state)


def test_01_the_inventory_of_the_demo_is_what_stands_there(story: Story) -> None:
    story.init(story.repository)
    written = story.ringfence("lab", "inventory", "--repo", str(story.repository), "--state", str(story.state.root))
    assert written.returncode == 0, written.stderr
    told = story.adopt(story.repository)
    assert (told["files"]["new"], told["files"]["changed"]) == ([], [])
    assert told["plan"]["actions"] == []
    assert not [remark for remark in told["remarks"] if remark["is_open"]]


def test_02_fields_that_were_taken_out_come_back_with_an_empty_plan(story: Story) -> None:
    for number in range(1, NODES + 1):
        story.power(f"l{number}", on=True)  # Whatever they ask for: the switch learns who asked.
    assert eventually(lambda: story.learnt() >= NODES, within_s=30)
    for number in range(1, NODES + 1):
        story.power(f"l{number}", on=False)
    before, metal = story.site(), story.metal()
    for number in range(1, NODES + 1):
        path = f"site/nodes/l{number}.yaml"
        content = (story.repository / path).read_bytes() + b"# bought in March\n"
        for each in REMOVED:
            content = delete_field(content, path=each)
        story.write(path, content)
    switch = (story.repository / "site/switches/tor.yaml").read_bytes()
    story.write("site/switches/tor.yaml", delete_field(switch, path=("spec", "ports")))
    assert story.ringfence("validate", "--repo", str(story.repository)).returncode == 2
    told = story.adopt(story.repository, "--seed", story.seed(), "--detailed-exitcode")
    assert told["plan"]["actions"] == []
    assert story.site() == before
    assert b"# bought in March" in (story.repository / "site/nodes/l1.yaml").read_bytes()
    assert story.metal() == metal


def test_03_a_fresh_repository_from_a_seed_is_the_same_inventory_committed_and_at_rest(story: Story) -> None:
    fresh = story.repository.parent / "fresh"
    story.init(fresh)
    metal = story.metal()
    roots = "trust/ek-roots/lab.pem"
    (fresh / roots).write_bytes((story.repository / roots).read_bytes())
    told = story.adopt(fresh, "--seed", story.seed(), "--commit")
    assert told["plan"]["actions"] == []
    assert len(told["commit"]) == 40
    assert documents(read_directory(fresh).files) == story.site()
    known, found = load_desired(read_directory(story.repository)), load_desired(read_directory(fresh))
    assert (found.nodes, found.switches, found.zones, found.networks) == (
        known.nodes, known.switches, known.zones, known.networks,
    )  # fmt: skip
    plan = story.ringfence("plan", "--repo", str(fresh), "--detailed-exitcode", is_inside=True)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert story.metal() == metal


def test_04_a_trunk_and_a_running_machine_are_told_before_anything_is_owned(story: Story) -> None:
    database = "--db=unix:/run/ringfence/ovs/db.sock"
    clear = ["ovs-vsctl", database, "clear", "port", "swp3", "tag", "--", "clear", "port", "swp3", "vlan_mode"]
    assert enter.call(story.state, clear).returncode == 0
    story.power("l2", on=True)
    metal = story.metal()
    told = story.adopt(story.repository)
    assert "port swp3 of switch tor is a trunk and would be parked on VLAN 999" in told["consequences"]
    assert any(line.startswith("node l2 is on and would be powered off") for line in told["consequences"])
    assert story.metal() == metal
