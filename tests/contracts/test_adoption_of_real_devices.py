"""Adoption as the command line has it, of a real switch and real BMCs: what is written, and that nothing is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from reconciler.cli.adopt import COMMANDS
from reconciler.drivers.custodian import create_identity
from reconciler.errors.taxonomy import RingfenceError
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.snapshot import read_commit, read_directory
from reconciler.repo.template import create_repository
from tests.support.devices import RealBmc, RealSwitch, missing_programs
from tests.support.gitrepo import make_key

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason="Open vSwitch or OpenIPMI is not installed")
MACS = ("52:54:00:00:03:01", "52:54:00:00:03:02")


@dataclass
class Rack:
    """A switch, two machines and a fresh state repository."""

    folder: Path
    switch: RealSwitch
    bmcs: tuple[RealBmc, RealBmc]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def seed(self) -> Path:
        lines = "".join(
            f"  - name: n{i}\n    bmc: {{address: 127.0.0.1, port: {bmc.port}, credentials: bmc/n{i}}}\n"
            f"    interfaces: [{{name: eno1, switch: tor, port: swp{i}}}]\n"
            f'    endorsement: "sha256:{i:064x}"\n'
            for i, bmc in enumerate(self.bmcs, start=1)
        )
        path = self.folder / "adopt.yaml"
        where = f"address: '{self.switch.address}', bridge: tor, control: {self.switch.folder}/v.ctl"
        path.write_text(
            "zone: east\nzones: [{name: east, parkingVlan: 999, airlockVlans: {first: 101, last: 110}}]\n"
            f"switches:\n  - {{name: tor, {where}}}\n"
            f"defaults: {{firmware: {{family: uefi, profile: ovmf}}}}\nnodes:\n{lines}"
        )
        return path

    def adopt(self, *words: str) -> tuple[int, Any, RingfenceError | None]:
        app = typer.Typer()
        app.command()(COMMANDS[0])
        options = ["--repo", str(self.state), "--settings", str(self.folder / "settings.json"), "-o", "json", *words]
        result = CliRunner().invoke(app, options)
        error = result.exception if isinstance(result.exception, RingfenceError) else None
        if result.exception and error is None and not isinstance(result.exception, SystemExit):
            raise result.exception
        document = json.loads(result.stdout) if result.stdout else None
        return (error.exit_code if error else result.exit_code), document, error

    def shown(self, *words: str) -> str:
        app = typer.Typer()
        app.command()(COMMANDS[0])
        options = ["--repo", str(self.state), "--settings", str(self.folder / "settings.json"), *words]
        return CliRunner().invoke(app, options).stdout

    def touched(self) -> tuple[object, ...]:
        """Return everything that an actuation would leave traces in."""
        return self.switch.configure("list", "port"), *(bmc.commands() for bmc in self.bmcs)


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    alice, carol = make_key(tmp_path / "alice"), make_key(tmp_path / "carol")
    create_repository(
        tmp_path / "state",
        signers=[alice.with_name("alice.pub")],
        evidence_signers=[carol.with_name("carol.pub")],
    )
    create_identity(tmp_path / "age")
    (tmp_path / "keystore").mkdir()
    (tmp_path / "images").mkdir()
    names = {"spool": "spool.sqlite", "images": "images", "keystore": "keystore", "ageIdentity": "age"}
    settings = {**names, "evidenceKey": "carol", "commitKey": "alice", "credentials": "credentials.json"}
    (tmp_path / "settings.json").write_text(
        json.dumps({**settings, "tls": {"certificate": "certificate.pem", "key": "key.pem"}})
    )
    logins = {f"bmc/n{i}": {"user": RealBmc.user, "password": RealBmc.password} for i in (1, 2)}
    (tmp_path / "credentials.json").write_text(json.dumps(logins))
    (tmp_path / "credentials.json").chmod(0o600)
    with ExitStack() as undo:
        switch = undo.enter_context(RealSwitch())
        bmcs = undo.enter_context(RealBmc()), undo.enter_context(RealBmc())
        yield Rack(folder=tmp_path, switch=switch, bmcs=bmcs)


def test_rack_is_written_down_with_an_empty_plan_and_nothing_is_touched(rack: Rack) -> None:
    for i, mac in enumerate(MACS, start=1):
        rack.switch.send(f"swp{i}", mac)
    before = rack.touched()
    code, told, _ = rack.adopt("--seed", str(rack.seed()), "--commit", "--detailed-exitcode")
    assert code == 0
    assert told["plan"]["actions"] == []
    assert told["consequences"] == []
    assert len(told["files"]["new"]) == 4
    assert rack.touched() == before
    desired = load_desired(read_commit(Git(rack.state), told["commit"]))
    assert tuple(node.spec.interfaces[0].mac for node in desired.nodes.values()) == MACS
    assert [node.spec.airlock.vlan for node in desired.nodes.values()] == [101, 102]
    assert desired.switches["tor"].spec.ports == ("swp1", "swp2")
    # A second time, and without the seed, nothing is left to say.
    for words in (("--seed", str(rack.seed())), ()):
        code, told, _ = rack.adopt(*words)
        assert (code, told["files"]["new"], told["files"]["changed"]) == (0, [], [])


def test_what_owning_it_would_change_is_told_and_not_done(rack: Rack) -> None:
    rack.switch.configure("clear", "port", "swp1", "tag", "--", "clear", "port", "swp1", "vlan_mode")
    for i, mac in enumerate(MACS, start=1):
        rack.switch.send(f"swp{i}", mac)
    rack.bmcs[1].machine("power", "1")
    before = rack.touched()
    code, told, _ = rack.adopt("--seed", str(rack.seed()), "--detailed-exitcode")
    assert code == 2
    assert "port swp1 of switch tor is a trunk and would be parked on VLAN 999" in told["consequences"]
    assert any(line.startswith("node n2 is on and would be powered off") for line in told["consequences"])
    assert rack.touched() == before
    assert rack.bmcs[1].machine("power") == "1"
    assert Git(rack.state).run("status", "--porcelain", "site/nodes"), "it is written, and not committed"


def test_open_fields_are_written_told_and_never_committed(rack: Rack) -> None:
    head = Git(rack.state).head("main")
    code, told, error = rack.adopt("--seed", str(rack.seed()), "--commit")
    assert code == 2
    assert error is not None
    assert error.reason == "LeftOpen"
    assert {finding["message"] for finding in told["findings"]} == {"spec.interfaces[0].mac is left open"}
    assert told["plan"] is None
    assert Git(rack.state).head("main") == head
    assert b'mac: "?"' in (rack.state / "site/nodes/n1.yaml").read_bytes()


def test_what_was_written_before_is_committed_and_nothing_else_that_is_being_edited(rack: Rack) -> None:
    for i, mac in enumerate(MACS, start=1):
        rack.switch.send(f"swp{i}", mac)
    _, told, _ = rack.adopt("--seed", str(rack.seed()))
    assert told["commit"] is None
    policy = rack.state / "policies/measured-boot.yaml"
    policy.write_bytes(policy.read_bytes() + b"# in the making\n")
    _, told, _ = rack.adopt("--commit")
    git = Git(rack.state)
    assert told["commit"] == git.head("main")
    assert git.run("status", "--porcelain", "--untracked-files=no") == b" M policies/measured-boot.yaml\n"
    assert len(load_desired(read_commit(git, told["commit"])).nodes) == 2
    _, told, _ = rack.adopt("--commit")
    assert told["commit"] is None


def test_operator_reads_what_is_open_what_would_change_and_what_was_committed(rack: Rack) -> None:
    seed = ("--seed", str(rack.seed()))
    told = rack.shown(*seed)
    assert "read 1 switch and 2 BMCs" in told
    assert "new      site/nodes/n1.yaml" in told
    assert "open: node n1: spec.interfaces[0].mac is not known: port swp1 has learnt none" in told
    assert "there is no plan" in told
    for i, mac in enumerate(MACS, start=1):
        rack.switch.send(f"swp{i}", mac)
    rack.bmcs[0].machine("power", "1")
    told = rack.shown(*seed)
    assert "changed  site/nodes/n1.yaml" in told
    assert "node n1 is on and would be powered off" in told
    assert "nothing is committed" in told
    rack.bmcs[0].machine("power", "0")
    told = rack.shown("--commit", "--zone", "east")
    assert "the plan against it is empty: nothing would be touched" in told
    assert "commit " in told
    assert "nothing is left to commit" in rack.shown("--commit")
    assert "nothing was written" in rack.shown("--dry-run")
    quick = rack.shown("--dry-run", "--switch", f"tor={rack.switch.address}", "--bmc", "bmc/n9=127.0.0.1:1")
    assert "asked 1 switch and 3 BMCs; 1 gave no answer" in quick


def test_dry_run_writes_nothing(rack: Rack) -> None:
    before = read_directory(rack.state).files
    rack.adopt("--seed", str(rack.seed()), "--dry-run")
    assert read_directory(rack.state).files == before


def test_bmc_that_refuses_is_told_and_stops_nothing(rack: Rack) -> None:
    for i, mac in enumerate(MACS, start=1):
        rack.switch.send(f"swp{i}", mac)
    logins = json.loads((rack.folder / "credentials.json").read_text())
    logins["bmc/n1"] = {"user": RealBmc.user, "password": "guess"}
    (rack.folder / "credentials.json").write_text(json.dumps(logins))
    code, told, _ = rack.adopt("--seed", str(rack.seed()))
    assert code == 0
    assert "BmcRefused" in {remark["code"] for remark in told["remarks"]}
    assert "node/n1" in {problem["subject"] for problem in told["plan"]["problems"]}


def test_login_that_is_not_on_this_machine_is_told_after_the_documents_are_written(rack: Rack) -> None:
    for i, mac in enumerate(MACS, start=1):
        rack.switch.send(f"swp{i}", mac)
    (rack.folder / "credentials.json").write_text("{}")
    code, told, error = rack.adopt("--seed", str(rack.seed()), "--commit")
    assert code == 2
    assert error is not None
    assert error.reason == "CredentialsMissing"
    assert {remark["code"] for remark in told["remarks"]} >= {"CredentialsMissing"}
    assert (told["plan"], told["commit"]) == (None, None)
    assert (rack.state / "site/nodes/n1.yaml").exists()
