"""Revisions: what a name means, what it never means, and a merge that is only tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.repo.git import Git
from reconciler.repo.revisions import commits_beyond, common_ancestor, merged, resolve
from tests.support.gitrepo import GitRepo


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path)


def test_a_branch_comes_before_its_copy_and_that_before_a_tag(repo: GitRepo) -> None:
    first = repo.begin()
    second, third = (repo.commit({"a": text}, signer="alice", parents=[first]) for text in (b"1", b"2"))
    git = Git(repo.path)
    repo.git("tag", "feature", third)
    assert resolve(git, "feature") == third
    repo.git("update-ref", "refs/remotes/origin/feature", second)
    assert resolve(git, "feature") == second
    repo.point("feature", first)
    assert resolve(git, "feature") == first
    assert resolve(git, second) == resolve(git, second[:10]) == resolve(git, "refs/remotes/origin/feature") == second
    repo.point("main", third)
    assert resolve(git, "HEAD") == third


@pytest.mark.parametrize(
    "name",
    ["", "nowhere", "-x", "--all", "a..b", "main^", "main~1", "@{u}", ":/test", "main:a", "a b", "a\nb", "x" * 400],
)
def test_anything_else_means_nothing(repo: GitRepo, name: str) -> None:
    repo.point("main", repo.begin())
    with pytest.raises(InputError) as caught:
        resolve(Git(repo.path), name)
    assert caught.value.reason == "UnknownRevision"


def test_a_file_is_no_revision(repo: GitRepo) -> None:
    repo.point("main", repo.begin({"a": b"1"}))
    with pytest.raises(InputError):
        resolve(Git(repo.path), repo.git("rev-parse", "main:a"))


def test_a_head_that_has_everything_is_its_own_merge(repo: GitRepo) -> None:
    base = repo.begin()
    head = repo.commit({"a": b"1"}, signer="alice", parents=[base])
    git = Git(repo.path)
    assert merged(git, head, into=base) == head
    assert commits_beyond(git, head, past=base) == 1
    assert common_ancestor(git, head, base) == base


def test_a_merge_is_tried_without_moving_anything_and_the_same_every_time(repo: GitRepo) -> None:
    root = repo.begin({"a": b"1\n", "b": b"1\n"})
    base = repo.commit({"a": b"2\n"}, signer="alice", parents=[root])
    head = repo.commit({"b": b"2\n"}, signer="alice", parents=[root])
    repo.point("main", base)
    git = Git(repo.path)
    made = merged(git, head, into=base)
    assert (repo.git("show", f"{made}:a"), repo.git("show", f"{made}:b")) == ("2", "2")
    assert made == merged(git, head, into=base)
    assert repo.git("rev-parse", "main") == base
    assert repo.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_what_does_not_merge_is_said(repo: GitRepo) -> None:
    root = repo.begin({"a": b"1\n"})
    base, head = (repo.commit({"a": text}, signer="alice", parents=[root]) for text in (b"2\n", b"3\n"))
    with pytest.raises(InputError) as caught:
        merged(Git(repo.path), head, into=base)
    assert caught.value.reason == "MergeConflict"


def test_histories_that_have_nothing_in_common(repo: GitRepo) -> None:
    one, other = repo.begin(), repo.begin({"a": b"1"})
    git = Git(repo.path)
    assert common_ancestor(git, one, other) is None
    with pytest.raises(InputError) as caught:
        merged(git, one, into=other)
    assert caught.value.reason == "NoCommonHistory"
