"""The way to an evidence commit, asked commit by commit: who signed it, and what it changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.errors.taxonomy import TransientError
from reconciler.repo.asking import ObjectReader
from reconciler.repo.evidence_branch import EvidenceBranch
from reconciler.repo.evidence_history import BranchHistory, signer_of, walk_history
from reconciler.repo.git import Git
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey, public_keys
from tests.support.gitrepo import Content, GitRepo
from tests.support.runner import EVIDENCE_KEY


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path)


@pytest.fixture
def key(repo: GitRepo, tmp_path: Path) -> EvidenceKey:
    """Return the key that evidence is signed with; plain git signs with it under the name ``evidence``."""
    path = tmp_path / "evidence-key"
    path.write_bytes(EVIDENCE_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    repo.keys["evidence"] = path
    made = EvidenceKey(path)
    path.with_name(f"{path.name}.pub").write_text(" ".join(made.signer("e").line.split()[-2:]) + "\n")
    return made


def commits(repo: GitRepo, *changes: tuple[str | None, dict[str | bytes, Content]]) -> list[str]:
    """Return commits one after the other, each by a signer with some changes."""
    made: list[str] = []
    for signer, files in changes:
        made.append(repo.commit(files, signer=signer, parents=made[-1:]))
    return made


def walked(repo: GitRepo, key: EvidenceKey, commit: str) -> BranchHistory:
    signers = AllowedSigners(signers=(key.signer("evidence"),))
    return walk_history(Git(repo.path), commit, signers=signers, keys=public_keys(signers))


def test_what_only_adds_and_is_signed_has_no_flaw(repo: GitRepo, key: EvidenceKey) -> None:
    made = commits(
        repo,
        ("evidence", {"statements/a": b"1", "trusted.json": b"1"}),
        ("evidence", {"statements/b": b"1", "trusted.json": b"2"}),
    )
    found = walked(repo, key, made[-1])
    assert (found.flaws, found.commits) == ([], 2)
    assert [(one.first, one.last, one.commits, one.key_id) for one in found.ranges] == [(*made, 2, key.key_id)]


def test_signers_are_told_range_by_range_and_strangers_are_flaws(repo: GitRepo, key: EvidenceKey) -> None:
    made = commits(
        repo,
        ("evidence", {"statements/a": b"1"}),
        ("mallory", {"statements/b": b"1"}),
        (None, {"statements/c": b"1"}),
        ("evidence", {"statements/d": b"1"}),
    )
    found = walked(repo, key, made[-1])
    assert [(flaw.reason, flaw.subject) for flaw in found.flaws] == [
        ("EvidenceForeign", f"evidence commit {commit[:12]}") for commit in (made[2], made[1])
    ]
    assert [(one.commits, one.key_id) for one in found.ranges] == [(1, key.key_id), (2, None), (1, key.key_id)]
    assert {flaw.reason for flaw in walked(repo, key, made[1]).flaws} == {"EvidenceForeign"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"statements/a": b"2"}, "changes statements/a"),
        ({"statements/a": None}, "deletes statements/a"),
        ({"statements/a": ("120000", b"1")}, "turns into something else statements/a"),
        ({"statements/b": ("100755", b"1")}, "adds as no plain file statements/b"),
        ({"trusted.json": None}, "deletes trusted.json"),
        ({"trusted.json": ("100755", b"2")}, "changes trusted.json"),
    ],
)
def test_what_does_more_than_add_is_told(
    repo: GitRepo, key: EvidenceKey, change: dict[str | bytes, Content], words: str
) -> None:
    made = commits(repo, ("evidence", {"statements/a": b"1", "trusted.json": b"1"}), ("evidence", change))
    (flaw,) = walked(repo, key, made[-1]).flaws
    assert (flaw.reason, flaw.message) == ("EvidenceRewritten", words)
    assert (
        walk_history(
            Git(repo.path),
            made[-1],
            signers=AllowedSigners(signers=(key.signer("evidence"),)),
            keys={key.key_id: EVIDENCE_KEY.public_key()},
            is_rotation=lambda commit: commit == made[-1],
        ).flaws
        == []
    )


def test_a_signature_that_is_none_of_ours_is_nobodys(key: EvidenceKey) -> None:
    keys = {key.key_id: EVIDENCE_KEY.public_key()}
    plain = b"tree 0\nauthor a\n\nmessage\n"
    signed = key.sign_commit(plain)
    assert signer_of(signed, keys=keys) == key.key_id
    assert signer_of(signed, keys={}) is None
    for broken in (
        b"",
        plain,
        signed.replace(b"message", b"massage"),
        signed.replace(b"tree 0", b"tree 1"),
        signed.replace(b"SSH SIGNATURE-----\n U1NI", b"SSH SIGNATURE-----\n V1NI"),
        signed.replace(b"BEGIN SSH", b"BEGIN PGP"),
        signed.replace(b"\n U1NI", b"\n !1NI"),
        signed.replace(b"\n U1NI", b"\n AAAAU1NI"),
        signed.replace(b"-----END SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----\n more"),
    ):
        assert signer_of(broken, keys=keys) is None


def test_files_are_read_one_at_a_time_and_their_modes_are_known(repo: GitRepo) -> None:
    large = bytes(range(256)) * 1000
    commit = repo.commit({"a": b"", "b": large, "c": ("120000", b"a")}, signer=None)
    with EvidenceBranch(Git(repo.path), commit=commit) as branch:
        assert list(branch.files()) == [("a", "100644"), ("b", "100644"), ("c", "120000")]
        assert [branch.read(path) for path in ("b", "a", "c", "d", "b")] == [large, b"", b"a", None, large]
        assert branch.bytes == 2 * len(large) + 1


def test_an_object_that_is_not_there_is_none_and_a_process_that_ended_is_told(repo: GitRepo) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"hello")
    with ObjectReader(Git(repo.path)) as reader:
        assert reader.read("0" * 40) is None
        assert reader.read(blob) == b"hello"
    assert reader.read(blob) == b"hello"
    reader.close()
    with ObjectReader(Git(repo.path / "nowhere")) as lost, pytest.raises(TransientError):
        lost.read(blob)


def test_an_answer_that_does_not_come_ends_the_wait(repo: GitRepo) -> None:
    git = Git(repo.path, deadline_s=0.0)
    with ObjectReader(git) as reader, pytest.raises(TransientError):
        reader.read("0" * 40)
