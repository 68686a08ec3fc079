"""Thresholds: who counts, how often, and that an approval which arrives later is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.daemon.source import TrustedSource
from reconciler.errors.taxonomy import InputError
from reconciler.model.kinds import TrustRule
from reconciler.repo.approving import approve
from reconciler.repo.authority import lacks, may_change
from reconciler.repo.git import Git
from reconciler.repo.trust import FetchedCommit, Judgement, judge
from tests.support.attackrepo import NODE, POLICY, TENANT, AttackRepo, approval, policy, rules_yaml, tenant
from tests.support.documents import FILES

RULE = TrustRule(paths=("policies/**",), signers=("alice", "bob", "gina"), threshold=2)


def judged(repo: AttackRepo, head: str) -> Judgement:
    return judge(Git(repo.path), head=FetchedCommit(commit=head), last_trusted=repo.base)


def passes(repo: AttackRepo, head: str) -> bool:
    found = judged(repo, head)
    return found.trusted is not None and found.trusted.commit == head and not found.refusals


def weak(repo: AttackRepo, signer: str = "alice") -> str:
    return repo.commit({POLICY: policy("new")}, signer=signer, parents=[repo.base])


@pytest.mark.parametrize("approver", ["bob", "gina"])
def test_an_approval_by_somebody_of_the_rule_makes_two(attacked: AttackRepo, approver: str) -> None:
    head = weak(attacked)
    assert not passes(attacked, head)
    attacked.approve(head, signer=approver)
    assert passes(attacked, head)


def test_a_gpg_signers_commit_is_approved_by_ssh(attacked: AttackRepo) -> None:
    head = weak(attacked, "gina")
    attacked.approve(head, signer="bob")
    assert passes(attacked, head)


def test_an_outsiders_commit_passes_once_who_may_has_approved_it(attacked: AttackRepo) -> None:
    head = attacked.commit({TENANT: tenant(5)}, signer="dave", parents=[attacked.base])
    assert not passes(attacked, head)
    attacked.approve(head, signer="bob")
    assert passes(attacked, head)


def test_two_approvals_of_an_outsiders_commit_reach_a_threshold_of_two(attacked: AttackRepo) -> None:
    head = weak(attacked, "dave")
    attacked.approve(head, signer="alice")
    assert [refusal.reason for refusal in judged(attacked, head).refusals] == ["ApprovalMissing"]
    attacked.approve(head, signer="gina")
    assert passes(attacked, head)


def test_the_refusal_says_how_many_of_whom_for_what(attacked: AttackRepo) -> None:
    head = weak(attacked)
    attacked.approve(head, signer="dave")
    attacked.approve(head, signer="mallory", principal="bob")
    (refusal,) = judged(attacked, head).refusals
    assert refusal.message == f"{POLICY} needs 1 more of bob, gina, old for policies/**"
    assert f"ringfence approve {head[:12]}" in refusal.hint
    assert f"{approval(head, 'bob')} has no valid signature" in refusal.hint


def test_the_root_pins_itself_with_one_signature(attacked: AttackRepo) -> None:
    files = {**FILES, "ringfence.yaml": rules_yaml(), "trust/allowed_signers": attacked.signers()}
    files |= {f"trust/gpg/{name}.asc": attacked.gpg.armour[name] for name in ("gina", "erin", "rita")}
    root = attacked.commit(dict(files), signer="alice")
    judgement = judge(Git(attacked.path), head=FetchedCommit(commit=root), last_trusted=None)
    assert judgement.trusted is not None
    assert judgement.trusted.commit == root


def test_a_side_that_was_approved_can_be_merged_by_anybody_who_is_known(attacked: AttackRepo) -> None:
    side = weak(attacked)
    main = attacked.commit({NODE: FILES[NODE] + b"# more\n"}, signer="alice", parents=[attacked.base])
    merge = attacked.commit({POLICY: policy("new")}, signer="dave", parents=[main, side])
    assert not passes(attacked, merge)
    attacked.approve(side, signer="gina")
    assert passes(attacked, merge)


def test_the_merger_counts_beside_the_author(attacked: AttackRepo) -> None:
    side = weak(attacked)
    merge = attacked.commit({POLICY: policy("new")}, signer="bob", parents=[attacked.base, side])
    assert passes(attacked, merge)


def test_a_running_reconciler_notices_an_approval_that_arrives_later(attacked: AttackRepo) -> None:
    head = weak(attacked)
    attacked.point("main", head)
    source = TrustedSource(Git(attacked.path))
    waiting = source.refresh()
    assert waiting.desired.commit == attacked.base
    assert source.refresh() is waiting
    attacked.approve(head, signer="dave")
    assert source.refresh().desired is waiting.desired
    attacked.approve(head, signer="bob")
    approved = source.refresh()
    assert approved.desired.commit == head
    assert not approved.refusals


def test_a_signer_counts_once_in_a_rule_and_rules_are_not_added_up() -> None:
    other = TrustRule(paths=("**",), signers=("carol", "dave"), threshold=2)
    rules = (RULE, other)
    assert may_change("policies/a", signers=["alice", "gina"], rules=rules)
    assert not may_change("policies/a", signers=["alice", "alice"], rules=rules)
    assert not may_change("policies/a", signers=["alice", "carol"], rules=rules)
    assert not may_change("images/a", signers=["alice", "gina"], rules=rules)
    assert [(lack.more, lack.signers) for lack in lacks("policies/a", signers=["alice"], rules=rules)] == [
        (1, ("bob", "gina")),
        (2, ("carol", "dave")),
    ]


def test_approve_makes_a_tag_that_counts(attacked: AttackRepo) -> None:
    head = weak(attacked)
    name = approve(Git(attacked.path), head[:12], key=attacked.keys["bob"])
    assert name == approval(head, "bob")
    assert passes(attacked, head)


def test_approve_uses_the_key_that_the_repository_names(attacked: AttackRepo) -> None:
    head = weak(attacked)
    attacked.git("config", "gpg.format", "ssh")
    attacked.git("config", "user.signingKey", str(attacked.keys["bob"]))
    attacked.point("proposal", head)
    assert approve(Git(attacked.path), "proposal", key=None) == approval(head, "bob")


def test_approve_signs_by_gpg_where_the_repository_says_so(
    attacked: AttackRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(attacked.gpg.home))
    head = weak(attacked)
    attacked.git("config", "user.signingKey", attacked.gpg.fingerprints["gina"][-16:])
    assert approve(Git(attacked.path), head, key=None) == approval(head, "gina")
    assert passes(attacked, head)


@pytest.mark.parametrize(
    ("signer", "reason"), [("alice", "OwnCommit"), ("alice2", "OwnCommit"), ("mallory", "UnknownSigner")]
)
def test_approve_refuses_who_would_not_count(attacked: AttackRepo, signer: str, reason: str) -> None:
    head = weak(attacked)
    with pytest.raises(InputError) as caught:
        approve(Git(attacked.path), head, key=attacked.keys[signer])
    assert caught.value.reason == reason
    assert attacked.git("tag", "--list", "approve/*") == ""


def test_approve_leaves_no_tag_that_does_not_count(attacked: AttackRepo) -> None:
    head = weak(attacked)
    with pytest.raises(InputError) as caught:
        approve(Git(attacked.path), head, key=attacked.keys["old"])
    assert caught.value.reason == "ApprovalVoid"
    assert "2020-01-01" in caught.value.message
    assert attacked.git("tag", "--list", "approve/*") == ""


@pytest.mark.parametrize("revision", ["no-such-branch", "--all", "a..b", "1" * 40, ""])
def test_approve_says_that_there_is_no_such_commit(attacked: AttackRepo, revision: str) -> None:
    with pytest.raises(InputError) as caught:
        approve(Git(attacked.path), revision, key=attacked.keys["bob"])
    assert caught.value.reason == "NoCommit"


def test_approve_says_that_there_is_no_key(attacked: AttackRepo, tmp_path: Path) -> None:
    for key in (None, tmp_path / "missing"):
        with pytest.raises(InputError) as caught:
            approve(Git(attacked.path), weak(attacked), key=key)
        assert caught.value.reason == "NoSigningKey"
