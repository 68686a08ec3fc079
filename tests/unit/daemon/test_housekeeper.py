"""Upkeep beside the passes: it is done when it is due, and its failure is told once and stops nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from reconciler.daemon.housekeeper import Housekeeper
from reconciler.errors.taxonomy import RingfenceError
from reconciler.repo.git import Git
from reconciler.repo.upkeep import Upkeep
from tests.support.gitrepo import GitRepo
from tests.support.plain_entries import plain_entry, plain_ledger

WAIT_S = 30.0


def eventually(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_packs_are_joined_while_records_are_written(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path, bare=True)
    troubles: list[RingfenceError] = []
    keeper = Housekeeper(Upkeep(Git(repo.path), packs=4), report=troubles.append, interval_s=0.05)
    keeper.start()
    writer = plain_ledger(repo)
    for sequence in range(1, 13):
        writer.append([plain_entry("n1", sequence)])
    eventually(lambda: len(list((repo.path / "objects/pack").glob("*.pack"))) < 4)
    keeper.close()
    assert troubles == []
    assert plain_ledger(repo).heads()["n1"].sequence == 12
    repo.git("fsck", "--strict")


def test_a_failure_is_told_and_another_process_that_packs_is_one(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path, bare=True)
    plain_ledger(repo).append([plain_entry("n1", 1)])
    told = threading.Event()
    troubles: list[RingfenceError] = []

    def report(error: RingfenceError) -> None:
        troubles.append(error)
        told.set()

    keeper = Housekeeper(Upkeep(Git(repo.path), packs=1), report=report, interval_s=0.05)
    with Upkeep(Git(repo.path))._alone():
        keeper.start()
        assert told.wait(WAIT_S)
    keeper.close()
    assert [error.reason for error in troubles] == ["UpkeepBusy"]


def test_one_that_never_began_is_closed(tmp_path: Path) -> None:
    Housekeeper(Upkeep(Git(tmp_path)), report=lambda _: None).close()
