"""What ``ringfence trust`` and ``ringfence approve`` say."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from reconciler.cli.trust import COMMANDS
from reconciler.errors.taxonomy import InputError
from tests.support.attackrepo import POLICY, TENANT, AttackRepo, policy, tenant


def ringfence(*words: str) -> Result:
    app = typer.Typer()
    for command in COMMANDS:
        app.command()(command)
    return CliRunner().invoke(app, words)


def test_trust_shows_that_the_head_is_trusted(attacked: AttackRepo) -> None:
    told = ringfence("trust", "--repo", str(attacked.path))
    assert told.exit_code == 0
    assert told.stdout.split() == ["trusted", attacked.base[:12], "head", attacked.base[:12], "main"]


def test_trust_shows_what_each_pending_commit_lacks(attacked: AttackRepo) -> None:
    good = attacked.commit({TENANT: tenant(5)}, signer="bob", parents=[attacked.base])
    weak = attacked.commit({POLICY: policy("new")}, signer="alice", parents=[good])
    head = attacked.commit({TENANT: tenant(6)}, signer="bob", parents=[weak])
    attacked.point("main", head)
    told = ringfence("trust", "--repo", str(attacked.path))
    assert told.exit_code == 3
    assert told.stdout.splitlines() == [
        f"trusted  {good[:12]}",
        f"head     {head[:12]}  main",
        f"pending  {weak[:12]}  {POLICY} needs 1 more of bob, gina, old for policies/** [ApprovalMissing]",
        f"         hint: let them approve it: ringfence approve {weak[:12]}",
        f"pending  {head[:12]}  waits for the one before it",
    ]


def test_trust_shows_a_rewound_head(attacked: AttackRepo) -> None:
    parent = attacked.git("rev-parse", f"{attacked.base}^")
    attacked.point("main", parent)
    told = ringfence("trust", "--repo", str(attacked.path), "-o", "json")
    found = json.loads(told.stdout)
    assert told.exit_code == 3
    assert (found["trusted"], found["head"]) == (attacked.base, parent)
    assert [pending["lacks"][0]["reason"] for pending in found["pending"]] == ["HistoryRewound"]


def test_trust_shows_a_side_commit_that_is_refused(attacked: AttackRepo) -> None:
    side = attacked.commit({TENANT: tenant(5)}, signer="mallory", parents=[attacked.base])
    merge = attacked.commit({TENANT: tenant(5)}, signer="alice", parents=[attacked.base, side])
    attacked.point("main", merge)
    found = json.loads(ringfence("trust", "--repo", str(attacked.path), "-o", "json").stdout)
    assert [pending["commit"] for pending in found["pending"]] == [merge]
    assert f"merged by {merge[:12]}" in found["pending"][0]["lacks"][0]["message"]


def test_approve_says_what_to_push(attacked: AttackRepo) -> None:
    head = attacked.commit({POLICY: policy("new")}, signer="alice", parents=[attacked.base])
    attacked.point("main", head)
    key = str(attacked.keys["bob"])
    told = ringfence("approve", head, "--repo", str(attacked.path), "--key", key)
    assert told.exit_code == 0
    assert told.stdout.splitlines()[-1] == f"push it: git push origin refs/tags/approve/{head[:12]}/bob"
    assert ringfence("trust", "--repo", str(attacked.path)).exit_code == 0


@pytest.mark.parametrize("command", ["trust"])
def test_a_repository_without_a_commit_is_an_error_of_the_input(attacked: AttackRepo, command: str) -> None:
    attacked.git("symbolic-ref", "HEAD", "refs/heads/none")
    told = ringfence(command, "--repo", str(attacked.path))
    assert isinstance(told.exception, InputError)
    assert told.exception.reason == "NoCommit"
