"""What the courier brings from a remote and takes there, and what a remote can never bring about."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.daemon.courier import Courier
from reconciler.daemon.followed import FollowedSource
from reconciler.errors.taxonomy import InputError, InvariantError, RingfenceError, TransientError, TrustError
from reconciler.repo.git import Git
from reconciler.repo.remote import Access, Remote
from reconciler.repo.signing import EvidenceKey
from tests.support.documents import FILES
from tests.support.gitrepo import GitRepo

TENANT = "tenants/blue/tenant.yaml"
WAIT_S = 30.0


@dataclass(kw_only=True)
class Machine:
    """One reconciler's clone, which follows ``hub``; opening it again is a restart."""

    path: Path
    hub: Path
    key: Path
    troubles: list[RingfenceError] = field(default_factory=list)
    rung: int = 0
    rings: int = 0
    couriers: list[Courier] = field(default_factory=list)
    interval_s: float = 3600.0

    def __post_init__(self) -> None:
        subprocess.run(["git", "init", "-q", "-b", "main", str(self.path)], check=True, timeout=WAIT_S)
        self.git = Git(self.path)

    def open(self, *, evidence: str = "evidence") -> FollowedSource:
        remote = Remote(self.git, access=Access(url=str(self.hub), deadline_s=WAIT_S), evidence=evidence)
        courier = Courier(
            remote,
            interval_s=self.interval_s,
            report=self.troubles.append,
            ring=self._ring,
            rings=lambda: self.rings,
        )
        self.couriers.append(courier)
        return FollowedSource(self.git, courier=courier, key=EvidenceKey(self.key))

    def _ring(self) -> None:
        self.rung += 1

    @property
    def courier(self) -> Courier:
        return self.couriers[-1]

    @property
    def reasons(self) -> list[str]:
        return [error.reason for error in self.troubles]


