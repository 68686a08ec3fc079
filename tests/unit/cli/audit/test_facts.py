"""What a report says of a repository beside its records: tree head, witnesses, and who signed what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.cli.audit_facts import read_commit_facts, read_tree_head, read_witness_heads, root_of
from reconciler.daemon.source import Sight
from reconciler.model.kinds import Witness, WitnessesSpec
from reconciler.repo.git import Git
from reconciler.repo.ledger import ORIGIN
from reconciler.repo.places import LATEST_CHECKPOINT
from reconciler.repo.signing import public_keys
from tests.support.gitrepo import GitRepo
from tests.support.sites import site
from tests.support.watched import AT, append, look, signers_of


def sight_of(repo: GitRepo, *witnesses: str) -> Sight:
    desired = site()
    known = tuple(Witness(name=name, signer=name) for name in witnesses)
    evidence = desired.repository.spec.evidence.model_copy(update={"witnesses": WitnessesSpec(known=known)})
    spec = desired.repository.spec.model_copy(update={"evidence": evidence})
    repository = desired.repository.model_copy(update={"spec": spec})
    return Sight(
        desired=replace(desired, repository=repository), signers=signers_of(repo, "carol", *witnesses), refusals=()
    )


def test_a_tree_head_is_told_with_whose_signature_holds(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    tip = append(repo, [1, 2])
    git, keys = Git(repo.path), public_keys(signers_of(repo, "carol"))
    head = read_tree_head(git, tip, keys=keys)
    assert head is not None
    assert (head.origin, head.size, len(head.signers), head.problem) == (ORIGIN, 2, 1, "")
    assert head.signers[0].startswith(f"{ORIGIN} (SHA256:")


def test_a_tree_head_of_a_stranger_is_told_as_one(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    tip = append(repo, [1])
    head = read_tree_head(Git(repo.path), tip, keys=public_keys(signers_of(repo, "bob")))
    assert head is not None
    assert (head.signers, head.problem) == ((), "no key that is trusted for it signed it")


def test_a_branch_without_a_tree_head_has_none_and_a_broken_one_is_told(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    git = Git(repo.path)
    assert read_tree_head(git, repo.commit({"a": b"b"}, signer=None), keys={}) is None
    head = read_tree_head(git, repo.commit({LATEST_CHECKPOINT: b"no note"}, signer=None), keys={})
    assert head is not None
    assert (head.size, bool(head.problem)) == (0, True)


def test_a_witness_is_told_with_the_newest_head_that_it_stands_by(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    git = Git(repo.path)
    append(repo, [1, 2])
    look(repo, state=tmp_path / "memory", name="w1")
    tip = append(repo, [3])
    keys = public_keys(signers_of(repo, "carol"))
    (head,) = read_witness_heads(git, tip, origin=ORIGIN, keys=keys, sight=sight_of(repo, "w1"))
    assert (head.witness, head.size, head.at) == ("w1", 2, AT)
    assert read_witness_heads(git, tip, origin=ORIGIN, keys=keys, sight=sight_of(repo)) == ()


def test_a_witness_of_another_story_does_not_stand_by_this_one(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    git = Git(repo.path)
    append(repo, [1, 2])
    look(repo, state=tmp_path / "memory", name="w1")
    repo.git("update-ref", "-d", "refs/heads/evidence")
    tip = append(repo, [1, 2], story="another")
    keys = public_keys(signers_of(repo, "carol"))
    assert read_witness_heads(git, tip, origin=ORIGIN, keys=keys, sight=sight_of(repo, "w1")) == ()
    broken = repo.commit({"log/000/000": b"no lines"}, signer=None)
    assert read_witness_heads(git, broken, origin=ORIGIN, keys=keys, sight=sight_of(repo, "w1")) == ()


def test_a_commit_is_told_with_signer_date_and_title(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    git = Git(repo.path)
    first = repo.commit({"trust/allowed_signers": repo.allowed("alice")}, signer="alice")
    second = repo.commit({"a": b"b"}, signer="alice", parents=[first])
    stranger = repo.commit({"a": b"c"}, signer="mallory", parents=[first])
    found = read_commit_facts(git, [first, second, stranger, "0" * 40])
    assert set(found) == {first, second, stranger}
    assert found[second].signer.startswith("alice (SHA256:")
    assert found[first].signer == found[second].signer
    assert found[stranger].signer == ""
    assert found[second].title == "test"
    assert root_of(git, second) == first
