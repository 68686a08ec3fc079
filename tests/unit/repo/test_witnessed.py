"""What an audit hears from witnesses, and what a clone remembers of its own audits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.kinds import Witness, WitnessesSpec
from reconciler.repo import audited
from reconciler.repo.git import Git
from reconciler.repo.ledger import ORIGIN
from reconciler.repo.loglines import read_leaf_hashes
from reconciler.repo.signing import public_keys
from reconciler.repo.witnessed import Watched, Witnessed, hear_witnesses
from tests.support.gitrepo import GitRepo
from tests.support.watched import append, look, signers_of, witness_key


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    made = GitRepo(tmp_path, bare=True)
    for name in ("w1", "w2"):
        witness_key(made, name)
    append(made, [1, 2, 3])
    return made


def hear(repo: GitRepo, *, required: int = 0, known: tuple[str, ...] = ("w1", "w2")) -> Witnessed:
    git = Git(repo.path)
    tip = str(git.head("evidence"))
    watched = Watched(
        origin=ORIGIN,
        tip=tip,
        leaf_hashes=list(read_leaf_hashes(git, tip)),
        keys=public_keys(signers_of(repo, "carol")),
    )
    witnesses = tuple(Witness(name=name, signer=name) for name in known)
    spec = WitnessesSpec(known=witnesses, required=required)
    return hear_witnesses(git, watched, spec=spec, signers=signers_of(repo, "carol", "w1", "w2"))


def codes(found: Witnessed) -> list[str]:
    return [flaw.code for flaw in found.flaws]


def watch(repo: GitRepo, *names: str) -> None:
    for name in names:
        look(repo, state=repo.path.parent / f"state-{name}", name=name, at=datetime.now(UTC))


def test_heads_are_told_by_whom_and_nothing_is_wrong(repo: GitRepo) -> None:
    watch(repo, "w1", "w2")
    append(repo, [4])
    watch(repo, "w1")
    found = hear(repo, required=2)
    assert codes(found) == []
    assert [(head.witness, head.size, head.has_log_signature) for head in found.heads] == [
        ("w1", 3, True),
        ("w2", 3, True),
        ("w1", 4, True),
    ]


def test_too_few_witnesses_are_told_and_strangers_count_for_nothing(repo: GitRepo) -> None:
    watch(repo, "w1")
    assert codes(hear(repo, required=2)) == ["WitnessesMissing"]
    assert codes(hear(repo, known=("w2",), required=1)) == ["WitnessesMissing"]
    assert codes(hear(repo, known=())) == []


def test_rollback_behind_a_witness_is_told(repo: GitRepo) -> None:
    watch(repo, "w1")
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    found = hear(repo)
    assert codes(found) == ["HeadRolledBack"]
    assert "by an evidence key" in found.flaws[0].message
    assert found.flaws[0].path == "witness/w1:checkpoints/evidence/3"


def test_fork_past_a_witness_is_told(repo: GitRepo) -> None:
    watch(repo, "w1")
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    append(repo, [3, 4], story="another")
    assert codes(hear(repo, required=1)) == ["HeadForked", "WitnessesMissing"]


@pytest.mark.parametrize("where", ["refs/remotes/origin/witness/w1", "refs/ringfence/fetched/witness/w1"])
def test_a_cloned_or_fetched_branch_is_heard_as_well(repo: GitRepo, where: str) -> None:
    watch(repo, "w1")
    repo.git("update-ref", where, "witness/w1")
    repo.git("update-ref", "-d", "refs/heads/witness/w1")
    assert len(hear(repo, required=1).heads) == 1
    repo.point("evidence", repo.git("rev-parse", "evidence~1"))
    assert codes(hear(repo)) == ["HeadRolledBack"]


def test_what_a_witness_did_not_sign_is_told_and_does_not_count(repo: GitRepo) -> None:
    watch(repo, "w1", "w2")
    theirs = repo.git("cat-file", "blob", "witness/w2:checkpoints/evidence/3").encode() + b"\n"
    own = repo.git("cat-file", "blob", "witness/w1:checkpoints/evidence/3").encode() + b"\n"
    files = {
        "checkpoints/evidence/3": theirs,
        "checkpoints/evidence/4": own,
        "checkpoints/evidence/5": b"x",
        "checkpoints/evidence/x": own,
        "checkpoints/evidence/7": own.replace(b"\n3\n", b"\n7\n"),
    }
    repo.point("witness/w1", repo.commit({**files}, signer="mallory"))
    found = hear(repo, required=2)
    assert sorted(codes(found)) == ["WitnessMalformed"] * 5 + ["WitnessesMissing"]
    assert [head.witness for head in found.heads] == ["w2"]


def test_required_witness_that_has_been_away_for_long_is_missing(repo: GitRepo) -> None:
    before = datetime.now(UTC) - timedelta(days=2)
    look(repo, state=repo.path.parent / "state", at=before)
    assert codes(hear(repo, required=1)) == ["WitnessesMissing"]


def test_auditor_s_memory_tells_a_rollback_from_a_fork(repo: GitRepo) -> None:
    git = Git(repo.path)
    tip = str(git.head("evidence"))
    assert audited.check(git, branch="evidence", tip=tip) == []
    audited.remember(git, branch="evidence", tip=tip)
    assert audited.remembered(git, branch="evidence") == tip
    assert audited.check(git, branch="evidence", tip=append(repo, [4])) == []
    back = repo.git("rev-parse", "evidence~2")
    repo.point("evidence", back)
    forked = append(repo, [3], story="another")
    found = {
        now: [flaw.code for flaw in audited.check(git, branch="evidence", tip=now)] for now in (back, forked, None)
    }
    assert found == {back: ["EvidenceRolledBack"], forked: ["EvidenceForked"], None: ["EvidenceRolledBack"]}
    assert git.head("evidence") == forked, "checking moves nothing"
