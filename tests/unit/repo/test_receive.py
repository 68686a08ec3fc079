"""What a pre-receive hook decides, on repositories that are made here; real pushes are in tests/e2e."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.repo.git import NO_COMMIT, Git
from reconciler.repo.receive import MAX_UPDATES, Update, judge_push, parse_updates, receiving_git
from tests.support.documents import FILES
from tests.support.gitrepo import GitRepo

MAIN, EVIDENCE = "refs/heads/main", "refs/heads/evidence"
TOP = Path(__file__).parents[3]


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path, bare=True)


def begin(repo: GitRepo, *, valid: bool = True) -> str:
    files = {**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")}
    if not valid:
        files["site/nodes/n1.yaml"] = b"{"
    commit = repo.commit(dict(files), signer="alice")
    repo.point("main", commit)
    return commit


def reasons(repo: GitRepo, *updates: Update) -> list[str]:
    return [problem.reason for problem in judge_push(Git(repo.path), updates)]


@pytest.mark.parametrize("line", [b"", b"a b c", b"0 1", NO_COMMIT.encode(), b"\xff \xff \xff", b"Z" * 40 + b" x y"])
def test_input_that_git_does_not_give_is_refused(line: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse_updates(line + b"\n")
    assert caught.value.reason == "BadUpdate"


def test_updates_are_read_and_their_number_is_bounded() -> None:
    line = f"{NO_COMMIT} {'1' * 40} refs/heads/main\n".encode()
    assert parse_updates(line) == [Update(old=NO_COMMIT, new="1" * 40, ref=MAIN)]
    assert parse_updates(b"") == []
    with pytest.raises(InputError) as caught:
        parse_updates(line * (MAX_UPDATES + 1))
    assert caught.value.reason == "TooManyUpdates"


def test_the_first_push_pins_a_root_that_is_signed_by_its_own_rules(repo: GitRepo) -> None:
    good = repo.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")}, signer="alice")
    bad = repo.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")}, signer="mallory")
    assert reasons(repo, Update(old=NO_COMMIT, new=good, ref=MAIN)) == []
    assert reasons(repo, Update(old=NO_COMMIT, new=bad, ref=MAIN)) == ["UnknownSigner"]


def test_evidence_may_come_with_the_first_state_and_not_before_any(repo: GitRepo) -> None:
    state = repo.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "carol")}, signer="alice")
    record = repo.commit({"statements/n1/1.json": b"{}"}, signer="carol")
    evidence = Update(old=NO_COMMIT, new=record, ref=EVIDENCE)
    assert reasons(repo, Update(old=NO_COMMIT, new=state, ref=MAIN), evidence) == []
    assert reasons(repo, evidence) == ["EvidenceForeign"]


def test_while_the_followed_branch_is_invalid_no_evidence_is_taken(repo: GitRepo) -> None:
    begin(repo, valid=False)
    record = repo.commit({"statements/n1/1.json": b"{}"}, signer="carol")
    assert reasons(repo, Update(old=NO_COMMIT, new=record, ref=EVIDENCE)) == ["EvidenceForeign"]


def test_a_merge_and_a_link_on_the_evidence_branch_are_refused(repo: GitRepo) -> None:
    begin(repo)
    one = repo.commit({"statements/n1/1.json": b"{}"}, signer="carol")
    two = repo.commit({"statements/n2/1.json": b"{}"}, signer="carol")
    merge = repo.commit({"statements/n2/1.json": b"{}"}, signer="carol", parents=[one, two])
    link = repo.commit({"nodes/n1/head.json": ("120000", b"/etc/passwd")}, signer="carol", parents=[one])
    gone = repo.commit({"statements/n1/1.json": None, "x": b"y"}, signer="carol", parents=[one])
    assert reasons(repo, Update(old=one, new=merge, ref=EVIDENCE)) == ["EvidenceMerged"]
    assert reasons(repo, Update(old=one, new=link, ref=EVIDENCE)) == ["EvidenceRewritten"]
    assert reasons(repo, Update(old=one, new=gone, ref=EVIDENCE)) == ["EvidenceRewritten"]


def test_heads_may_be_written_again(repo: GitRepo) -> None:
    begin(repo)
    one = repo.commit({"nodes/n1/head.json": b"{}", "trusted.json": b"{}"}, signer="carol")
    two = repo.commit({"nodes/n1/head.json": b"{ }", "trusted.json": b"{ }"}, signer="carol", parents=[one])
    assert reasons(repo, Update(old=one, new=two, ref=EVIDENCE)) == []


def test_branch_of_a_witness_is_the_witness_s_alone_and_only_leads_on(repo: GitRepo) -> None:
    witnesses = b"  evidence: {signers: [carol], witnesses: {known: [{name: w1, signer: bob}]}}\n"
    yaml = FILES["ringfence.yaml"].replace(b"  evidence: {signers: [carol]}\n", witnesses)
    signers = repo.allowed("alice", "bob", "carol")
    repo.point("main", repo.commit({**FILES, "ringfence.yaml": yaml, "trust/allowed_signers": signers}, signer="alice"))
    first = repo.commit({"checkpoints/evidence/1": b"1"}, signer="bob")
    more = repo.commit({"checkpoints/evidence/2": b"2"}, signer="bob", parents=[first])
    foreign = repo.commit({"checkpoints/evidence/3": b"3"}, signer="carol", parents=[first])
    ref = "refs/heads/witness/w1"
    assert reasons(repo, Update(old=NO_COMMIT, new=first, ref=ref), Update(old=first, new=more, ref=ref)) == []
    assert reasons(repo, Update(old=first, new=foreign, ref=ref)) == ["WitnessForeign"]
    assert reasons(repo, Update(old=more, new=first, ref=ref)) == ["WitnessRewound"]
    assert reasons(repo, Update(old=more, new=NO_COMMIT, ref=ref)) == ["WitnessRewound"]
    assert reasons(repo, Update(old=NO_COMMIT, new=foreign, ref="refs/heads/witness/w2")) == [], "nobody knows w2"


def test_an_approval_of_something_else_than_a_commit_is_refused(repo: GitRepo) -> None:
    commit = begin(repo)
    tree = repo.git("rev-parse", f"{commit}^{{tree}}")
    text = f"object {tree}\ntype tree\ntag approve/x\ntagger T <t@t> 1 +0000\n\n-----BEGIN SSH SIGNATURE-----\n"
    tag = repo.git("hash-object", "-w", "-t", "tag", "--stdin", stdin=text.encode())
    assert reasons(repo, Update(old=NO_COMMIT, new=tag, ref="refs/tags/approve/x")) == ["MalformedApproval"]
    assert reasons(repo, Update(old=tag, new=NO_COMMIT, ref="refs/tags/approve/x")) == []


def test_another_branch_can_be_the_one_that_is_followed(repo: GitRepo) -> None:
    begin(repo)
    wild = repo.commit({"x": b"y"}, signer=None)
    update = Update(old=NO_COMMIT, new=wild, ref="refs/heads/live")
    assert reasons(repo, update) == []
    assert judge_push(Git(repo.path), [update], branch="live")


def test_objects_in_quarantine_are_seen_and_only_there(repo: GitRepo) -> None:
    begin(repo)
    quarantine = repo.path / "objects" / "incoming"
    quarantine.mkdir()
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=repo.path,
        input=b"new",
        capture_output=True,
        check=True,
        timeout=30,
        env={**os.environ, "GIT_OBJECT_DIRECTORY": "./objects/incoming"},
    )
    object_id = blob.stdout.decode().strip()
    told = {
        "GIT_DIR": ".",
        "GIT_OBJECT_DIRECTORY": "./objects/incoming",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "./objects",
        "GIT_QUARANTINE_PATH": "./objects/incoming",
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath=/evil'",
    }
    assert receiving_git(told, folder=repo.path).objects([object_id]) == {object_id: b"new"}
    assert Git(repo.path).objects([object_id]) == {}


def hook(repo: GitRepo, line: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reconciler.cli.main", "hook", "pre-receive", *words],
        cwd=repo.path,
        input=line,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "GIT_DIR": "."},
    )


def test_the_command_says_why_with_a_code_and_a_hint(repo: GitRepo) -> None:
    base = begin(repo)
    unsigned = repo.commit({"x": b"y"}, signer=None, parents=[base])
    done = hook(repo, f"{base} {unsigned} {MAIN}\n")
    assert done.returncode == 3
    said = f"error: commit {unsigned[:12]}: by Test <test@localhost> is not signed [UnsignedCommit]\nhint: "
    assert said in done.stderr
    assert hook(repo, "").returncode == 0
    assert hook(repo, "nonsense\n").returncode == 2


def test_a_push_that_cannot_be_judged_in_time_is_refused(repo: GitRepo) -> None:
    commit = begin(repo)
    tree = repo.git("rev-parse", f"{commit}^{{tree}}")
    for _ in range(150):
        commit = repo.commit_tree(tree, signer="alice", parents=[commit])
    done = hook(repo, f"{repo.git('rev-parse', MAIN)} {commit} {MAIN}\n", "--timeout", "1")
    assert done.returncode == 5
    assert "could not be judged in time" in done.stderr
