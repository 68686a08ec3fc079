"""Merges: what passes as the side's own, and what the merger answers for. Refusals are in the table of attacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.repo.git import Git
from reconciler.repo.trust import FetchedCommit, judge
from tests.support.attackrepo import NODE, TENANT, AttackRepo, tenant
from tests.support.documents import FILES

ENCLAVE = "tenants/blue/enclaves/blue.yaml"
MORE = {NODE: FILES[NODE] + b"# more\n"}


def clean(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    main = repo.commit(dict(MORE), signer="alice", parents=[repo.base])
    return repo.commit({TENANT: tenant(5)}, signer="dave", parents=[main, side])


def two_authors(repo: AttackRepo) -> str:
    first = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    second = repo.commit({ENCLAVE: FILES[ENCLAVE] + b"# x\n"}, signer="gina", parents=[first])
    return repo.commit(
        {TENANT: tenant(5), ENCLAVE: FILES[ENCLAVE] + b"# x\n"}, signer="dave", parents=[repo.base, second]
    )


def deletion(repo: AttackRepo) -> str:
    side = repo.commit({ENCLAVE: None}, signer="bob", parents=[repo.base])
    main = repo.commit(dict(MORE), signer="alice", parents=[repo.base])
    return repo.commit({ENCLAVE: None}, signer="dave", parents=[main, side])


def caught_up_by_its_author(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    main = repo.commit(dict(MORE), signer="alice", parents=[repo.base])
    updated = repo.commit(dict(MORE), signer="bob", parents=[side, main])
    return repo.commit({TENANT: tenant(5)}, signer="dave", parents=[main, updated])


def same_change_twice(repo: AttackRepo) -> str:
    one = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    two = repo.commit({TENANT: tenant(5)}, signer="gina", parents=[repo.base])
    return repo.commit({}, signer="dave", parents=[one, two])


def decided_by_the_owner(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    main = repo.commit({TENANT: tenant(6)}, signer="gina", parents=[repo.base])
    return repo.commit({TENANT: tenant(7)}, signer="alice", parents=[main, side])


def by_the_owner_with_more(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    return repo.commit({TENANT: tenant(5), **MORE}, signer="alice", parents=[repo.base, side])


def approved_as_a_whole(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    merge = repo.commit({TENANT: tenant(6)}, signer="dave", parents=[repo.base, side])
    repo.approve(merge, signer="gina")
    return merge


def tag_merged(repo: AttackRepo) -> str:
    """Merge a signed tag, which git copies into the merge."""
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    repo.tag("v1", side, signer="bob")
    repo.point("main", repo.base)
    repo.git("reset", "-q", "--hard")
    sign = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={repo.keys['dave']}")
    repo.git(*sign, "merge", "-q", "--no-ff", "-S", "-m", "merge", "v1")
    merge = repo.git("rev-parse", "HEAD")
    assert b"\nmergetag " in repo.read(merge)
    return merge


PASSING = [
    clean,
    two_authors,
    deletion,
    caught_up_by_its_author,
    same_change_twice,
    decided_by_the_owner,
    by_the_owner_with_more,
    approved_as_a_whole,
    tag_merged,
]


@pytest.mark.parametrize("build", PASSING, ids=lambda build: build.__name__)
def test_merge_that_takes_over_what_was_signed_passes(attacked: AttackRepo, build: Callable[[AttackRepo], str]) -> None:
    head = build(attacked)
    judgement = judge(Git(attacked.path), head=FetchedCommit(commit=head), last_trusted=attacked.base)
    assert judgement.refusals == ()
    assert judgement.trusted is not None
    assert judgement.trusted.commit == head
