"""Former images: what members still run is found in the trusted history, or is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.desired import DesiredState
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.repo.desired import load_desired
from reconciler.repo.former import with_former_images
from reconciler.repo.git import Git
from reconciler.repo.snapshot import read_commit
from tests.support.documents import FILES
from tests.support.gitrepo import Content, GitRepo

IMAGE = "images/worker.yaml"
FIRST = "0123456789abcdef" * 4


class States:
    """A repository whose image is rebuilt from commit to commit."""

    def __init__(self, folder: Path) -> None:
        self.repo = GitRepo(folder)
        files: dict[str | bytes, Content] = {**FILES, "trust/allowed_signers": self.repo.allowed("alice", "carol")}
        self.head = self.repo.commit(files, signer="alice")
        self.git = Git(self.repo.path)

    def commit(self, files: dict[str | bytes, Content], *, parents: tuple[str, ...] = ()) -> str:
        self.head = self.repo.commit(files, signer="alice", parents=parents or (self.head,))
        return self.head

    def rebuild(self, digest: str, **options: tuple[str, ...]) -> str:
        return self.commit({IMAGE: FILES[IMAGE].replace(FIRST.encode(), digest.encode())}, **options)

    def desired(self, commit: str = "") -> DesiredState:
        return load_desired(read_commit(self.git, commit or self.head))


def heads(*images: str | None, phase: Phase = Phase.ENCLAVE) -> dict[str, Head]:
    return {
        f"n{number}": Head(
            node=f"n{number}",
            sequence=1,
            digest="sha256:" + "0" * 64,
            phase=phase,
            commit="0" * 40,
            image=None if image is None else f"sha256:{image}",
        )
        for number, image in enumerate(images)
    }


@pytest.fixture
def states(tmp_path: Path) -> States:
    return States(tmp_path)


def test_what_a_member_runs_is_found_at_the_newest_commit_that_had_it(states: States) -> None:
    states.commit({"notes": b"1"})
    last = states.commit({"notes": b"2"})
    states.rebuild("a" * 64)
    states.rebuild("b" * 64)
    found = with_former_images(states.git, states.desired(), heads=heads(FIRST)).former_images
    assert set(found) == {f"sha256:{FIRST}"}
    image = found[f"sha256:{FIRST}"]
    assert (image.commit, image.name) == (last, "worker")
    assert image.image == states.desired(last).images["worker"]


def test_a_rebuild_that_came_by_a_merge_is_found_too(states: States) -> None:
    base = states.head
    side = states.rebuild("a" * 64)
    main = states.commit({"notes": b"1"}, parents=(base,))
    states.rebuild("a" * 64, parents=(main, side))
    found = with_former_images(states.git, states.desired(), heads=heads(FIRST)).former_images
    assert found[f"sha256:{FIRST}"].commit == main


def test_an_invalid_commit_is_passed_over(states: States) -> None:
    valid = states.head
    states.commit({"policies/measured-boot.yaml": b"kind: ["})
    states.rebuild("a" * 64)
    states.commit({"policies/measured-boot.yaml": FILES["policies/measured-boot.yaml"]})
    found = with_former_images(states.git, states.desired(), heads=heads(FIRST)).former_images
    assert found[f"sha256:{FIRST}"].commit == valid


def test_what_is_held_today_is_not_former_and_only_members_count(states: States) -> None:
    assert with_former_images(states.git, states.desired(), heads=heads(FIRST, None)).former_images == {}
    states.rebuild("a" * 64)
    assert with_former_images(states.git, states.desired(), heads=heads(FIRST, phase=Phase.AIRLOCK)).former_images == {}
    assert with_former_images(states.git, states.desired(), heads=heads("c" * 64)).former_images == {}


def test_an_earlier_state_at_hand_is_asked_first(states: States) -> None:
    first = states.desired()
    states.rebuild("a" * 64)
    second = with_former_images(states.git, states.desired(), heads=heads(FIRST), earlier=first)
    assert second.former_images[f"sha256:{FIRST}"].commit == first.commit
    states.rebuild("b" * 64)
    third = with_former_images(states.git, states.desired(), heads=heads(FIRST, "a" * 64), earlier=second)
    assert {digest[7:]: image.commit for digest, image in third.former_images.items()} == {
        FIRST: first.commit,
        "a" * 64: second.commit,
    }
