"""What newcomers get wrong on the command line, through the real program: its exit code and every word that it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.documents import FILES
from tests.support.gitrepo import GitRepo, make_key

PROJECT = Path(__file__).parents[2]
_TOP = "go to the top folder of the state repository, or name it: --repo FOLDER; make a new one: ringfence init"


def ringfence(*words: str, cwd: Path) -> tuple[int, list[str]]:
    """Return the exit code, and the lines on standard error without the folder's own path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    done = subprocess.run(
        [sys.executable, "-m", "reconciler.cli.main", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(PROJECT)},
    )
    return done.returncode, done.stderr.replace(f"{cwd}/", "").replace(
        f"repository {cwd.name}:", "repository HERE:"
    ).splitlines()


def repository(folder: Path) -> GitRepo:
    """Return a git repository with the valid files, not committed yet."""
    repo = GitRepo(folder)
    for name, content in FILES.items():
        path = repo.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (repo.path / "trust/allowed_signers").write_bytes(repo.allowed("alice", "carol"))
    return repo


def commit(repo: GitRepo, *options: str) -> None:
    repo.git("add", ".")
    repo.git(*options, "commit", "-q", "-m", "all of it")


def signed_by(repo: GitRepo, name: str) -> tuple[str, ...]:
    return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={repo.keys[name]}", "-c", "commit.gpgSign=true")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ("init", "state", "--signer", "alice", "--evidence-signer", "carol.pub"),
            [
                "error: public key alice: cannot be used",
                "hint: give the .pub file of an SSH key: ssh-keygen -t ed25519 -C NAME",
            ],
            id="init with the private key",
        ),
        pytest.param(
            ("init", "full", "--signer", "alice.pub", "--evidence-signer", "carol.pub"),
            ["error: folder full: is not empty", "hint: give a folder that is empty or does not exist yet"],
            id="init into a folder that is not empty",
        ),
        pytest.param(
            ("init", "state", "--signer", "nobody.pub", "--evidence-signer", "carol.pub"),
            [
                "error: public key nobody.pub: cannot be used",
                "hint: give the .pub file of an SSH key: ssh-keygen -t ed25519 -C NAME",
            ],
            id="init with a key that is not there",
        ),
        pytest.param(
            ("validate", "--repo", "nowhere"),
            ["error: folder nowhere: does not exist", "hint: give the top folder of a state repository"],
            id="validate of a folder that is not there",
        ),
        pytest.param(
            ("validate",),
            [
                "error: ringfence.yaml: is missing [NoRepository]",
                f"hint: {_TOP}",
            ],
            id="validate in the wrong folder",
        ),
        pytest.param(
            ("audit",),
            [
                "error: repository HERE: is not a git repository",
                "hint: give the top folder of a state repository, or make one with: ringfence init",
            ],
            id="audit without git",
        ),
        pytest.param(
            ("plan",),
            [
                "error: repository HERE: is not a git repository",
                "hint: give the top folder of a state repository, or make one with: ringfence init",
            ],
            id="plan somewhere else",
        ),
        pytest.param(
            ("reconcile",),
            ["error: settings: are not named", "hint: set RINGFENCE_SETTINGS to the settings file's path"],
            id="reconcile without settings",
        ),
        pytest.param(
            ("reconcile", "--settings", "nowhere.yaml"),
            [
                "error: settings nowhere.yaml: cannot be read: no such file or directory",
                "hint: docs/settings.md says where they stand and what is in them",
            ],
            id="reconcile with settings that are not there",
        ),
        pytest.param(
            ("plan", "--settings", "settings.yaml"),
            ["error: settings settings.yaml: are not JSON", "hint: write them as JSON"],
            id="plan with settings in YAML",
        ),
        pytest.param(
            ("run", "--settings", "settings.json"),
            [
                "error: settings.json: spool: field required [SettingsMalformed]",
                "hint: docs/settings.md has every field, and an example",
            ],
            id="run with half of the settings",
        ),
    ],
)
def test_a_wrong_command_says_what_is_wrong_and_what_next(
    tmp_path: Path, words: Sequence[str], said: list[str]
) -> None:
    for name in ("alice", "carol"):
        make_key(tmp_path / name)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    (tmp_path / "settings.yaml").write_text("spool: /var/lib/ringfence/spool\n")
    (tmp_path / "settings.json").write_text(json.dumps({"images": "images"}))
    code, lines = ringfence(*words, cwd=tmp_path)
    assert (code, lines[: len(said)]) == (2, said)
    assert len(lines) == len(said) or "SettingsMalformed" in said[0]


def test_a_repository_without_a_commit_says_so(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    code, lines = ringfence("audit", cwd=repo.path)
    assert code == 2
    assert lines[0].endswith("has no commit to follow")
    assert lines[1] == "hint: check out the branch that holds the desired state, or make one: ringfence init"


def test_a_first_commit_that_is_not_signed_says_how_to_sign(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    commit(repo)
    code, lines = ringfence("audit", cwd=repo.path)
    assert code == 3
    assert "not signed" in lines[0]
    assert lines[1] == "hint: sign it: git commit --amend --no-edit -S (with gpg.format ssh)"


def test_a_commit_signed_with_another_key_names_who_could_have_signed(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    commit(repo, *signed_by(repo, "mallory"))
    code, lines = ringfence("audit", cwd=repo.path)
    assert code == 3
    assert lines[0].startswith("error: commit ")
    assert "Traceback" not in "\n".join(lines)
    assert lines[1].startswith("hint: ")


def test_a_signed_repository_that_was_never_reconciled_has_nothing_to_audit(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    commit(repo, *signed_by(repo, "alice"))
    code, lines = ringfence("validate", "--strict", cwd=repo.path)
    assert (code, lines) == (0, [])
