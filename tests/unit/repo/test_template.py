"""New repositories, signed commits in a working tree, schemas and examples."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError, RingfenceError, TransientError
from reconciler.model.kinds import API_VERSION
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.layout import PLACES
from reconciler.repo.schema import generate_schemas
from reconciler.repo.signing import EvidenceKey, evidence_keys
from reconciler.repo.snapshot import read_commit, read_directory
from reconciler.repo.template import create_repository
from reconciler.repo.trust import FetchedCommit, judge
from reconciler.repo.worktree import commit_files
from tests.support.documents import FILES
from tests.support.gitrepo import GitRepo, make_key

TOP = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    return {name: make_key(tmp_path / name) for name in ("alice", "reconciler", "bob")}


def pub(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def begin(tmp_path: Path, keys: dict[str, Path]) -> Path:
    state = tmp_path / "state"
    create_repository(state, signers=[pub(keys["alice"])], evidence_signers=[pub(keys["reconciler"])])
    return state


def test_new_repository_is_valid_clean_and_trusted_by_its_own_rules(tmp_path: Path, keys: dict[str, Path]) -> None:
    state = begin(tmp_path, keys)
    git = Git(state)
    head = git.head("main")
    assert head is not None
    judgement = judge(git, head=FetchedCommit(commit=head), last_trusted=None)
    assert judgement.trusted is not None
    assert not judgement.refusals
    desired = load_desired(read_commit(git, head))
    assert desired.repository.spec.trust.rules[0].signers == ("alice",)
    assert desired.repository.spec.evidence.signers == ("reconciler",)
    assert list(desired.policies) == ["measured-boot"]
    assert git.run("status", "--porcelain") == b""
    assert load_desired(read_directory(state)).repository == desired.repository


def test_evidence_keys_of_a_repository_are_those_that_sign(tmp_path: Path, keys: dict[str, Path]) -> None:
    state = begin(tmp_path, keys)
    key = EvidenceKey(keys["reconciler"])
    found = evidence_keys((state / "trust/allowed_signers").read_bytes(), principals=("reconciler",))
    found[key.key_id].verify(key.sign(b"x"), b"x")
    assert str(key) == f"EvidenceKey({key.key_id})"


def test_new_repository_takes_the_examples(tmp_path: Path, keys: dict[str, Path]) -> None:
    state = begin(tmp_path, keys)
    example = TOP / "examples/blue"
    files = {p: c for p, c in FILES.items() if p.startswith(("site", "images", "trust/ek"))}
    files |= {p.relative_to(example).as_posix(): p.read_bytes() for p in example.rglob("*.yaml")}
    commit_files(state, files=files, message="blue", signing_key=keys["alice"])
    desired = load_desired(read_directory(state))
    assert desired.enclaves["blue"].spec.keys == ("blue-overlay", "blue-disk")
    assert desired.enclaves["blue"].spec.nodes.count == 2


def test_key_that_shares_a_comment_gets_no_borrowed_authority(tmp_path: Path, keys: dict[str, Path]) -> None:
    """ssh-keygen's default comment is user@host: two keys of one machine are not one signer."""
    for name in ("alice", "reconciler"):
        kind, blob, _ = pub(keys[name]).read_text().split()
        pub(keys[name]).write_text(f"{kind} {blob} root@host\n")
    spec = load_desired(read_directory(begin(tmp_path, keys))).repository.spec
    assert spec.trust.rules[0].signers == ("root@host",)
    assert spec.evidence.signers == ("reconciler",)


def test_init_refuses_a_folder_that_is_not_empty(tmp_path: Path, keys: dict[str, Path]) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/x").touch()
    with pytest.raises(InputError) as caught:
        begin(tmp_path, keys)
    assert caught.value.reason == "NotEmpty"
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["x"]


def test_init_refuses_what_is_no_public_key(tmp_path: Path, keys: dict[str, Path]) -> None:
    for bad in (keys["alice"], tmp_path / "nowhere.pub"):
        with pytest.raises(InputError) as caught:
            create_repository(tmp_path / "state", signers=[bad], evidence_signers=[bad])
        assert caught.value.reason == "BadPublicKey"
    with pytest.raises(InputError) as caught:
        create_repository(tmp_path / "state", signers=[], evidence_signers=[])
    assert caught.value.reason == "NoSigners"
    with pytest.raises(InputError) as caught:
        create_repository(tmp_path / "s", signers=[pub(keys["bob"])], evidence_signers=[], template=tmp_path)
    assert caught.value.reason == "NoTemplate"


def test_commit_files_changes_and_deletes_and_leaves_a_clean_tree(tmp_path: Path, keys: dict[str, Path]) -> None:
    state = begin(tmp_path, keys)
    (state / "notes.txt").write_text("mine")
    first = commit_files(state, files={"a/b": b"1", "c": b"2"}, message="one", signing_key=keys["alice"])
    second = commit_files(state, files={"a/b": None, "c": b"3"}, message="two", signing_key=keys["alice"])
    again = commit_files(state, files={"c": b"3"}, message="three", signing_key=keys["alice"])
    git = Git(state)
    assert again == second == git.head("main")
    assert git.run("status", "--porcelain") == b"?? notes.txt\n"
    assert git.run("diff", "--name-status", first, second) == b"D\ta/b\nM\tc\n"
    assert judge(git, head=FetchedCommit(commit=second), last_trusted=first).trusted is not None


