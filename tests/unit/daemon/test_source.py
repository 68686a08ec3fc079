"""The trusted source, on real signed repositories: what is in force after each thing that can happen to a branch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.daemon.source import TrustedSource
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.signing import EvidenceKey
from tests.support.documents import FILES, changed
from tests.support.gitrepo import Content, GitRepo

TENANT = "tenants/blue/tenant.yaml"


@dataclass(kw_only=True)
class Site:
    """A state repository whose commits are on ``main`` as soon as they are made."""

    repo: GitRepo
    head: str = ""
    commits: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], *, signer: str | None = "alice") -> str:
        content: dict[str | bytes, Content] = dict(files)
        parents = [self.head] if self.head else []
        self.head = self.repo.commit(content, signer=signer, parents=parents)
        self.commits.append(self.head)
        self.repo.point("main", self.head)
        return self.head

    def rewind(self, commit: str) -> None:
        self.head = commit
        self.repo.point("main", commit)

    def source(self, *, branch: str | None = None, key: str | None = None) -> TrustedSource:
        evidence_key = EvidenceKey(self.repo.keys[key]) if key else None
        return TrustedSource(Git(self.repo.path), branch=branch, key=evidence_key)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    repo = GitRepo(tmp_path)
    made = Site(repo=repo)
    made.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")})
    return made


def test_the_newest_trusted_commit_is_in_force(site: Site) -> None:
    source = site.source()
    sight = source.refresh()
    assert (sight.desired.commit, sight.refusals) == (site.head, ())
    assert source.refresh() is sight
    newer = site.commit(_quota(5))
    assert source.refresh().desired.commit == newer


def _quota(nodes: int) -> dict[str, bytes]:
    return {TENANT: changed(TENANT, "maxNodes: 4", f"maxNodes: {nodes}")[TENANT]}


@pytest.mark.parametrize("signer", ["mallory", None])
def test_a_refused_head_leaves_the_last_trusted_commit_in_force(site: Site, signer: str | None) -> None:
    source = site.source()
    trusted = source.refresh().desired.commit
    site.commit(_quota(5), signer=signer)
    sight = source.refresh()
    assert sight.desired.commit == trusted
    assert [type(refusal) for refusal in sight.refusals] == [TrustError]


def test_a_refused_head_is_refused_by_a_fresh_process_too(site: Site) -> None:
    trusted = site.head
    site.commit(_quota(5), signer="mallory")
    assert site.source().refresh().desired.commit == trusted


def test_a_trusted_commit_with_findings_is_not_followed(site: Site) -> None:
    source = site.source()
    valid = source.refresh().desired.commit
    site.commit({TENANT: b"not a document"})
    sight = source.refresh()
    assert sight.desired.commit == valid
    assert [type(refusal) for refusal in sight.refusals] == [InputError]
    mended = site.commit(_quota(6))
    assert source.refresh().desired.commit == mended


def test_without_any_valid_state_there_is_none(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    site = Site(repo=repo)
    site.commit({"ringfence.yaml": FILES["ringfence.yaml"], "trust/allowed_signers": repo.allowed("alice")})
    with pytest.raises(InputError):
        site.source().refresh()


def test_a_root_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    site = Site(repo=repo)
    site.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")}, signer="mallory")
    with pytest.raises(TrustError):
        site.source().refresh()


def test_a_branch_that_was_rewound_is_refused(site: Site) -> None:
    source = site.source()
    first = site.head
    newer = site.commit(_quota(5))
    assert source.refresh().desired.commit == newer
    site.rewind(first)
    sight = source.refresh()
    assert sight.desired.commit == newer
    assert sight.refusals


def test_another_branch_can_be_followed(site: Site) -> None:
    site.repo.point("staging", site.head)
    newer = site.commit(_quota(5))
    assert site.source(branch="staging").refresh().desired.commit != newer
    assert site.source(branch="main").refresh().desired.commit == newer


def test_a_branch_without_a_commit_is_an_error_of_the_input(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        site.source(branch="no-such-branch").refresh()
    assert caught.value.reason == "NoCommit"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError) as caught:
        TrustedSource(Git(GitRepo(empty).path)).refresh()
    assert caught.value.reason == "NoCommit"


def test_there_is_no_ledger_before_the_first_look(site: Site) -> None:
    source = site.source()
    with pytest.raises(InputError) as caught:
        _ = source.ledger
    assert caught.value.reason == "NotRead"
    source.refresh()
    assert source.ledger.heads() == {}


def test_a_writer_knows_the_images_that_members_still_run(site: Site) -> None:
    source = site.source(key="carol")
    first = source.refresh().desired
    image = first.images["worker"].spec.digest
    head = Head(
        node="n1",
        sequence=1,
        digest="sha256:" + "0" * 64,
        phase=Phase.ENCLAVE,
        enclave="blue",
        attempt="a",
        image=image,
        commit=first.commit,
    )
    source.ledger.append([Entry(path="statements/n1-1", envelope=b"{}", blobs={}, heads=(head,))])
    name = "images/worker.yaml"
    site.commit({name: changed(name, image, "sha256:" + "a" * 64)[name]})
    for writer in (source, site.source(key="carol")):
        known = writer.refresh().desired.find_image(image)
        assert known is not None
        assert (known.commit, known.name) == (first.commit, "worker")
    assert site.source().refresh().desired.find_image(image) is None, "who only reads makes no plan"


def test_what_is_in_force_survives_a_force_push_and_the_removal_of_its_objects(site: Site) -> None:
    source = site.source()
    first = site.head
    newer = site.commit(_quota(5))
    assert source.refresh().desired.commit == newer
    site.rewind(first)
    site.repo.git("reflog", "expire", "--expire=now", "--all")
    site.repo.git("gc", "-q", "--prune=now")
    sight = source.refresh()
    assert sight.desired.commit == newer
    assert [refusal.reason for refusal in sight.refusals] == ["HistoryRewound"]


def test_a_writer_keeps_the_trusted_commit_in_the_repository(site: Site) -> None:
    source = site.source(key="carol")
    first = site.head
    newer = site.commit(_quota(5))
    trusted = source.refresh().desired.commit
    source.ledger.set_trusted(trusted)
    site.rewind(first)
    site.repo.git("reflog", "expire", "--expire=now", "--all")
    site.repo.git("gc", "-q", "--prune=now")
    assert site.source(key="carol").refresh().desired.commit == newer


def test_a_clone_with_nothing_checked_out_shows_what_it_fetched(site: Site) -> None:
    head = site.head
    bare = site.repo.path.parent / "bare.git"
    git = Git(site.repo.path)
    git.run("clone", "-q", "--bare", str(site.repo.path), str(bare))
    copy = Git(bare)
    copy.run("update-ref", "refs/remotes/ringfence/main", head)
    copy.run("update-ref", "-d", "refs/heads/main")
    assert TrustedSource(copy).refresh().desired.commit == head
    copy.run("update-ref", "refs/remotes/ringfence/other", head)
    with pytest.raises(InputError, match="has no commit to follow"):
        TrustedSource(copy).refresh()
