"""A witness as a process of its own, beside a remote that somebody rolls back, forks and exchanges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.evidence.note import parse_note
from reconciler.model.kinds import Witness, WitnessesSpec
from reconciler.repo.git import Git
from reconciler.repo.loglines import read_leaf_hashes
from reconciler.repo.signing import public_keys
from reconciler.repo.witnessed import Watched, hear_witnesses
from tests.support.gitrepo import Content, GitRepo
from tests.support.watched import append, signers_of, witness_key

TOP = Path(__file__).parents[2]
ORIGIN = "test/evidence"


class Site:
    """A reconciler's clone, the remote that it pushes to, and a witness's own clone of that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = GitRepo(folder)
        witness_key(self.repo)
        self.repo.point("main", self.repo.begin())
        append(self.repo, [1, 2, 3], origin=ORIGIN)
        self.remote = folder / "remote.git"
        self.repo.git("init", "-q", "--bare", "-b", "main", str(self.remote), cwd=folder)
        self.push()
        self.clone = folder / "clone"
        self.repo.git("clone", "-q", str(self.remote), str(self.clone), cwd=folder)

    def push(self) -> None:
        self.repo.git("push", "-q", "--force", str(self.remote), "main", "evidence")

    def at_remote(self, branch: str) -> str | None:
        return Git(self.remote).head(branch)

    def command(self, *words: str, state: str = "memory") -> list[str]:
        where = ["--repo", str(self.clone), "--remote", "origin", "--state", str(self.folder / state)]
        key = ["--key", str(self.repo.keys["w1"])]
        return [sys.executable, "-m", "reconciler.cli.main", "witness", "w1", *where, *key, *words]

    def witness(self, *words: str, state: str = "memory") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, state=state), capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT
        )

    def pins(self) -> tuple[str, ...]:
        return ("--signer", str(self.repo.keys["carol"].with_name("carol.pub")), "--origin", ORIGIN)


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TOP)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("is_pinned", [False, True])
def test_witness_follows_a_remote_and_pushes_what_it_signed(site: Site, *, is_pinned: bool) -> None:
    pins = site.pins() if is_pinned else ()
    done = site.witness(*pins)
    assert (done.returncode, done.stderr) == (0, "")
    assert "test/evidence: co-signed a tree of 3" in done.stdout
    first = site.at_remote("witness/w1")
    assert first is not None
    done = site.witness(*pins)
    assert done.returncode == 0
    assert "still at a tree of 3" in done.stdout
    assert site.at_remote("witness/w1") == first
    append(site.repo, [4], origin=ORIGIN)
    site.push()
    assert site.witness(*pins).returncode == 0
    second = str(site.at_remote("witness/w1"))
    assert Git(site.remote).is_ancestor(first, of=second)
    assert Git(site.remote).head("evidence") == Git(site.repo.path).head("evidence")


def test_rollback_at_the_remote_is_refused_and_an_auditor_s_fresh_clone_shows_it(site: Site) -> None:
    assert site.witness().returncode == 0
    site.repo.point("evidence", site.repo.git("rev-parse", "evidence~1"))
    site.push()
    done = site.witness()
    assert done.returncode == 3
    assert "shows a tree of 2" in done.stderr
    assert "seen before was a tree of 3" in done.stderr
    (proof,) = (site.folder / "memory" / ORIGIN / "refused").iterdir()
    assert {path.name for path in proof.iterdir()} == {"refusal.txt", "seen.note", "now.note"}
    parse_note((proof / "seen.note").read_bytes())
    assert heard(site) == ["HeadRolledBack"]


def test_fork_at_the_remote_is_refused_and_an_auditor_s_fresh_clone_shows_it(site: Site) -> None:
    assert site.witness().returncode == 0
    before = site.at_remote("witness/w1")
    site.repo.point("evidence", site.repo.git("rev-parse", "evidence~2"))
    append(site.repo, [2, 3, 4, 5], story="another", origin=ORIGIN)
    site.push()
    done = site.witness()
    assert done.returncode == 3
    assert "shows a tree of 5" in done.stderr
    assert site.at_remote("witness/w1") == before
    assert heard(site) == ["HeadForked"]


def test_evidence_branch_that_the_remote_lost_is_refused(site: Site) -> None:
    assert site.witness().returncode == 0
    site.repo.git("update-ref", "-d", "refs/heads/evidence", cwd=site.remote)
    done = site.witness()
    assert done.returncode == 3
    assert "there is no head any more" in done.stderr


def test_desired_state_that_was_exchanged_names_no_new_signers(site: Site) -> None:
    assert site.witness().returncode == 0
    trusted: dict[str | bytes, Content] = {
        "ringfence.yaml": site.repo.git("show", "main:ringfence.yaml").replace("carol", "mallory").encode() + b"\n",
        "trust/allowed_signers": site.repo.allowed("alice", "bob", "mallory"),
    }
    site.repo.point("main", site.repo.commit(trusted, signer="mallory"))
    site.push()
    assert site.witness().returncode == 3


def test_renamed_repository_is_another_log_until_somebody_says_so(site: Site) -> None:
    assert site.witness().returncode == 0
    yaml = site.repo.git("show", "main:ringfence.yaml").replace("name: test", "name: other").encode() + b"\n"
    site.repo.point("main", site.repo.commit({"ringfence.yaml": yaml}, signer="alice", parents=["main"]))
    site.push()
    done = site.witness()
    assert done.returncode == 3
    assert "this witness has followed test/evidence" in done.stderr


def test_signers_can_be_pinned_only_with_the_log_that_they_sign(site: Site) -> None:
    pin = site.pins()[:2]
    assert site.witness(*pin).returncode == 2
    assert site.witness(*site.pins()).returncode == 0
    assert site.witness(*pin).returncode == 0, "the memory knows which log it is"
    other = ("--signer", str(site.repo.keys["mallory"].with_name("mallory.pub")), "--origin", ORIGIN)
    assert site.witness(*other).returncode == 3
    assert site.witness("--signer", str(site.repo.keys["carol"]), "--origin", ORIGIN).returncode == 2


def test_remote_that_is_away_is_told_as_what_passes(site: Site) -> None:
    site.repo.git("remote", "set-url", "origin", "http://127.0.0.1:9/x.git", cwd=site.clone)
    assert site.witness().returncode == 5


def test_watch_goes_on_until_it_is_told_to_stop(site: Site) -> None:
    process = subprocess.Popen(site.command("--interval", "1s"), stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        assert "co-signed a tree of 3" in process.stdout.readline()
        assert "still at a tree of 3" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()


def test_watch_ends_at_the_first_refusal(site: Site) -> None:
    assert site.witness().returncode == 0
    site.repo.point("evidence", site.repo.git("rev-parse", "evidence~1"))
    site.push()
    assert site.witness("--interval", "1s").returncode == 3
    assert site.witness("--interval", "often").returncode == 2


def heard(site: Site) -> list[str]:
    """Return what somebody with a fresh clone hears from the witness."""
    fresh = site.folder / "auditor"
    site.repo.git("clone", "-q", str(site.remote), str(fresh), cwd=site.folder)
    git = Git(fresh)
    tip = git.at("refs/remotes/origin/evidence")
    assert tip is not None
    keys = public_keys(signers_of(site.repo, "carol"))
    watched = Watched(origin=ORIGIN, tip=tip, leaf_hashes=list(read_leaf_hashes(git, tip)), keys=keys)
    spec = WitnessesSpec(known=(Witness(name="w1", signer="w1"),))
    found = hear_witnesses(git, watched, spec=spec, signers=signers_of(site.repo, "w1"))
    return [flaw.code for flaw in found.flaws]
