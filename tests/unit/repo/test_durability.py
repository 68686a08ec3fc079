"""The evidence branch on a disk that is full, damaged, or was left in the middle of something."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import RingfenceError, TransientError, TrustError
from reconciler.repo.git import Git
from reconciler.repo.packs import PackStore
from reconciler.repo.upkeep import Upkeep
from tests.support.gitrepo import GitRepo
from tests.support.plain_entries import plain_entry, plain_ledger

DEADLINE_S = 120.0
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda _: None,
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "garbled": lambda data: data[:10] + bytes(9) + data[19:],
}


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path, bare=True)


def tip(repo: GitRepo) -> str:
    return repo.git("rev-parse", "refs/heads/evidence")


def listing(repo: GitRepo) -> set[str]:
    return set(repo.git("ls-tree", "-r", "--name-only", "evidence").splitlines())


def refusal_of(act: Callable[[], object]) -> RingfenceError | None:
    try:
        act()
    except RingfenceError as error:
        return error
    return None


def explode(repo: GitRepo) -> list[Path]:
    """Turn all packs into loose objects and return these."""
    packs = repo.path / "objects/pack"
    for pack in [*packs.glob("*.pack")]:
        content = pack.read_bytes()
        for file in packs.glob(f"{pack.stem}.*"):
            file.unlink()
        repo.git("unpack-objects", "-q", stdin=content)
    return sorted(path for path in (repo.path / "objects").glob("??/*") if path.is_file())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_never_makes_a_writer_drop_what_is_recorded(repo: GitRepo, damage: str) -> None:
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    writer.append([plain_entry("n2", 1), plain_entry("n1", 2)])
    writer.set_trusted("2" * 40)
    before, recorded = tip(repo), listing(repo)
    for path in explode(repo):
        content = path.read_bytes()
        path.chmod(0o644)
        path.unlink()
        broken = DAMAGES[damage](content)
        if broken is not None:
            path.write_bytes(broken)
        refusal = refusal_of(lambda: plain_ledger(repo).append([plain_entry("n3", 1)]))
        if refusal is not None:
            assert isinstance(refusal, TrustError), refusal
            assert refusal.hint
            assert refusal.reason in {"EvidenceBroken", "EvidenceForeign", "ObjectMissing"}
            assert repo.git("for-each-ref", "--format=%(objectname)", "refs/heads/evidence") == before
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        assert recorded <= listing(repo)
        repo.git("update-ref", "refs/heads/evidence", before)
    plain_ledger(repo).append([plain_entry("n3", 1)])
    repo.git("fsck", "--strict")


def test_a_running_writer_goes_on_past_a_damaged_copy_of_what_it_writes(repo: GitRepo) -> None:
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    entry = plain_entry("n1", 2, blob=b"another")
    for content in (entry.envelope, b"another"):
        object_id = repo.git("hash-object", "--stdin", stdin=content)
        damaged = repo.path / "objects" / object_id[:2] / object_id[2:]
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_bytes(b"")
    commit = writer.append([entry])
    assert repo.git("show", f"{commit}:{entry.path}").encode() == entry.envelope
    assert plain_ledger(repo).heads()["n1"].sequence == 2


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_pack_is_told_and_nothing_is_written_on_top(repo: GitRepo, kept: float) -> None:
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    before = tip(repo)
    (pack,) = (repo.path / "objects/pack").glob("*.pack")
    content = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(RingfenceError):
        plain_ledger(repo).append([plain_entry("n1", 2)])
    pack.write_bytes(content)
    assert tip(repo) == before
    plain_ledger(repo).append([plain_entry("n1", 2)])
    repo.git("fsck", "--strict")


@pytest.mark.parametrize("content", [b"", b"12", b"\0" * 41])
def test_a_damaged_ref_is_never_a_branch_that_begins_anew(repo: GitRepo, content: bytes) -> None:
    repo.git("config", "core.logAllRefUpdates", "always")
    plain_ledger(repo).append([plain_entry("n1", 1)])
    before = tip(repo)
    ref = repo.path / "refs/heads/evidence"
    ref.write_bytes(content)
    for act in (plain_ledger(repo).heads, lambda: plain_ledger(repo).append([plain_entry("n1", 1)])):
        with pytest.raises(TrustError) as caught:
            act()
        assert caught.value.reason == "EvidenceBroken"
        assert before in caught.value.hint
    ref.unlink()
    repo.git("update-ref", "--no-deref", "refs/heads/evidence", before)
    assert plain_ledger(repo).heads()["n1"].sequence == 1


def test_a_damaged_ref_without_a_log_says_where_to_fetch_it_from(repo: GitRepo) -> None:
    (repo.path / "refs/heads/evidence").write_bytes(b"")
    with pytest.raises(TrustError) as caught:
        plain_ledger(repo).heads()
    assert "fetch" in caught.value.hint


def test_the_lock_of_a_dead_process_is_broken_and_that_of_a_live_one_is_not(repo: GitRepo) -> None:
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    lock = repo.path / "refs/heads/evidence.lock"
    lock.touch()
    with pytest.raises(TransientError) as caught:
        writer.append([plain_entry("n1", 2)])
    assert caught.value.reason == "GitLocked"
    assert "delete the lock file" in caught.value.hint
    old = time.time() - 3600
    os.utime(lock, (old, old))
    writer.append([plain_entry("n1", 2)])
    assert plain_ledger(repo).heads()["n1"].sequence == 2


def test_what_dead_writers_left_is_removed_and_what_live_ones_write_is_not(repo: GitRepo) -> None:
    plain_ledger(repo).append([plain_entry("n1", 1)])
    objects = repo.path / "objects"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait(timeout=DEADLINE_S)
    old = time.time() - 7200
    left = [objects / f"ringfence-{dead.pid}-x", objects / "pack/tmp_pack_x", objects / "ab/tmp_obj_x"]
    live = [objects / f"ringfence-{os.getpid()}-x", objects / "pack/tmp_pack_new", objects / "ab/tmp_obj_new"]
    for path in (*left, *live):
        path.parent.mkdir(exist_ok=True)
        path.mkdir() if "ringfence" in path.name else path.touch()
    for path in (*left, live[0]):
        os.utime(path, (old, old))
    assert PackStore(Git(repo.path)).sweep() == 3
    assert [path for path in left if path.exists()] == []
    assert [path for path in live if not path.exists()] == []


def test_a_file_that_may_not_grow_leaves_the_branch_as_it_was(repo: GitRepo) -> None:
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    before, recorded = tip(repo), listing(repo)
    for limit in (0, 1, 100, 1000, 1100, 1300, 1500):
        child = os.fork()
        if child == 0:
            _append_with_limit(repo, limit)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert tip(repo) == before
        assert list((repo.path / "objects").glob("ringfence-*")) == []
    writer.append([plain_entry("n1", 2)])
    assert recorded <= listing(repo)
    repo.git("fsck", "--strict")


def _append_with_limit(repo: GitRepo, limit: int) -> None:
    """End this process: 0 if appending was refused as it should be."""
    code = 1
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = plain_ledger(repo)
        writer.heads()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        writer.append([plain_entry("n1", 2, blob=os.urandom(4000))])
    except TransientError as error:
        code = 0 if error.hint else 2
    finally:
        os._exit(code)


def test_a_disk_that_is_full_at_any_write_loses_nothing(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", "tests.support.full_disk"]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=DEADLINE_S, check=False, env={**os.environ}
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no namespace to be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {item["reason"] for item in told} <= {"", "DiskFull", "EvidenceUnwritten"}
    assert [item for item in told if not item["kept"] or item["sequence"] != item["expected"] or item["left"]] == []
    assert told[0]["reason"] == "DiskFull"
    assert told[-1]["reason"] == ""


def test_upkeep_joins_packs_and_drops_nothing_that_nothing_names(repo: GitRepo) -> None:
    writer = plain_ledger(repo)
    upkeep = Upkeep(Git(repo.path), packs=8)
    orphan = repo.git("hash-object", "-w", "--stdin", stdin=b"nobody names this")
    for sequence in range(1, 21):
        commit = writer.append([plain_entry("n1", sequence)])
        if sequence == 10:
            assert upkeep.is_due()
            upkeep.run()
    repo.git("update-ref", "refs/heads/evidence", f"{commit}^")
    assert upkeep.is_due()
    upkeep.run()
    assert not upkeep.is_due()
    assert upkeep.run(is_asked=True) == 1
    assert repo.git("cat-file", "-t", commit) == "commit"
    assert repo.git("cat-file", "-p", orphan) == "nobody names this"
    repo.git("fsck", "--strict")
