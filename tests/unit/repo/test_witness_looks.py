"""A witness over real git: what it signs, what it refuses, and what it remembers when it dies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError, TransientError, TrustError
from reconciler.evidence.note import parse_checkpoint, parse_note, verify_cosignature, verify_note
from reconciler.repo.git import Git
from reconciler.repo.ledger import ORIGIN
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey, public_keys
from reconciler.repo.witness import Cosigning, Witness, note_keys
from reconciler.repo.witness_branch import FETCHED, read_notes, witness_branch
from reconciler.repo.witness_memory import WitnessMemory
from tests.support.gitrepo import GitRepo
from tests.support.watched import AT, append, charge, look, signers_of, witness_key


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path, bare=True)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "memory"


def looked(repo: GitRepo, state: Path) -> Cosigning:
    found = look(repo, state=state)
    assert found is not None
    return found


def refused(repo: GitRepo, state: Path) -> TrustError:
    before = Git(repo.path).head("witness/w1")
    with pytest.raises(TrustError) as caught:
        look(repo, state=state)
    assert Git(repo.path).head("witness/w1") == before, "nothing was signed"
    return caught.value


def test_cosigned_head_stands_on_the_witness_s_branch_and_nothing_else_moves(repo: GitRepo, state: Path) -> None:
    tip = append(repo, [1, 2, 3])
    found = looked(repo, state)
    assert repo.git("for-each-ref", "--format=%(refname)") == "refs/heads/evidence\nrefs/heads/witness/w1"
    assert Git(repo.path).head("evidence") == tip
    note = parse_note(repo.git("cat-file", "blob", f"{found.commit}:checkpoints/evidence/3").encode() + b"\n")
    key = witness_key(repo)
    assert verify_cosignature(note, name="w1", public=key.public) == AT
    assert verify_note(note, note_keys(public_keys(signers_of(repo, "carol")), origin=ORIGIN))
    assert parse_checkpoint(note.body).size == 3
    own = AllowedSigners(signers=(key.signer("w1"),))
    assert Git(repo.path).verify_commit(found.commit, allowed=own) is not None
    repo.git("fsck", "--strict")


def test_each_new_head_is_added_and_the_same_one_is_signed_once(repo: GitRepo, state: Path) -> None:
    append(repo, [1])
    first = looked(repo, state)
    again = look(repo, state=state, at=AT + timedelta(hours=1))
    assert again is not None
    assert (again.commit, first.is_new, again.is_new) == (first.commit, True, False)
    append(repo, range(2, 300))
    second = looked(repo, state)
    assert repo.git("rev-parse", f"{second.commit}^") == first.commit
    assert sorted(read_notes(Git(repo.path), second.commit, origin=ORIGIN)[0]) == [1, 299]


def test_a_log_of_many_files_is_read_whole(repo: GitRepo, state: Path) -> None:
    append(repo, range(1, 258))
    assert looked(repo, state).seen.size == 257


def test_branch_that_is_rolled_back_is_refused_with_both_heads_as_proof(repo: GitRepo, state: Path) -> None:
    append(repo, [1, 2, 3])
    looked(repo, state)
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    error = refused(repo, state)
    assert error.reason == "HeadRolledBack"
    assert error.exit_code == 3
    assert "tree of 2" in error.message
    assert "tree of 3" in error.message
    (proof,) = (state / ORIGIN / "refused").iterdir()
    sizes = {
        name: parse_checkpoint(parse_note((proof / name).read_bytes()).body).size for name in ("seen.note", "now.note")
    }
    assert sizes == {"seen.note": 3, "now.note": 2}
    assert "HeadRolledBack" in (proof / "refusal.txt").read_text()
    assert refused(repo, state).reason == "HeadRolledBack"
    assert len(list((state / ORIGIN / "refused").iterdir())) == 1, "the same proof is kept once"


@pytest.mark.parametrize("more", [[3], [3, 4, 5]])
def test_branch_that_is_written_anew_by_the_evidence_key_is_refused(
    repo: GitRepo, state: Path, more: list[int]
) -> None:
    append(repo, [1, 2, 3])
    looked(repo, state)
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    append(repo, more, story="another")
    assert refused(repo, state).reason == "HeadForked"


def test_history_that_is_written_anew_under_the_same_log_is_refused(repo: GitRepo, state: Path) -> None:
    append(repo, [1, 2, 3])
    looked(repo, state)
    tree = repo.git("rev-parse", "evidence^{tree}")
    repo.point("evidence", repo.commit_tree(tree, signer="carol"))
    assert refused(repo, state).reason == "HistoryForked"


def test_seen_commit_that_the_repository_lost_is_no_excuse(repo: GitRepo, state: Path) -> None:
    append(repo, [1, 2, 3])
    looked(repo, state)
    tree = repo.git("rev-parse", "evidence^{tree}")
    repo.point("evidence", repo.commit_tree(tree, signer="carol"))
    repo.git("reflog", "expire", "--expire=all", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert refused(repo, state).reason == "HistoryForked"


def test_branch_that_is_gone_is_refused(repo: GitRepo, state: Path) -> None:
    append(repo, [1])
    looked(repo, state)
    repo.git("update-ref", "-d", "refs/heads/evidence")
    assert refused(repo, state).reason == "HeadRolledBack"


def test_before_there_is_a_head_there_is_nothing_to_sign(repo: GitRepo, state: Path) -> None:
    assert look(repo, state=state) is None
    repo.point("evidence", repo.commit({"trusted.json": b"{}"}, signer="carol"))
    assert look(repo, state=state) is None


def test_stranger_s_branch_is_refused(repo: GitRepo, state: Path) -> None:
    append(repo, [1], key="mallory")
    assert refused(repo, state).reason == "EvidenceForeign"
    tree = repo.git("rev-parse", "evidence^{tree}")
    repo.point("evidence", repo.commit_tree(tree, signer="carol"))
    assert refused(repo, state).reason == "NoteUntrusted", "carol's commit around mallory's head"


def test_another_origin_is_refused(repo: GitRepo, state: Path) -> None:
    append(repo, [1], origin="other/evidence")
    assert refused(repo, state).reason == "OriginOther"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"log/000/000": b"0" * 64 + b" statements/x\n"}, id="another line"),
        pytest.param({"log/000/000": b""}, id="an empty file"),
        pytest.param({"log/000/000": b"x\n"}, id="no line"),
        pytest.param({"log/000/000": None}, id="no file"),
        pytest.param({"log/000/000": ("120000", b"trusted.json")}, id="a link"),
        pytest.param({"log/000/001": b"0" * 64 + b" statements/x\n"}, id="a file after one that is not full"),
        pytest.param({"log/000/002": b"0" * 64 + b" statements/x\n"}, id="a file after a gap"),
        pytest.param({"log/zzz": b"x"}, id="something else"),
        pytest.param({"checkpoints/latest": b"x"}, id="no note"),
    ],
)
def test_log_that_is_not_what_its_head_says_is_refused(
    repo: GitRepo, state: Path, files: dict[str | bytes, bytes | tuple[str, bytes] | None]
) -> None:
    tip = append(repo, [1, 2])
    repo.point("evidence", repo.commit(files, signer="carol", parents=[tip]))
    assert refused(repo, state).reason in {"HeadUnfounded", "LogMalformed", "NoteMalformed"}


class Killed(BaseException):
    """The process dies."""


class DyingKey(EvidenceKey):
    """A key whose holder dies when it is about to sign its ``left``th thing."""

    left = 0

    def sign(self, data: bytes) -> bytes:
        if not self.left:
            raise Killed
        self.left -= 1
        return super().sign(data)


def test_witness_that_died_before_it_signed_never_signs_another_tree_of_that_size(repo: GitRepo, state: Path) -> None:
    append(repo, [1, 2])
    with WitnessMemory(state) as memory, pytest.raises(Killed):
        Witness(Git(repo.path), name="w1", key=DyingKey(witness_key_path(repo)), memory=memory).look(
            charge(repo), at=AT
        )
    assert Git(repo.path).head("witness/w1") is None
    honest = repo.git("rev-parse", "evidence")
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    append(repo, [2], story="another")
    assert refused(repo, state).reason == "HeadForked"
    repo.point("evidence", honest)
    assert looked(repo, state).seen.size == 2, "what it was about to sign, it signs once it is back"


def witness_key_path(repo: GitRepo) -> Path:
    witness_key(repo)
    return repo.keys["w1"]


def test_witness_without_its_folder_is_bound_by_its_own_signature(repo: GitRepo, state: Path, tmp_path: Path) -> None:
    append(repo, [1, 2, 3])
    looked(repo, state)
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    assert refused(repo, tmp_path / "new").reason == "HeadRolledBack"


def test_witness_goes_on_from_its_branch_as_it_was_fetched(repo: GitRepo, state: Path) -> None:
    append(repo, [1, 2])
    commit = looked(repo, state).commit
    repo.git("update-ref", f"{FETCHED}witness/w1", commit)
    repo.git("update-ref", "-d", "refs/heads/witness/w1")
    assert looked(repo, state).commit == commit
    assert Git(repo.path).head("witness/w1") == commit
    append(repo, [3])
    behind = looked(repo, state).commit
    repo.git("update-ref", f"{FETCHED}witness/w1", behind)
    repo.point("witness/w1", commit)
    append(repo, [4])
    assert repo.git("rev-parse", f"{looked(repo, state).commit}^") == behind


def test_branch_of_the_witness_that_somebody_else_wrote_to_is_refused(repo: GitRepo, state: Path) -> None:
    append(repo, [1])
    repo.point("witness/w1", repo.commit({"x": b"x"}, signer="mallory"))
    assert refused(repo, state).reason == "WitnessForeign"


def test_a_copied_key_that_signed_another_tree_of_one_size_is_found(repo: GitRepo, state: Path, tmp_path: Path) -> None:
    append(repo, [1, 2])
    looked(repo, state)
    repo.git("update-ref", "-d", "refs/heads/witness/w1")
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    append(repo, [2], story="another")
    look(repo, state=tmp_path / "copy")
    assert refused(repo, state).reason == "WitnessContradicts"


def test_state_folder_is_used_by_one_process_at_a_time(state: Path) -> None:
    with WitnessMemory(state), pytest.raises(TransientError):
        WitnessMemory(state)
    with WitnessMemory(state) as memory:
        assert memory.origins() == []


def test_state_that_cannot_be_read_is_never_taken_for_none(repo: GitRepo, state: Path) -> None:
    append(repo, [1])
    looked(repo, state)
    for content in (b"", b"{}", (state / ORIGIN / "seen.json").read_bytes().replace(b"ringfence", b"something")):
        (state / ORIGIN / "seen.json").write_bytes(content)
        assert refused(repo, state).reason == "StateMalformed"


def test_key_that_signs_the_evidence_is_no_witness_s(repo: GitRepo, state: Path) -> None:
    append(repo, [1])
    witness_key(repo)
    with pytest.raises(InputError):
        look(repo, state=state, told=charge(repo, signers=("carol", "w1")))


def test_disk_that_takes_nothing_keeps_the_witness_from_signing_and_never_hides_a_refusal(
    repo: GitRepo, state: Path
) -> None:
    append(repo, [1, 2])
    state.mkdir()
    (state / "ringfence").write_bytes(b"")
    with pytest.raises(InputError):
        look(repo, state=state)
    (state / "ringfence").unlink()
    (state / ORIGIN / ".seen.json.new").mkdir(parents=True)
    with pytest.raises(TransientError):
        look(repo, state=state)
    assert Git(repo.path).head("witness/w1") is None
    (state / ORIGIN / ".seen.json.new").rmdir()
    looked(repo, state)
    repo.git("update-ref", "-d", "refs/heads/evidence")
    append(repo, [1, 2, 3], story="another")
    (state / ORIGIN / "refused").write_bytes(b"")
    error = refused(repo, state)
    assert error.reason == "HeadForked"
    assert "could not be kept" in error.message


def test_names_that_would_lead_elsewhere_are_refused(state: Path, tmp_path: Path) -> None:
    for name in ("", "../evidence", "a/b", "W", "-"):
        with pytest.raises(InputError):
            witness_branch(name)
    with WitnessMemory(state) as memory:
        for origin in ("", "evidence", "../x", "a/../b", "a/b/c", "A/b"):
            with pytest.raises(InputError):
                memory.recall(origin)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError):
        WitnessMemory(tmp_path / "file")