def test_commit_files_does_not_sweep_staged_changes_along(tmp_path: Path, keys: dict[str, Path]) -> None:
    state = begin(tmp_path, keys)
    (state / "README.md").write_text("staged")
    Git(state).run("add", "README.md")
    with pytest.raises(InputError) as caught:
        commit_files(state, files={"c": b"2"}, message="one", signing_key=keys["alice"])
    assert caught.value.reason == "StagedChanges"
    assert not (state / "c").exists()


@pytest.mark.parametrize("name", ["../x", "/x", ".git/config", "a/../../x", "a//b", "link/x"])
def test_commit_files_stays_inside(tmp_path: Path, keys: dict[str, Path], name: str) -> None:
    state = begin(tmp_path, keys)
    (state / "link").symlink_to(tmp_path)
    with pytest.raises(InputError) as caught:
        commit_files(state, files={name: b"2"}, message="one", signing_key=keys["alice"])
    assert caught.value.reason == "BadPath"


def test_commit_files_says_what_it_lacks(tmp_path: Path, keys: dict[str, Path]) -> None:
    state = begin(tmp_path, keys)
    with pytest.raises(InputError) as caught:
        commit_files(state, files={"c": b"2"}, message="one", signing_key=tmp_path / "nowhere")
    assert caught.value.reason == "NoSigningKey"
    with pytest.raises(InputError) as caught:
        commit_files(state, files={"c": b"2"}, message="one", signing_key=keys["alice"], author="x\ny <z>")
    assert caught.value.reason == "BadAuthor"
    Git(state).run("checkout", "-q", "--detach")
    with pytest.raises(InputError) as caught:
        commit_files(state, files={"c": b"2"}, message="one", signing_key=keys["alice"])
    assert caught.value.reason == "DetachedHead"
    assert not (state / "c").exists()


def test_schemas_are_those_that_the_model_gives() -> None:
    generated = generate_schemas()
    assert {path.name: path.read_bytes() for path in (TOP / "schemas").iterdir()} == generated
    assert len(generated) == len(PLACES)


def test_every_yaml_names_its_schema_and_its_version() -> None:
    files = [*(TOP / "state-repo-template").rglob("*.yaml"), *(TOP / "examples/blue").rglob("*.yaml")]
    assert files
    for file in files:
        first, second, third = file.read_text().splitlines()[:3]
        root = next(p for p in file.parents if p.name in {"state-repo-template", "blue"} and p.parent.name != "tenants")
        schema = first.removeprefix("# yaml-language-server: $schema=")
        named = (file.parent / schema).resolve().relative_to(root.resolve())
        kind = third.removeprefix("kind: ")
        assert named.as_posix() == f"schemas/{kind.lower()}.json"
        assert second == f"apiVersion: {API_VERSION}"
        properties = json.loads((TOP / named).read_text())["properties"]
        assert properties["kind"]["const"] == kind


def test_folder_without_a_repository_is_an_input_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError) as caught:
            Git(path).head("main")
        assert caught.value.reason == "NotARepository"


def test_repository_above_the_folder_is_never_used(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    inside = repo.path / "deep"
    inside.mkdir()
    with pytest.raises(InputError):
        Git(inside).head("main")


def test_git_variables_of_the_caller_have_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = GitRepo(tmp_path)
    repo.point("main", repo.begin())
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "gpg.ssh.program")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    git = Git(repo.path)
    head = git.head("main")
    assert head is not None
    assert judge(git, head=FetchedCommit(commit=head), last_trusted=None).trusted is not None


@pytest.mark.parametrize("branch", ["../x", "-x", "a..b", "x.lock", "a b", "", "x@{1}"])
def test_odd_branch_names_are_refused(tmp_path: Path, branch: str) -> None:
    with pytest.raises(InputError):
        Git(tmp_path).head(branch)


@pytest.mark.parametrize("commit", ["HEAD", "--all", "1" * 39, "1" * 41, "A" * 40])
def test_only_full_ids_are_arguments(tmp_path: Path, commit: str) -> None:
    with pytest.raises(RingfenceError):
        Git(tmp_path).tree_of(commit)


def test_locked_branch_says_so(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    root = repo.begin()
    (repo.path / ".git/refs/heads/main.lock").touch()
    with pytest.raises(TransientError) as caught:
        Git(repo.path).move_branch("main", old=None, new=root, note="x")
    assert caught.value.reason == "GitLocked"


def test_slow_git_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    with pytest.raises(TransientError) as caught:
        Git(tmp_path, deadline_s=0.2).head("main")
    assert caught.value.reason == "GitTimeout"


@pytest.mark.parametrize("kind", ["missing", "rsa", "passphrase", "garbage"])
def test_unusable_evidence_key_is_an_input_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    if kind in {"rsa", "passphrase"}:
        options = ["-t", "rsa", "-N", ""] if kind == "rsa" else ["-t", "ed25519", "-N", "secret"]
        subprocess.run(["ssh-keygen", "-q", *options, "-f", path], check=True, timeout=30)
    elif kind == "garbage":
        path.write_text("x")
    with pytest.raises(InputError) as caught:
        EvidenceKey(path)
    assert caught.value.reason == "BadEvidenceKey"
