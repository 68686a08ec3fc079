"""A machine as a writer of evidence: its id stays, and only one of its processes writes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError, TransientError
from reconciler.repo.git import Git
from reconciler.repo.writer import WriterLock, read_lease, writer_id
from tests.support.gitrepo import GitRepo
from tests.support.plain_entries import plain_entry, plain_ledger


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(GitRepo(tmp_path).path)


def test_a_repository_has_one_id_that_stays(git: Git, tmp_path: Path) -> None:
    made = writer_id(git)
    assert writer_id(Git(git.path)) == made
    (tmp_path / "other").mkdir()
    assert writer_id(Git(GitRepo(tmp_path / "other").path)) != made


def test_an_id_that_is_none_is_told_and_not_replaced(git: Git) -> None:
    writer_id(git)
    git.own_path("ringfence-writer-id").write_text("\n")
    with pytest.raises(InputError) as caught:
        writer_id(git)
    assert caught.value.reason == "WriterId"


def test_a_second_process_is_told_who_writes_and_a_killed_one_leaves_no_lock(git: Git) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        _lock_and_wait(git, told)
    try:
        os.read(ready, 1)
        own = WriterLock(git)
        with pytest.raises(TransientError) as caught:
            own.take()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert caught.value.reason == "EvidenceWriterBusy"
    assert f"process {child} " in caught.value.message
    assert " since 2" in caught.value.message
    own.take()
    own.take()
    own.close()
    own.close()
    again = WriterLock(git)
    again.take()
    again.close()


def _lock_and_wait(git: Git, told: int) -> None:
    try:
        held = WriterLock(git)
        held.take()
        os.write(told, b"!")
        signal.alarm(60)
        signal.pause()
        held.close()
    finally:
        os._exit(1)


def test_a_lock_that_says_nothing_of_its_holder_is_a_lock_all_the_same(git: Git) -> None:
    own = WriterLock(git)
    own.take()
    git.own_path("ringfence-writer.lock").write_text("")
    with pytest.raises(TransientError) as caught:
        WriterLock(git).take()
    assert "another process" in caught.value.message
    own.close()


def test_what_is_written_by_a_holder_renews_its_lease_and_what_is_released_is_free(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path, bare=True)
    git = Git(repo.path)
    writer = plain_ledger(repo)
    writer.append([plain_entry("n1", 1)])
    assert read_lease(git, git.head("evidence") or "") is None
    writer.hold("a-1", confirm=_never)
    before = git.head("evidence") or ""
    writer.hold("a-1", confirm=_never)
    assert git.head("evidence") == before
    writer.append([plain_entry("n1", 2)])
    lease = read_lease(git, git.head("evidence") or "")
    assert lease is not None
    assert (lease.writer, lease.epoch) == ("a-1", 1)
    other = plain_ledger(repo)
    for act in (lambda: other.hold("b-2", confirm=_never), lambda: other.append([plain_entry("n1", 3)])):
        with pytest.raises(TransientError) as caught:
            act()
        assert caught.value.reason == "EvidenceLeased"
    writer.release()
    writer.release()
    taken: list[str] = []
    other.hold("b-2", confirm=taken.append)
    assert taken == [git.head("evidence")]
    lease = read_lease(git, taken[0])
    assert lease is not None
    assert (lease.writer, lease.epoch) == ("b-2", 2)
    repo.git("fsck", "--strict")


def test_a_takeover_that_is_not_confirmed_moves_nothing(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path, bare=True)
    first = plain_ledger(repo)
    first.hold("a-1", confirm=_never)
    first.release()
    before = repo.git("rev-parse", "evidence")

    def lost(commit: str) -> None:
        raise TransientError("remote", f"somebody was faster than {commit[:7]}", reason="RemoteMoved")

    second = plain_ledger(repo)
    with pytest.raises(TransientError):
        second.hold("b-2", confirm=lost)
    assert repo.git("rev-parse", "evidence") == before


def _never(commit: str) -> None:
    raise AssertionError(commit)
