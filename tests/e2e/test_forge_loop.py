"""The whole way of a commit: pushed over SSH, told by a webhook, fetched, judged, recorded, and the record pushed back.

The state holds no node, so nothing but git, the spool and the webhook is needed. The remote is looked at once an hour:
whatever happens sooner, the webhook has brought about.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from reconciler.repo.git import Git
from reconciler.repo.template import create_repository
from reconciler.repo.worktree import commit_files
from tests.support.gitrepo import make_key
from tests.support.gitserver import DEADLINE_S, PROJECT, GitServer, SshServer, bare_repository, serving

SECRET = b"INSECURE-test-webhook-secret"


@dataclass(kw_only=True)
class Site:
    """A state repository, the server's copy of it, and a machine with settings and an empty clone."""

    folder: Path
    state: Path
    host: Git
    server: GitServer

    def commit(self, text: str) -> str:
        """Make a signed commit, as an operator does."""
        return commit_files(
            self.state, files={"NOTES.md": text.encode()}, message=text, signing_key=self.folder / "alice"
        )

    def push(self) -> None:
        url = self.server.access("state.git").url
        environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, **self.server.client()}
        done = subprocess.run(
            ["git", "push", "-q", url, "main"],
            cwd=self.state,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 0, done.stderr

    def recorded(self) -> str | None:
        """Return which commit the server's evidence branch calls trusted."""
        tip = self.host.head("evidence")
        found = self.host.objects([f"{tip}:trusted.json"]) if tip else {}
        return next((json.loads(content)["commit"] for content in found.values()), None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    root = tmp_path / "server"
    root.mkdir()
    for name in ("alice", "carol"):
        make_key(tmp_path / name)
    state = tmp_path / "state"
    create_repository(state, signers=[tmp_path / "alice.pub"], evidence_signers=[tmp_path / "carol.pub"])
    with serving("ssh", root) as server:
        assert isinstance(server, SshServer)
        made = Site(folder=tmp_path, state=state, host=bare_repository(root, "state.git"), server=server)
        made.push()
        subprocess.run(["git", "init", "-q", str(tmp_path / "clone")], check=True, timeout=DEADLINE_S)
        _settings(tmp_path, server)
        yield made


def _settings(folder: Path, server: SshServer) -> None:
    private = {
        "identity": str(pyrage.x25519.Identity.generate()).encode(),
        "credentials.json": b"{}",
        "secret": SECRET,
    }
    for name, content in private.items():
        (folder / name).write_bytes(content + b"\n")
        (folder / name).chmod(0o600)
    for name in ("keystore", "images"):
        (folder / name).mkdir()
    access = server.access("state.git")
    settings = {
        "spool": "spool.sqlite",
        "images": "images",
        "tls": {"certificate": "none", "key": "none"},
        "keystore": "keystore",
        "age_identity": "identity",
        "evidence_key": "carol",
        "credentials": "credentials.json",
        "remote": {
            "url": access.url,
            "ssh_key": str(access.ssh_key),
            "known_hosts": str(access.known_hosts),
            "interval": "1h",
        },
        "webhook": {"address": "127.0.0.1", "port": 0, "secret": "secret"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))


@contextmanager
def running(site: Site, *words: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a command of ours until the end of the block; give the process and the file with all that it says."""
    said = site.folder / f"{words[0]}.log"
    with said.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler.cli.main", *words, "--settings", str(site.folder / "settings.json")],
            stdout=log,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"},
        )
        try:
            yield process, said
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=DEADLINE_S)


def eventually(is_so: Callable[[], bool], *logs: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, "\n".join(log.read_text() for log in logs)
        time.sleep(0.05)


def call(said: Path) -> None:
    """Call the webhook that listens where ``said`` says, as Gitea does."""
    port = int(said.read_text().split()[-1])
    body = b'{"ref": "refs/heads/main"}'
    signed = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, headers={"X-Gitea-Signature": signed})
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310  # loopback
        assert answer.status == 202


def test_a_push_wakes_the_reconciler_and_its_record_comes_back(site: Site) -> None:
    clone = site.folder / "clone"
    with running(site, "webhook") as (_, hooked), running(site, "run", "--repo", str(clone)) as (process, log):
        first = Git(site.state).head("main")
        eventually(lambda: site.recorded() == first, log, hooked)
        eventually(lambda: hooked.read_text().startswith("listening on"), hooked)
        second = site.commit("second")
        site.push()
        call(hooked)
        eventually(lambda: site.recorded() == second, log, hooked)

        # Somebody with access to the server itself goes round the hook: nothing moves, and it is said why.
        forged = site.host.run(
            "commit-tree", "-p", second, f"{second}^{{tree}}", stdin=b"forged\n", environment=_SOMEBODY
        )
        site.host.run("update-ref", "refs/heads/main", forged.decode().strip())
        call(hooked)
        eventually(lambda: "is not signed" in log.read_text(), log, hooked)
        assert site.recorded() == second

        # The server goes away and comes back, with the good branch again.
        site.host.run("update-ref", "refs/heads/main", second)
        site.server.stop()
        call(hooked)
        eventually(lambda: "Connection refused" in log.read_text(), log)
        assert process.poll() is None
        site.server.start()
        third = site.commit("third")
        site.push()
        call(hooked)
        eventually(lambda: site.recorded() == third, log, hooked)
    assert process.returncode == 0
    assert log.read_text().endswith("stopped\n")
    assert Git(clone).head("main") is None


_SOMEBODY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Somebody"), ("EMAIL", "somebody@localhost"))
}
