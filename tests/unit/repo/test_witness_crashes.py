"""A witness that dies at any call of git or at any signature, and is then shown the other side of a fork."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.note import parse_checkpoint, parse_note, verify_cosignature
from reconciler.repo.git import Git
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.witness import Charge, Witness
from reconciler.repo.witness_memory import WitnessMemory
from tests.support.gitrepo import GitRepo
from tests.support.watched import AT, append, charge, witness_key

MOST_POINTS = 60


class Killed(BaseException):
    """The process dies."""


class Life:
    """How many effects are left before the process dies."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self) -> None:
        if not self.left:
            raise Killed
        self.left -= 1


class DyingGit(Git):
    """Git, until the process dies: before a call, with nothing of it done."""

    life = Life(0)

    def _call(
        self,
        arguments: tuple[str, ...],
        *,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, str]:
        self.life.spend()
        return super()._call(arguments, stdin=stdin, settings=settings, environment=environment)


class DyingKey(EvidenceKey):
    """A key, until the process dies."""

    life = Life(0)

    def sign(self, data: bytes) -> bytes:
        self.life.spend()
        return super().sign(data)


def look(path: Path, *, key: Path, state: Path, told: Charge, left: int) -> bool:
    """Let the witness look with ``left`` effects to live; return whether it lived through."""
    git, own = DyingGit(path), DyingKey(key)
    git.life = own.life = Life(left)
    with WitnessMemory(state) as memory:
        try:
            Witness(git, name="w1", key=own, memory=memory).look(told, at=AT)
        except Killed:
            return False
    return True


def signed(repo: GitRepo, path: Path) -> list[tuple[int, bytes]]:
    """Return size and root of every head that was ever co-signed in the repository, by all its objects."""
    public = witness_key(repo).public
    lines = repo.git("cat-file", "--batch-all-objects", "--batch-check", cwd=path).splitlines()
    heads = []
    for object_id in (line.split()[0] for line in lines if line.split()[1] == "blob"):
        content = Git(path).objects([object_id])[object_id]
        try:
            note = parse_note(content)
            verify_cosignature(note, name="w1", public=public)
        except TrustError:
            continue
        heads.append((parse_checkpoint(note.body).size, parse_checkpoint(note.body).root))
    return heads


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> tuple[GitRepo, Charge, Charge]:
    """Return a repository with two evidence branches of one size, and what a witness is told of each."""
    repo = GitRepo(tmp_path_factory.mktemp("forked"), bare=True)
    witness_key(repo)
    append(repo, [1, 2])
    honest = charge(repo)
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    append(repo, [2], story="another")
    return repo, honest, charge(repo)


def test_whenever_it_dies_it_never_signs_two_trees_of_one_size(
    forked: tuple[GitRepo, Charge, Charge], tmp_path: Path
) -> None:
    repo, honest, other = forked
    key = repo.keys["w1"]
    for point in range(MOST_POINTS):
        path, state = tmp_path / f"{point}.git", tmp_path / f"state-{point}"
        shutil.copytree(repo.path, path)
        lived = look(path, key=key, state=state, told=honest, left=point)
        try:
            look(path, key=key, state=state, told=other, left=MOST_POINTS)
            follows = other
        except TrustError:
            follows = honest
        look(path, key=key, state=state, told=follows, left=MOST_POINTS)
        heads = signed(repo, path)
        assert len({root for _, root in heads}) == 1, f"it died at effect {point}"
        assert Git(path).head("witness/w1"), "what it stands by, it says in the end"
        if lived:
            return
    pytest.fail("it never lived through")
