"""``ringfence node add``: one machine, one signed commit, one branch; the working tree stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.ek import pin_of
from reconciler.cli.node import app
from reconciler.errors.taxonomy import InputError, RingfenceError
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.snapshot import read_commit, read_directory
from reconciler.repo.template import create_repository
from reconciler.repo.trust import FetchedCommit, judge
from reconciler.repo.worktree import commit_files
from tests.support import pki
from tests.support.documents import FILES
from tests.support.gitrepo import make_key

NOW = datetime.now(UTC)
MAKER = pki.authority("maker", begin=NOW - timedelta(days=1), end=NOW + timedelta(days=1))
STRANGER = pki.authority("stranger", begin=NOW - timedelta(days=1), end=NOW + timedelta(days=1))
PIN = "sha256:" + "e" * 64


def certificate(by: pki.Authority) -> bytes:
    return pki.ek(by, begin=NOW - timedelta(hours=1), end=NOW + timedelta(hours=1))


@dataclass
class Repository:
    """A state repository with two nodes, and the keys beside it."""

    path: Path
    key: Path

    def add(self, name: str = "n3", **options: str | list[str] | None) -> str:
        """Return what the command says; an option that is None is left out."""
        chosen: Mapping[str, str | list[str] | None] = {
            "zone": "east",
            "bmc": "10.0.3.3",
            "credentials": f"bmc/{name}",
            "interface": "eno1=52-54-00-00-03-0A@tor:swp3",
            "profile": "ovmf",
            "endorsement": PIN,
            **options,
        }
        words = [name, "--repo", str(self.path), "--key", str(self.key)]
        for option, value in chosen.items():
            for each in value if isinstance(value, list) else [value] if value is not None else []:
                words += [f"--{option.replace('_', '-')}", each]
        result = CliRunner().invoke(app, ["add", *words])
        if isinstance(result.exception, RingfenceError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    def head(self, branch: str) -> str | None:
        return Git(self.path).head(branch)

    def branches(self) -> bytes:
        return Git(self.path).run("for-each-ref", "--format=%(refname) %(objectname)")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    alice, carol = make_key(tmp_path / "alice"), make_key(tmp_path / "carol")
    path = tmp_path / "state"
    create_repository(path, signers=[alice.with_name("alice.pub")], evidence_signers=[carol.with_name("carol.pub")])
    site = {name: content for name, content in FILES.items() if name.startswith("site/")}
    switch = "site/switches/tor.yaml"
    site[switch] = site[switch].replace(b"[swp1, swp2, swp3]", b"[swp1,  swp2]  # the left half")
    roots = {"trust/ek-roots/maker.pem": MAKER.pem}
    commit_files(path, files={**site, **roots}, message="site\n", signing_key=alice)
    return Repository(path=path, key=alice)


def test_machine_is_one_signed_trusted_commit_on_a_branch_of_its_own(repository: Repository) -> None:
    files, main = dict(read_directory(repository.path).files), repository.head("main")
    told = repository.add(label=["rack=r3", "class=large"])
    git, made = Git(repository.path), repository.head("add/n3")
    assert made is not None
    assert "add/n3" in told
    assert "git push" in told
    assert repository.head("main") == main
    assert dict(read_directory(repository.path).files) == files
    assert git.run("status", "--porcelain") == b""
    assert [parents for _, parents in git.first_parents(made, past=main)] == [(main,)]
    judgement = judge(git, head=FetchedCommit(commit=made), last_trusted=main)
    assert judgement.trusted is not None
    assert not judgement.refusals
    assert {change.path for change in git.changes(made, parent=main)} == {
        b"site/nodes/n3.yaml",
        b"site/switches/tor.yaml",
    }
    desired = load_desired(read_commit(git, made))
    node = desired.nodes["n3"]
    assert node.metadata.labels == {"rack": "r3", "class": "large"}
    assert node.spec.airlock.vlan == 100, "the lowest that is free"
    assert node.spec.interfaces[0].mac == "52:54:00:00:03:0a"
    assert node.spec.bmc.listens_on == 623
    switch = read_commit(git, made).files["site/switches/tor.yaml"]
    assert b"[swp1,  swp2, swp3]  # the left half" in switch


def test_endorsement_is_taken_from_a_certificate_that_an_ek_root_vouches_for(
    repository: Repository, tmp_path: Path
) -> None:
    data = certificate(MAKER)
    pin = pin_of(parse_certificate(data))
    (tmp_path / "ek.der").write_bytes(data)
    repository.add(ek_certificate=str(tmp_path / "ek.der"), endorsement=None)
    made = repository.head("add/n3")
    assert made is not None
    assert load_desired(read_commit(Git(repository.path), made)).nodes["n3"].spec.tpm.endorsement == pin
    repository.add(ek_certificate=str(tmp_path / "ek.der"), endorsement=pin, branch="other")
    with pytest.raises(InputError, match="not of"):
        repository.add(ek_certificate=str(tmp_path / "ek.der"), endorsement=PIN, branch="third")


def test_certificate_of_a_strangers_maker_enrols_nobody(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "ek.der").write_bytes(certificate(STRANGER))
    before = repository.branches()
    with pytest.raises(RingfenceError) as caught:
        repository.add(ek_certificate=str(tmp_path / "ek.der"), endorsement=None)
    assert caught.value.exit_code == 3
    assert caught.value.reason == "EkIssuerUnknown"
    assert "trust/ek-roots" in caught.value.hint
    assert repository.branches() == before


def test_redfish_bmc_is_written_as_its_options_say(repository: Repository) -> None:
    repository.add(bmc=f"10.0.3.3:443,driver=redfish,certificate={PIN},networkBoot=pxe")
    head = repository.head("add/n3")
    assert head is not None
    bmc = load_desired(read_commit(Git(repository.path), head)).nodes["n3"].spec.bmc
    assert (bmc.driver, bmc.port, bmc.listens_on) == ("redfish", None, 443)
    assert (bmc.certificate, bmc.system, bmc.network_boot) == (PIN, None, "pxe")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"interface": "eno1=52:54:00:00:03:01@tor:swp3"}, "DuplicateMac"),
        ({"interface": "eno1=52:54:00:00:03:0a@tor:swp1"}, "PortTwice"),
        ({"interface": "eno1=52:54:00:00:03:0a@nowhere:swp1"}, "DanglingReference"),
        ({"interface": "eno1"}, "BadInterface"),
        ({"bmc": "10.0.3.1"}, "BmcTwice"),
        ({"bmc": "10.0.3.1:623"}, "BmcTwice"),
        ({"bmc": "10.0.3.1:port"}, "BadAddress"),
        ({"bmc": "10.0.3.9,driver"}, "BadAddress"),
        ({"bmc": "10.0.3.9,driver=telepathy"}, "BadValue"),
        ({"bmc": "10.0.3.9,system=1"}, "BadValue"),
        ({"endorsement": "sha256:" + f"{1:064x}"}, "EndorsementTwice"),
        ({"endorsement": "sha256:1"}, "BadValue"),
        ({"endorsement": None}, "EndorsementMissing"),
        ({"airlock_vlan": "101"}, "VlanClash"),
        ({"airlock_vlan": "300"}, "VlanClash"),
        ({"zone": "west"}, "DanglingReference"),
        ({"label": ["rack"]}, "BadLabel"),
        ({"family": "bios"}, "BadValue"),
        ({"ek_certificate": "/nonexistent/ek.der", "endorsement": None}, "NoFile"),
        ({"branch": "main"}, "BranchExists"),
        ({"branch": "-x"}, "BadBranch"),
    ],
)
def test_machine_that_does_not_fit_is_told_and_nothing_is_committed(
    repository: Repository, options: dict[str, str | list[str] | None], reason: str
) -> None:
    before = repository.branches()
    with pytest.raises(InputError) as caught:
        repository.add(**options)
    assert caught.value.reason == reason
    assert caught.value.hint or caught.value.findings or reason == "NoFile"
    assert repository.branches() == before


def test_machine_that_is_there_and_a_branch_that_is_there_are_refused(repository: Repository) -> None:
    with pytest.raises(InputError, match="already"):
        repository.add("n1")
    repository.add()
    made = repository.head("add/n3")
    with pytest.raises(InputError, match="exists already"):
        repository.add()
    assert repository.head("add/n3") == made


def test_uncommitted_edits_are_neither_taken_along_nor_lost(repository: Repository) -> None:
    path = repository.path / "site/nodes/n1.yaml"
    path.write_bytes(path.read_bytes() + b"# in the making\n")
    repository.add()
    assert path.read_bytes().endswith(b"# in the making\n")
    made = repository.head("add/n3")
    assert made is not None
    assert not read_commit(Git(repository.path), made).files["site/nodes/n1.yaml"].endswith(b"making\n")


def test_full_zone_is_told(repository: Repository) -> None:
    zone = repository.path / "site/zones/east.yaml"
    content = zone.read_bytes().replace(b"{first: 100, last: 199}", b"{first: 101, last: 102}")
    commit_files(repository.path, files={"site/zones/east.yaml": content}, message="x\n", signing_key=repository.key)
    with pytest.raises(InputError) as caught:
        repository.add()
    assert caught.value.reason == "AirlocksFull"
