"""What of the desired state a bundle shows, and how that is read where there is no repository."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.bundle.manifest import Parts
from reconciler.evidence.bundle.objects import Commit, read_commits
from reconciler.evidence.statement import Record
from reconciler.model.record import Event
from reconciler.repo.bundled_commits import CommitShower, read_documents
from reconciler.repo.bundling import Wanted, read_material
from reconciler.repo.git import Git
from tests.support.estate import Estate, estate
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import NOW


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    found = estate(
        tmp_path_factory.mktemp("estate"), desired=site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])
    )
    found.settle(rounds=6)
    return found


def record_at(commit: str) -> Record:
    return Record(
        node="n1", sequence=1, event=Event.PARKED, recorded_at=NOW, commit=commit, tree="0" * 40, verifier="test"
    )


def shown(made: Estate) -> Commit:
    head = made.git.head("main") or ""
    shower = CommitShower(made.git, known={})
    for _ in range(2):
        shower.show(head, record=record_at(head))
    assert list(shower.keys) == [made.key.key_id]
    return read_commits(Parts(shower.objects))[head]


def test_a_commit_shows_its_signers_the_node_and_the_makers_and_nothing_else(made: Estate) -> None:
    commit = shown(made)
    roots = {path for path in commit.files if path.startswith("trust/ek-roots/")}
    assert roots
    assert set(commit.files) == {"ringfence.yaml", "trust/allowed_signers", "site/nodes/n1.yaml", *roots}


def test_what_is_shown_says_who_signs_evidence(made: Estate) -> None:
    told = read_documents(shown(made))
    assert told.keys == {made.key.key_id}
    assert set(told.desired.nodes) == {"n1"}


@pytest.mark.parametrize("name", ["ringfence.yaml", "trust/allowed_signers"])
def test_a_commit_that_does_not_show_its_signers_says_nothing(made: Estate, name: str) -> None:
    commit = shown(made)
    with pytest.raises(InputError) as refused:
        read_documents(replace(commit, files={path: data for path, data in commit.files.items() if path != name}))
    assert refused.value.reason == "NoSigners"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ringfence.yaml", b"- ["),
        ("ringfence.yaml", b""),
        ("trust/allowed_signers", b"x"),
        ("site/nodes/n1.yaml", b"{}"),
    ],
)
def test_a_commit_with_files_that_cannot_be_read_says_nothing(made: Estate, name: str, content: bytes) -> None:
    commit = shown(made)
    with pytest.raises(InputError) as refused:
        read_documents(replace(commit, files={**commit.files, name: content}))
    assert refused.value.reason == "CommitUnreadable"


def test_a_commit_that_is_not_there_is_named(made: Estate) -> None:
    with pytest.raises(TrustError) as refused:
        CommitShower(made.git, known={}).show("0" * 40, record=record_at("0" * 40))
    assert refused.value.reason == "ObjectMissing"


def spoilt(made: Estate, path: str, content: bytes | None) -> tuple[Git, str]:
    """Return the evidence branch with something else at ``path``."""
    tip = made.git.head("evidence") or ""
    return made.git, made.repo.commit({path: content}, signer=None, parents=[tip])


def test_a_branch_without_a_tree_head_or_with_a_strange_log_makes_no_bundle(made: Estate) -> None:
    for path, content, reason in (
        ("checkpoints/latest", None, "EvidenceBroken"),
        ("checkpoints/latest", b"junk", "NoteMalformed"),
        ("log/000/000", b"junk junk\n", "LogMalformed"),
    ):
        git, tip = spoilt(made, path, content)
        with pytest.raises(TrustError) as refused:
            read_material(git, tip, Wanted(subject="node/n1"), keys={})
        assert refused.value.reason == reason
