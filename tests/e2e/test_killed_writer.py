"""The writer of evidence, killed again and again, with a remote that fails at random: nothing is lost, nothing doubled.

``KILLS`` is how often (40), ``SEED`` what chance begins with (told when it fails).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.cli.auditing import run_audit
from reconciler.daemon.courier import Courier
from reconciler.daemon.housekeeper import Housekeeper
from reconciler.daemon.source import TrustedSource
from reconciler.errors.taxonomy import RingfenceError, TransientError
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.remote import Access, Remote
from reconciler.repo.upkeep import Upkeep
from reconciler.repo.writer import WriterLock
from tests.support.estate import Estate, estate
from tests.support.sites import EnclaveShape, site

KILLS = int(os.environ.get("KILLS", "40"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 32)
BATCHES_A_KILL = 4
LONGEST_LIFE_S = 1.0
REMOTE_DEADLINE_S = 1.0
DEADLINE_S = 60.0

FAILING_HOOK = """#!/bin/sh
n=$(od -An -N1 -tu1 /dev/urandom)
[ "$n" -lt 60 ] && { echo "no" >&2; exit 1; }
[ "$n" -lt 90 ] && exec sleep 3
[ "$n" -lt 130 ] && kill -9 $PPID
exit 0
"""
"""What stands before each push: a refusal, a wait longer than the deadline, or the death of the server."""


@dataclass(kw_only=True)
class Scene:
    """A repository whose records are made and not written yet, and the remote that they are to reach."""

    place: Estate
    batches: list[Sequence[Entry]]
    hub: Path
    acknowledged: Path

    def courier(self) -> Courier:
        remote = Remote(self.place.git, access=Access(url=str(self.hub), deadline_s=REMOTE_DEADLINE_S))
        return Courier(remote, interval_s=0.3, report=lambda _: None)

    def done(self) -> list[int]:
        return [int(line) for line in self.acknowledged.read_text().splitlines()]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    place = estate(tmp_path, desired=site(nodes=4, enclaves=[EnclaveShape(name="blue", count=3)]))
    desired = place.world.desired
    place.ledger.set_trusted(desired.commit)
    wanted = max(120, BATCHES_A_KILL * KILLS)
    while len(place.world.ledger.rounds) < wanted:
        place.world.start_process()
        place.engine.carry_out(place.engine.draft(desired), watch=lambda _action, _outcome: None)
        place.world.tick(40)
    hub = tmp_path / "hub.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(hub)], check=True, timeout=DEADLINE_S)
    place.git.run("push", "-q", str(hub), "refs/heads/main")
    hook = hub / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(FAILING_HOOK)
    hook.chmod(0o755)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    return Scene(place=place, batches=list(place.world.ledger.rounds), hub=hub, acknowledged=acknowledged)


def test_no_record_is_lost_or_doubled_however_often_the_writer_is_killed(scene: Scene) -> None:
    chance = random.Random(SEED)  # noqa: S311  # instants, no secrets
    for kill in range(KILLS):
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            _write_on(scene, pause_s=chance.random() * 0.03, told=told)
        os.close(told)
        with suppress(OSError):
            os.setpgid(child, child)
        if kill % 4:  # Now and then it dies while it starts.
            os.read(ready, 1)
        time.sleep(chance.random() * LONGEST_LIFE_S)
        # Every other time its git processes die with it; otherwise they end by themselves, and later than it.
        with suppress(ProcessLookupError):
            (os.killpg if kill % 2 else os.kill)(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(ready)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"seed {SEED}: the writer ended by itself"
    git = scene.place.git
    (scene.hub / "hooks/pre-receive").unlink()
    _finish(scene)
    _check_all_there(scene, git)
    tip = git.head("evidence")
    assert tip is not None
    assert Git(scene.hub).head("evidence") == tip, f"seed {SEED}"
    _check_audit(git)
    clone = scene.hub.with_name("clone")
    subprocess.run(["git", "clone", "-q", str(scene.hub), str(clone)], check=True, timeout=DEADLINE_S)
    _check_audit(Git(clone))
    for path in (scene.place.repo.path, scene.hub):
        subprocess.run(["git", "-C", str(path), "fsck", "--strict"], check=True, timeout=DEADLINE_S)
    print(f"{KILLS} kills, {len(scene.done())} acknowledged, {len(scene.batches)} batches, seed {SEED}")  # noqa: T201


def _write_on(scene: Scene, *, pause_s: float, told: int) -> None:
    """Be the writer until this process is killed; end with 1 if anything else happens."""
    try:
        with suppress(OSError):
            os.setpgid(0, 0)
        lock = WriterLock(scene.place.git)
        _at_last(lock.take)
        courier = scene.courier()
        courier.start()
        Housekeeper(Upkeep(scene.place.git, packs=12), report=lambda _: None, interval_s=0.1).start()
        ledger = scene.place.ledger
        _at_last(ledger.heads)
        os.write(told, b"!")
        with scene.acknowledged.open("a", buffering=1) as acknowledged:
            while True:
                with suppress(TransientError):  # A git that outlived its master may hold the lock, or move the branch.
                    heads = ledger.heads()
                    index = next((i for i, batch in enumerate(scene.batches) if not _is_recorded(batch, heads)), None)
                    if index is None:
                        time.sleep(LONGEST_LIFE_S)
                    else:
                        ledger.append(scene.batches[index])
                        acknowledged.write(f"{index}\n")
                time.sleep(pause_s)
    except BaseException as error:
        scene.acknowledged.with_name("last-words").write_text(repr(error))
        raise
    finally:
        os._exit(1)  # Nothing unlocks: that is the kernel's work.


def _at_last(act: Callable[[], object]) -> None:
    """Do ``act`` as soon as it can be done: a git of the writer before may still be ending."""
    while True:
        with suppress(TransientError):
            act()
            return
        time.sleep(0.05)


def _is_recorded(batch: Sequence[Entry], heads: object) -> bool:
    known = dict(heads)  # type: ignore[call-overload]  # a mapping of heads by node
    return all(h.node in known and known[h.node].sequence >= h.sequence for entry in batch for h in entry.heads)


def _finish(scene: Scene) -> None:
    """Write what is left and push all of it, undisturbed; what a killed git still holds is waited for."""
    ledger = scene.place.ledger
    end = time.monotonic() + 2 * DEADLINE_S
    while True:
        assert time.monotonic() < end, f"seed {SEED}"
        with suppress(TransientError):
            heads = ledger.heads()
            left = [batch for batch in scene.batches if not _is_recorded(batch, heads)]
            for batch in left:
                ledger.append(batch)
            break
        time.sleep(1)
    remote = Remote(scene.place.git, access=Access(url=str(scene.hub), deadline_s=DEADLINE_S))
    while remote.look().evidence != scene.place.git.head("evidence"):
        assert time.monotonic() < end, f"seed {SEED}"
        with suppress(RingfenceError):
            remote.push(scene.place.git.head("evidence") or "", branch="evidence")
        time.sleep(0.1)


def _check_all_there(scene: Scene, git: Git) -> None:
    tip = git.head("evidence") or ""
    files = {entry.path.decode() for entry in git.files(tip)}
    parts = git.objects(f"{tip}:{path}" for path in sorted(files) if path.startswith("log/0"))
    logged = [line.split(" ")[1] for part in parts.values() for line in part.decode().splitlines()]
    written = [entry.path for batch in scene.batches for entry in batch]
    assert logged == written, f"seed {SEED}: lost, doubled or out of order"
    assert set(written) <= files
    done = scene.done()
    assert len(done) == len(set(done)), f"seed {SEED}: acknowledged twice"
    assert done == sorted(done), f"seed {SEED}"


def _check_audit(git: Git) -> None:
    with run_audit(git, sight=TrustedSource(git).refresh()) as audited:
        assert audited.findings.flaws == [], f"seed {SEED}"
        assert audited.findings.records > 0
