"""Real git servers on loopback, over SSH and smart HTTP, with Ringfence's pre-receive hook installed.

SSH is OpenSSH's ``sshd`` as the current user, with keys made for it and a configuration of its own. HTTP is git's own
``http-backend`` behind a few lines of CGI; it wants a token, and can be told to break off in the middle of an answer.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from reconciler.repo.git import Git
from reconciler.repo.remote import Access, Remote
from tests.support.gitrepo import make_key

PROJECT = Path(__file__).parents[2]
HOOK = PROJECT / "state-repo-template" / "hooks" / "pre-receive"
TOKEN = "INSECURE-test-token"  # noqa: S105  # it guards a server of this test only
DEADLINE_S = 60.0
_LOCKED_UP = Path("/run/sshd")
"""An empty folder in which root's sshd locks its children up; it insists. Debian's service makes it, or we do."""


class GitServer(Protocol):
    """What serves the repositories below ``root``."""

    root: Path

    def access(self, name: str) -> Access:
        """Return how the reconciler reaches the repository ``name``."""
        ...

    def client(self) -> dict[str, str]:
        """Return the environment in which plain git reaches it."""
        ...

    def stop(self) -> None:
        """End it at once, with all that it has started."""
        ...

    def start(self) -> None:
        """Serve, again, at the same address."""
        ...


def bare_repository(root: Path, name: str, *, with_hook: bool = True) -> Git:
    """Make the bare repository ``name`` below ``root``."""
    path = root / name
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True, timeout=DEADLINE_S)
    hooks = path / "hooks"
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.mkdir()
    if with_hook:
        shutil.copy(HOOK, hooks / "pre-receive")
        (hooks / "pre-receive").chmod(0o755)
    git = Git(path)
    git.run("config", "http.receivepack", "true")
    return git


def program(folder: Path) -> Path:
    """Write a script that is ``ringfence`` from this checkout; while ``folder/stall`` is there, it waits instead."""
    path = folder / "ringfence"
    path.write_text(
        f"#!/bin/sh\n"
        f'if [ -e "{folder}/stall" ]; then touch "{folder}/stalled"; exec sleep 60; fi\n'
        f'PYTHONPATH="{PROJECT}" exec "{sys.executable}" -m reconciler.cli.main "$@"\n'
    )
    path.chmod(0o755)
    return path


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def wait_for(port: int) -> None:
    """Wait until somebody listens on ``port``."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on {port}")


@dataclass(kw_only=True)
class SshServer:
    """OpenSSH's server, as the current user."""

    root: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    made: bool = False

    def __post_init__(self) -> None:
        keys = self.root / "keys"
        keys.mkdir()
        self.host_key, self.user_key = make_key(keys / "host"), make_key(keys / "user")
        self.known_hosts = keys / "known_hosts"
        public = " ".join((keys / "host.pub").read_text().split()[:2])
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n")
        (keys / "authorized_keys").write_text((keys / "user.pub").read_text())
        (keys / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.host_key}\nPidFile none\nStrictModes no\n"
            f"UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\n"
            f"AuthorizedKeysFile {keys}/authorized_keys\nPermitRootLogin prohibit-password\n"
            f"AllowUsers {getpass.getuser()}\nSetEnv RINGFENCE={program(self.root)}\nLogLevel ERROR\n"
        )

    def start(self) -> None:
        assert shutil.which("sshd", path="/usr/sbin:/usr/bin"), "openssh-server is missing: run make setup"
        if os.getuid() == 0 and not _LOCKED_UP.exists():
            _LOCKED_UP.mkdir()
            self.made = True
        command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.root / "keys" / "sshd_config")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_for(self.port)

    def stop(self) -> None:
        if self.process is not None:
            # Each connection is a session of its own below the listener, and so is what it has started.
            _kill_tree(self.process.pid)
            self.process.wait(timeout=DEADLINE_S)
            self.process = None
        if self.made:
            _LOCKED_UP.rmdir()
            self.made = False

    def access(self, name: str) -> Access:
        return Access(
            url=f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.root}/{name}",
            ssh_key=self.user_key,
            known_hosts=self.known_hosts,
            deadline_s=DEADLINE_S,
        )

    def client(self) -> dict[str, str]:
        options = f"-F /dev/null -i {self.user_key} -o IdentitiesOnly=yes -o UserKnownHostsFile={self.known_hosts}"
        return {"GIT_SSH_COMMAND": f"ssh {options}", "GIT_SSH_VARIANT": "ssh"}


class HttpServer:
    """Git's smart HTTP backend; ``break_after`` is how many bytes of an answer are sent before the line is cut."""

    def __init__(self, *, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.break_after: int | None = None
        self.program = program(root)
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        outer = self

        class Handler(_Backend):
            git_server = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def access(self, name: str) -> Access:
        url = f"http://127.0.0.1:{self.port}/{name}"
        return Access(url=url, token=lambda: TOKEN, deadline_s=DEADLINE_S)

    def client(self) -> dict[str, str]:
        header = {"KEY": "http.extraHeader", "VALUE": f"Authorization: {expected_header()}"}
        return {"GIT_CONFIG_COUNT": "1", **{f"GIT_CONFIG_{name}_0": value for name, value in header.items()}}


def expected_header() -> str:
    """Return what the HTTP server wants to be shown."""
    return f"Basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"


class _Backend(BaseHTTPRequestHandler):
    """CGI for git's own backend, and nothing else."""

    git_server: HttpServer

    def do_GET(self) -> None:  # the name that http.server calls
        self._answer(b"")

    def do_POST(self) -> None:  # the name that http.server calls
        if self.headers.get("Transfer-Encoding") == "chunked":
            self._answer(b"".join(self._chunks()))
        else:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named as in http.server
        pass

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes) -> None:
        if self.headers.get("Authorization") != expected_header():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git_server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "pusher",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "RINGFENCE": str(self.git_server.program),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False, timeout=DEADLINE_S, env=environment
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines() if ": " in line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self.send_response(status)
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(content[: self.git_server.break_after])
        if self.git_server.break_after is not None:
            self.close_connection = True


@contextmanager
def serving(kind: str, root: Path) -> Iterator[GitServer]:
    """Run a server of ``kind`` (``ssh`` or ``http``) for the repositories below ``root``."""
    server: GitServer = SshServer(root=root) if kind == "ssh" else HttpServer(root=root)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def remote(git: Git, *, server: GitServer, name: str) -> Remote:
    """Return the repository ``name`` on ``server`` as a remote of ``git``."""
    return Remote(git, access=server.access(name))


def _kill_tree(pid: int) -> None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(FileNotFoundError):
            _kill_tree(int(child))