@dataclass(kw_only=True)
class Site:
    """A hub that people push to, and machines that follow it."""

    folder: Path
    repo: GitRepo
    head: str = ""
    machines: list[Machine] = field(default_factory=list)

    def commit(self, files: dict[str | bytes, bytes | None], *, signer: str | None = "alice") -> str:
        self.head = self.repo.commit(dict(files), signer=signer, parents=[self.head] if self.head else [])
        self.repo.point("main", self.head)
        return self.head

    def quota(self, number: int, *, signer: str | None = "alice") -> str:
        return self.commit({TENANT: FILES[TENANT].replace(b"4", str(number).encode())}, signer=signer)

    def machine(self, name: str, *, key: str = "carol") -> Machine:
        made = Machine(path=self.folder / name, hub=self.repo.path, key=self.repo.keys[key])
        self.machines.append(made)
        return made

    def hub_evidence(self) -> str | None:
        return Git(self.repo.path).head("evidence")

    def hide(self) -> None:
        self.repo.path.rename(self.folder / "hidden")

    def show(self) -> None:
        (self.folder / "hidden").rename(self.repo.path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    repo = GitRepo(tmp_path, bare=True)
    made = Site(folder=tmp_path, repo=repo)
    made.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")})
    yield made
    for machine in made.machines:
        for courier in machine.couriers:
            courier.close()


def eventually(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_empty_repository_follows_the_remote(site: Site) -> None:
    machine = site.machine("one")
    sight = machine.open().refresh()
    assert (sight.desired.commit, sight.refusals) == (site.head, ())
    assert machine.git.head("main") is None


def test_evidence_is_pushed_and_what_is_new_wakes_the_loop(site: Site) -> None:
    machine = site.machine("one")
    source = machine.open()
    source.refresh()
    source.ledger.set_trusted(site.head)
    machine.courier.start()
    eventually(lambda: site.hub_evidence() == machine.git.head("evidence"))
    newer = site.quota(5)
    machine.rings += 1
    eventually(lambda: machine.rung > 0)
    assert source.refresh().desired.commit == newer


def test_what_is_not_pushed_yet_is_pushed_at_the_end(site: Site) -> None:
    machine = site.machine("one")
    source = machine.open()
    machine.courier.start()
    source.refresh()
    source.ledger.set_trusted(site.head)
    machine.courier.close()
    assert site.hub_evidence() == machine.git.head("evidence") is not None


def test_a_remote_that_is_away_stops_nothing_and_is_told_once(site: Site) -> None:
    machine = site.machine("one")
    source = machine.open()
    source.refresh()
    machine.courier.start()
    site.hide()
    before = machine.rings = machine.rings + 1
    eventually(lambda: bool(machine.troubles))
    source.ledger.set_trusted(site.head)
    machine.rings = before + 1
    assert source.refresh().desired.commit == site.head
    site.show()
    machine.rings += 1
    eventually(lambda: site.hub_evidence() == machine.git.head("evidence"))
    assert machine.reasons.count("RemoteMissing") <= 2  # Once for the look and once for the push.


def test_a_machine_that_knows_its_evidence_starts_while_the_remote_is_away(site: Site) -> None:
    machine = site.machine("one")
    first = machine.open()
    first.refresh()
    first.ledger.set_trusted(site.head)
    site.hide()
    again = machine.open()
    assert again.refresh().desired.commit == site.head
    assert machine.reasons == ["RemoteMissing"]
    site.show()


def test_a_machine_without_evidence_does_not_start_while_the_remote_is_away(site: Site) -> None:
    machine = site.machine("one")
    machine.open().refresh()
    site.hide()
    with pytest.raises(InputError) as caught:
        machine.open().refresh()
    assert caught.value.reason == "RemoteMissing"
    site.show()


@pytest.mark.parametrize("key", ["carol", "bob"])
def test_a_fresh_machine_finds_the_last_trusted_commit_and_refuses_a_rewind(site: Site, key: str) -> None:
    """With the same evidence key, and with another one that the state lets sign."""
    site.commit(
        {
            "trust/allowed_signers": site.repo.allowed("alice", "bob", "carol"),
            "ringfence.yaml": FILES["ringfence.yaml"].replace(b"[carol]", b"[carol, bob]"),
        }
    )
    known = site.head
    newest = site.quota(5)
    old = site.machine("old")
    source = old.open()
    assert source.refresh().desired.commit == newest
    source.ledger.set_trusted(newest)
    old.courier.start()
    eventually(lambda: site.hub_evidence() is not None)
    old.courier.close()
    site.repo.point("main", known)
    new = site.machine("new", key=key)
    with pytest.raises(TrustError) as caught:
        new.open().refresh()
    assert caught.value.reason == "HistoryRewound"
    site.repo.point("main", newest)
    assert new.open().refresh().desired.commit == newest


def test_a_fresh_machine_refuses_evidence_that_nobody_of_the_state_signed(site: Site) -> None:
    site.repo.point("evidence", site.repo.commit({"nodes/n1/head.json": b"{}"}, signer="mallory"))
    machine = site.machine("one")
    with pytest.raises(TrustError) as caught:
        machine.open().refresh()
    assert caught.value.reason == "EvidenceForeign"
    assert machine.git.head("evidence") is None


def _two_machines(site: Site) -> tuple[Machine, FollowedSource]:
    """Return a machine whose evidence the hub has."""
    machine = site.machine("one")
    source = machine.open()
    machine.courier.start()
    source.refresh()
    source.ledger.set_trusted(site.head)
    machine.courier.close()
    return machine, source


def test_evidence_of_the_remote_that_is_ahead_ends_the_passes(site: Site) -> None:
    machine, source = _two_machines(site)
    first = machine.git.head("evidence")
    source.refresh()
    source.ledger.set_trusted(site.quota(5))
    machine.git.run("push", "-q", str(site.repo.path), "refs/heads/evidence")
    assert first is not None
    machine.git.run("update-ref", "refs/heads/evidence", first)  # Restored from a copy of yesterday.
    with pytest.raises(TrustError) as caught:
        machine.open().refresh()
    assert caught.value.reason == "EvidenceAhead"


def test_evidence_of_the_remote_that_has_parted_ends_the_passes(site: Site) -> None:
    machine, _ = _two_machines(site)
    second = site.machine("two")
    other = second.open()
    other.refresh()
    other.ledger.set_trusted(site.quota(5))
    second.git.run("push", "-q", str(site.repo.path), "refs/heads/evidence")
    mine = machine.open()
    machine.courier.look_first()
    before = machine.git.head("evidence")
    assert before is not None
    key = EvidenceKey(machine.key)
    tree = machine.git.tree_of(before)
    text = f"tree {tree}\nparent {before}\nauthor x <x@x> 1 +0000\ncommitter x <x@x> 1 +0000\n\nmine\n"
    own = machine.git.run("hash-object", "-w", "-t", "commit", "--stdin", stdin=key.sign_commit(text.encode()))
    machine.git.run("update-ref", "refs/heads/evidence", own.decode().strip())
    with pytest.raises(TrustError) as caught:
        mine.refresh()
    assert caught.value.reason == "EvidenceParted"


def test_foreign_evidence_on_the_remote_is_shown_and_stops_nothing(site: Site) -> None:
    machine, _ = _two_machines(site)
    tip = site.hub_evidence()
    assert tip is not None
    site.repo.point("evidence", site.repo.commit({"x": b"y"}, signer="mallory", parents=[tip]))
    source = machine.open()
    assert source.refresh().desired.commit == site.head
    assert source.refresh().desired.commit == site.head
    assert machine.reasons == ["EvidenceForeign"]


def test_a_rewound_evidence_branch_is_put_back(site: Site) -> None:
    machine, source = _two_machines(site)
    tip = site.hub_evidence()
    source.refresh()
    source.ledger.set_trusted(site.quota(5))
    assert site.hub_evidence() == tip
    machine.open().refresh()
    machine.courier.start()
    eventually(lambda: site.hub_evidence() == machine.git.head("evidence") != tip)


def test_a_refused_head_of_the_remote_leaves_the_last_good_one_in_force(site: Site) -> None:
    machine = site.machine("one")
    source = machine.open()
    good = source.refresh().desired.commit
    site.quota(5, signer="mallory")
    machine.courier.start()
    machine.rings += 1
    eventually(lambda: machine.rung > 0)
    sight = source.refresh()
    assert sight.desired.commit == good
    assert [refusal.reason for refusal in sight.refusals] == ["UnknownSigner"]


def test_a_repository_that_names_another_evidence_branch_is_refused(site: Site) -> None:
    machine = site.machine("one")
    with pytest.raises(InputError) as caught:
        machine.open(evidence="records").refresh()
    assert caught.value.reason == "RemoteEvidenceBranch"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_courier_that_has_ended_by_itself_is_a_bug_that_is_noticed(site: Site) -> None:
    machine = site.machine("one")
    source = machine.open()
    source.refresh()

    def broken() -> int:
        raise SystemExit  # Ends a thread without a word.

    machine.courier._rings = broken
    machine.courier.start()
    eventually(lambda: machine.courier._thread is not None and not machine.courier._thread.is_alive())
    with pytest.raises(InvariantError):
        source.refresh()


def test_approvals_are_fetched(site: Site) -> None:
    machine = site.machine("one")
    source = machine.open()
    source.refresh()
    site.repo.git("update-ref", "refs/tags/approve/one", site.head)
    machine.courier.start()
    machine.rings += 1
    eventually(lambda: machine.git.at("refs/tags/approve/one") == site.head)


def test_a_remote_that_vanishes_between_look_and_fetch_is_away(site: Site) -> None:
    machine = site.machine("one")
    machine.open()
    remote = machine.courier.remote
    seen = remote.look()
    shutil.rmtree(site.repo.path / "objects")
    with pytest.raises((TransientError, InputError)):
        remote.fetch(seen)
