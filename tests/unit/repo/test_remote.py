"""The remote adapter: which addresses are taken, what is told to whom, and what a server's answer means."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import DeviceError, InputError, InvariantError, RingfenceError, TransientError
from reconciler.repo.git import Git
from reconciler.repo.remote import Access, Remote, configured_url
from reconciler.repo.start import start_group
from tests.support.gitrepo import GitRepo

HOSTS = Path("known_hosts")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(GitRepo(tmp_path).path)


@pytest.mark.parametrize(
    "access",
    [
        pytest.param(Access(url="ext::sh -c evil"), id="a program"),
        pytest.param(Access(url="--upload-pack=evil"), id="an option"),
        pytest.param(Access(url="https://h/x?token=1"), id="a query"),
        pytest.param(Access(url="https://h/x y"), id="a blank"),
        pytest.param(Access(url="https://user:secret@h/x"), id="a password"),
        pytest.param(Access(url="ssh://git@h/x"), id="SSH without known hosts"),
        pytest.param(Access(url="git@h:x"), id="SSH without known hosts, short"),
        pytest.param(Access(url="http://h/x", token=lambda: "t"), id="a token in the clear"),
        pytest.param(Access(url="/srv/x.git", token=lambda: "t"), id="a token for a folder"),
        pytest.param(Access(url="git@h:x", known_hosts=HOSTS, token=lambda: "t"), id="a token for SSH"),
        pytest.param(Access(url="git://h/x"), id="the unauthenticated protocol"),
    ],
)
def test_an_address_that_could_do_harm_is_refused(git: Git, access: Access) -> None:
    with pytest.raises(InputError) as caught:
        Remote(git, access=access)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "access",
    [
        Access(url="ssh://git@[::1]:2222/srv/state.git", known_hosts=HOSTS),
        Access(url="git@forge.example:org/state.git", known_hosts=HOSTS),
        Access(url="https://forge.example/org/state.git", token=lambda: "t"),
        Access(url="http://127.0.0.1:8080/state.git", token=lambda: "t"),
        Access(url="file:///srv/state.git"),
        Access(url="/srv/state.git"),
    ],
)
def test_usual_addresses_are_taken(git: Git, access: Access) -> None:
    assert Remote(git, access=access).tracking == "refs/remotes/ringfence/main"


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ("Host key verification failed.\r\nfatal: Could not read", DeviceError, "RemoteUnknownHost"),
        ("git@h: Permission denied (publickey).", DeviceError, "RemoteRefuses"),
        ("fatal: Authentication failed for 'https://h/'", DeviceError, "RemoteRefuses"),
        (" ! [remote rejected] evidence -> evidence (pre-receive hook declined)", DeviceError, "RemoteRefusesPush"),
        (" ! [rejected]        evidence -> evidence (fetch first)", TransientError, "RemoteMoved"),
        ("fatal: '/x' does not appear to be a git repository", InputError, "RemoteMissing"),
        ("ssh: connect to host h port 22: Connection refused", TransientError, "RemoteAway"),
        ("fatal: Unable to create '/x/.git/shallow.lock': File exists.", TransientError, "GitLocked"),
    ],
)
def test_what_a_server_says_is_told_apart(git: Git, said: str, kind: type[RingfenceError], reason: str) -> None:
    error = Remote(git, access=Access(url="/x"))._wire._translate("push", said)
    assert (type(error), error.reason) == (kind, reason)
    assert error.hint


def test_a_remote_of_the_clone_is_found_by_its_name(git: Git) -> None:
    git.run("config", "remote.origin.url", "https://forge.example/state.git")
    assert configured_url(git, "origin") == "https://forge.example/state.git"
    for name in ("upstream", "-x", "a b"):
        with pytest.raises(InputError) as caught:
            configured_url(git, name)
        assert caught.value.reason == "RemoteUnknown"


def test_a_token_is_in_no_argument_and_in_no_error(git: Git) -> None:
    seen: list[list[str]] = []
    remote = Remote(git, access=Access(url="http://127.0.0.1:9/x", token=lambda: "INSECURE-test-token", deadline_s=20))
    start = remote._wire._start
    remote._wire._start = lambda words, **rest: (seen.append(words), start(words, **rest))[1]
    with pytest.raises(TransientError) as caught:
        remote.look()
    assert "INSECURE" not in str(seen)
    assert "INSECURE" not in f"{caught.value} {caught.value.hint}"


def test_a_server_that_never_answers_is_given_up_and_nothing_is_left_running(git: Git) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        access = Access(url=f"http://127.0.0.1:{port}/x", deadline_s=1.0)
        with pytest.raises(TransientError) as caught:
            Remote(git, access=access).look()
        assert caught.value.reason == "RemoteAway"
        accepted, _ = silent.accept()
        with accepted:
            accepted.settimeout(20)
            while accepted.recv(4096):  # The helper that git had started has closed its end as well.
                pass


def test_a_group_wants_its_output_captured() -> None:
    with pytest.raises(InvariantError):
        start_group(["true"], input=b"", capture_output=True, check=True, timeout=5, env={})
