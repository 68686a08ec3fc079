"""Suspend, resume, freeze, unfreeze: one field in a signed commit that the trust rules take, comments kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.cli.holding import freeze, resume, suspend, unfreeze
from reconciler.daemon.source import TrustedSource
from reconciler.errors.taxonomy import InputError
from reconciler.repo.git import Git
from tests.support.documents import FILES
from tests.support.gitrepo import GitRepo

BLUE = "tenants/blue/enclaves/blue.yaml"


class Checkout:
    """A state repository that is checked out, and alice's key to it."""

    def __init__(self, folder: Path) -> None:
        self.repo = GitRepo(folder)
        self.path, self.key = self.repo.path, self.repo.keys["alice"]
        files = {**FILES, "trust/allowed_signers": self.repo.allowed("alice", "carol")}
        self.repo.point("main", self.repo.commit({**files}, signer="alice"))
        self.repo.git("reset", "-q", "--hard")

    def head(self) -> str:
        return self.repo.git("rev-parse", "HEAD")

    def read(self, name: str) -> str:
        return (self.path / name).read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_an_enclave_is_suspended_and_resumed_and_its_document_is_as_before(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkout.read(BLUE)
    suspend("enclave/blue", repo=checkout.path, key=checkout.key)
    assert checkout.read(BLUE) == before.rstrip("\n") + "\n  suspend: true\n"
    sight = TrustedSource(Git(checkout.path)).refresh()
    assert sight.refusals == ()
    assert sight.desired.commit == checkout.head()
    assert sight.desired.enclaves["blue"].spec.suspend
    resume("enclave/blue", repo=checkout.path, key=checkout.key)
    assert checkout.read(BLUE) == before
    assert not TrustedSource(Git(checkout.path)).refresh().desired.enclaves["blue"].spec.suspend
    head = checkout.head()
    resume("enclave/blue", repo=checkout.path, key=checkout.key)
    assert checkout.head() == head
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" as of")[0] for line in said] == [
        "enclave/blue is suspended",
        "enclave/blue goes on",
        "enclave/blue is not suspended",
    ]
    assert checkout.repo.git("status", "--porcelain") == ""


def test_a_repository_is_frozen_for_a_reason_and_goes_on(checkout: Checkout) -> None:
    before = checkout.read("ringfence.yaml")
    freeze(reason='a fair: "no changes"', repo=checkout.path, key=checkout.key)
    sight = TrustedSource(Git(checkout.path)).refresh()
    assert sight.refusals == ()
    assert sight.desired.repository.spec.freeze is not None
    assert sight.desired.repository.spec.freeze.reason == 'a fair: "no changes"'
    head = checkout.head()
    freeze(reason='a fair: "no changes"', repo=checkout.path, key=checkout.key)
    assert checkout.head() == head
    freeze(reason="another", repo=checkout.path, key=checkout.key)
    assert checkout.head() != head
    unfreeze(repo=checkout.path, key=checkout.key)
    assert checkout.read("ringfence.yaml") == before


def test_an_enclave_in_a_file_of_several_is_found(checkout: Checkout) -> None:
    green = FILES[BLUE].replace(b"name: blue}", b"name: green}", 1)
    both = FILES[BLUE] + b"---\n" + green
    commit = checkout.repo.commit(
        {BLUE: None, "tenants/blue/enclaves/all.yaml": both}, signer="alice", parents=[checkout.head()]
    )
    checkout.repo.point("main", commit)
    checkout.repo.git("reset", "-q", "--hard")
    suspend("enclave/green", repo=checkout.path, key=checkout.key)
    expected = both.decode().rstrip("\n") + "\n  suspend: true\n"
    assert checkout.read("tenants/blue/enclaves/all.yaml") == expected


def test_uncommitted_changes_are_not_swept_along(checkout: Checkout) -> None:
    head = checkout.head()
    (checkout.path / BLUE).write_text(checkout.read(BLUE) + "# mine\n")
    with pytest.raises(InputError) as caught:
        suspend("enclave/blue", repo=checkout.path, key=checkout.key)
    assert caught.value.reason == "UncommittedChanges"
    assert checkout.head() == head
    assert checkout.read(BLUE).endswith("# mine\n")


@pytest.mark.parametrize(
    ("subject", "reason"),
    [("enclave/red", "EnclaveUnknown"), ("node/n1", "SubjectUnknown"), ("enclave/", "SubjectUnknown")],
)
def test_what_is_not_there_cannot_be_suspended(checkout: Checkout, subject: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        suspend(subject, repo=checkout.path, key=checkout.key)
    assert caught.value.reason == reason


def test_a_folder_without_a_commit_is_an_input_error(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=30)
    with pytest.raises(InputError) as caught:
        freeze(reason="a fair", repo=tmp_path, key=tmp_path / "key")
    assert caught.value.reason == "NoCommit"
