"""The evidence branch in git: what is on it afterwards, whoever interferes, and whenever the writer dies."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from reconciler.errors.taxonomy import InvariantError, RingfenceError, TransientError, TrustError
from reconciler.evidence.canonical import canonical
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.evidence_history import walk_history
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.places import blob_path, head_path
from reconciler.repo.reader import EvidenceReader
from reconciler.repo.rotation import find_openings
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers
from reconciler.repo.signing import EvidenceKey, public_keys
from tests.support.gitrepo import GitRepo

T = TypeVar("T")
DEAD = 9
NOBODY = AllowedSigners(signers=())


@pytest.fixture(params=["bare", "checked out"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path, bare=request.param == "bare")


def ledger(repo: GitRepo, *, key: str | None = "carol", known: tuple[str, ...] = ()) -> GitLedger:
    signers, _ = parse_allowed_signers(repo.allowed(*known), path="")
    evidence_key = EvidenceKey(repo.keys[key]) if key else None
    return GitLedger(Git(repo.path), branch="evidence", key=evidence_key, signers=signers)


def carol(repo: GitRepo) -> AllowedSigners:
    return parse_allowed_signers(repo.allowed("carol"), path="")[0]


def entry(node: str, sequence: int, *, blob: bytes = b"log") -> Entry:
    head = Head(
        node=node,
        sequence=sequence,
        digest=f"sha256:{sequence:064x}",
        phase=Phase.AIRLOCK,
        commit="1" * 40,
        keys={"disk": sequence},
    )
    return Entry(
        path=f"statements/2026/01/02/{node}-{sequence}.dsse.json",
        envelope=f"{node} {sequence}".encode(),
        blobs={hashlib.sha256(blob).hexdigest(): blob},
        heads=(head,),
    )


def tip(repo: GitRepo) -> str:
    return repo.git("rev-parse", "refs/heads/evidence")


def history_flaws(repo: GitRepo, signers: AllowedSigners) -> list[TrustError]:
    """Return what an audit finds of how the branch came to be."""
    git, commit = Git(repo.path), tip(repo)
    is_rotation = find_openings(git, commit).__contains__
    return walk_history(git, commit, signers=signers, keys=public_keys(signers), is_rotation=is_rotation).flaws


def reader(repo: GitRepo) -> EvidenceReader:
    return EvidenceReader(Git(repo.path), commit=tip(repo))


def test_empty_branch_has_no_heads_and_trusts_nothing(repo: GitRepo) -> None:
    assert ledger(repo).heads() == {}
    assert ledger(repo).trusted() is None


def test_appended_entries_are_on_the_branch_and_signed_by_the_evidence_key(repo: GitRepo) -> None:
    commit = ledger(repo).append([entry("n1", 1), entry("n2", 1, blob=b"other")])

    assert tip(repo) == commit
    digest = hashlib.sha256(b"log").hexdigest()
    names = repo.git("ls-tree", "-r", "--name-only", commit).splitlines()
    assert names == sorted(
        [
            "checkpoints/2",
            "checkpoints/latest",
            "log/000/000",
            "log/frontier.json",
            blob_path(digest),
            blob_path(hashlib.sha256(b"other").hexdigest()),
            head_path("n1"),
            head_path("n2"),
            "statements/2026/01/02/n1-1.dsse.json",
            "statements/2026/01/02/n2-1.dsse.json",
        ]
    )
    signature = Git(repo.path).verify_commit(commit, allowed=carol(repo))
    assert signature is not None
    assert signature.principal == "carol"
    repo.git("fsck", "--strict")
    assert ledger(repo).heads() == {"n1": entry("n1", 1).heads[0], "n2": entry("n2", 1).heads[0]}


def test_heads_are_canonical_json(repo: GitRepo) -> None:
    ledger(repo).append([entry("n1", 1)])
    text = repo.git("show", f"evidence:{head_path('n1')}")
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_branch_grows_by_one_commit_a_round_and_only_by_adding(repo: GitRepo) -> None:
    writer = ledger(repo)
    for sequence in range(1, 5):
        writer.append([entry("n1", sequence), entry("n2", sequence)])
    assert repo.git("rev-list", "--count", "evidence") == "4"
    assert history_flaws(repo, carol(repo)) == []
    assert [path for path, _ in reader(repo).statements()][:2] == [
        "statements/2026/01/02/n1-1.dsse.json",
        "statements/2026/01/02/n1-2.dsse.json",
    ]
    assert reader(repo).blob(hashlib.sha256(b"log").hexdigest()) == b"log"
    assert reader(repo).blob("0" * 64) is None
    assert [path for path, _ in reader(repo).heads()] == [head_path("n1"), head_path("n2")]


def test_working_tree_index_and_head_are_never_touched(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    root = repo.begin()
    repo.point("main", root)
    repo.git("reset", "-q", "--hard")
    before = (repo.path / ".git/index").read_bytes()
    ledger(repo).append([entry("n1", 1)])
    assert repo.git("status", "--porcelain") == ""
    assert repo.git("rev-parse", "HEAD") == root
    assert (repo.path / ".git/index").read_bytes() == before


def test_trusted_commit_is_remembered_beside_the_records(repo: GitRepo) -> None:
    writer = ledger(repo)
    writer.append([entry("n1", 1)])
    writer.set_trusted("2" * 40)
    writer.set_trusted("2" * 40)
    assert ledger(repo).trusted() == "2" * 40
    assert ledger(repo).heads() == {"n1": entry("n1", 1).heads[0]}
    assert repo.git("rev-list", "--count", "evidence") == "2"


def test_observation_is_rewritten_in_place_and_that_is_no_flaw(repo: GitRepo) -> None:
    writer = ledger(repo)
    assert writer.observation() is None
    writer.append([entry("n1", 1)])
    assert reader(repo).observation() is None
    for content in (b'{"a":1}', b'{"a":2}'):
        writer.set_observation(content)
    assert ledger(repo).observation() == reader(repo).observation() == b'{"a":2}'
    assert ledger(repo).heads() == {"n1": entry("n1", 1).heads[0]}
    assert repo.git("log", "-1", "--format=%s", "evidence") == "evidence: observation"
    assert history_flaws(repo, carol(repo)) == []


def test_reader_without_a_key_sees_heads_and_writes_nothing(repo: GitRepo) -> None:
    ledger(repo).append([entry("n1", 1)])
    onlooker = ledger(repo, key=None, known=("carol",))
    assert list(onlooker.heads()) == ["n1"]
    with pytest.raises(InvariantError):
        onlooker.append([entry("n1", 2)])
    assert repo.git("rev-list", "--count", "evidence") == "1"


def test_statement_is_never_written_twice(repo: GitRepo) -> None:
    writer = ledger(repo)
    writer.append([entry("n1", 1)])
    with pytest.raises(InvariantError) as caught:
        writer.append([entry("n1", 1)])
    assert caught.value.reason == "StatementExists"
    assert repo.git("rev-list", "--count", "evidence") == "1"


@pytest.mark.parametrize(
    "path", ["trusted.json", "statements/../x", "nodes/n1/head.json", "statements/", "/statements/x"]
)
def test_statement_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    made = entry("n1", 1)
    elsewhere = Entry(path=path, envelope=b"", blobs={}, heads=made.heads)
    with pytest.raises(InvariantError):
        ledger(GitRepo(tmp_path)).append([elsewhere])


def test_blob_under_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    made = entry("n1", 1)
    wrong = Entry(path=made.path, envelope=b"", blobs={"0" * 64: b"x"}, heads=made.heads)
    with pytest.raises(InvariantError):
        ledger(GitRepo(tmp_path)).append([wrong])


def test_nothing_to_record_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(InvariantError):
        ledger(GitRepo(tmp_path)).append([])


def test_second_writer_is_told_to_read_again_and_loses_nothing(repo: GitRepo) -> None:
    first, second = ledger(repo), ledger(repo)
    first.heads()
    second.heads()
    first.append([entry("n1", 1)])
    with pytest.raises(TransientError) as caught:
        second.append([entry("n1", 1, blob=b"rival")])
    assert caught.value.reason == "EvidenceMoved"
    assert second.heads()["n1"].sequence == 1
    second.append([entry("n1", 2)])
    assert [path for path, _ in reader(repo).statements()] == [
        "statements/2026/01/02/n1-1.dsse.json",
        "statements/2026/01/02/n1-2.dsse.json",
    ]


def test_two_writers_at_once_never_overwrite_each_other(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)

    def write(node: str) -> int:
        writer = ledger(repo)
        written = 0
        while written < 5:
            try:
                writer.heads()
                writer.append([entry(node, written + 1)])
                written += 1
            except TransientError:
                continue
        return written

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, ["n1", "n2"])) == [5, 5]
    assert len(list(reader(repo).statements())) == 10
    assert history_flaws(repo, carol(repo)) == []


def test_threads_that_wait_for_each_other_share_a_commit(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    writer = ledger(repo)
    writer.heads()
    barrier = threading.Barrier(16)

    def write(number: int) -> str:
        barrier.wait()
        return writer.append([entry(f"n{number}", 1)])

    with ThreadPoolExecutor(16) as pool:
        commits = list(pool.map(write, range(16)))
    assert len(list(reader(repo).statements())) == 16
    assert len(set(commits)) == int(repo.git("rev-list", "--count", "evidence")) < 16


def test_one_bad_entry_does_not_take_its_neighbours_along(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    writer = ledger(repo)
    writer.append([entry("n0", 1)])
    barrier = threading.Barrier(8)

    def write(number: int) -> str:
        barrier.wait()
        try:
            return writer.append([entry(f"n{number}", 1)])
        except RingfenceError as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(write, range(8)))
    assert results[0] == "StatementExists"
    assert set(writer.heads()) == {f"n{number}" for number in range(8)}


@pytest.mark.parametrize("signer", [None, "mallory"])
@pytest.mark.parametrize("victim", ["running", "new"])
def test_tip_by_somebody_else_is_found(tmp_path: Path, signer: str | None, victim: str) -> None:
    repo = GitRepo(tmp_path)
    writer = ledger(repo)
    before = writer.append([entry("n1", 1)])
    forged = repo.commit({head_path("n1"): b"{}"}, signer=signer, parents=[before])
    repo.point("evidence", forged)
    reads = writer if victim == "running" else ledger(repo)
    for act in (reads.heads, reads.trusted, lambda: reads.append([entry("n1", 2)])):
        with pytest.raises(TrustError) as caught:
            act()
        assert caught.value.reason == "EvidenceForeign"
    assert tip(repo) == forged


def test_branch_moved_back_under_a_running_writer_is_found(repo: GitRepo) -> None:
    writer = ledger(repo)
    first = writer.append([entry("n1", 1)])
    writer.append([entry("n1", 2)])
    repo.point("evidence", first)
    with pytest.raises(TrustError) as caught:
        writer.append([entry("n1", 3)])
    assert caught.value.reason == "EvidenceRewound"


def test_branch_deleted_under_a_running_writer_is_found(repo: GitRepo) -> None:
    writer = ledger(repo)
    writer.append([entry("n1", 1)])
    repo.git("update-ref", "-d", "refs/heads/evidence")
    with pytest.raises(TrustError) as caught:
        writer.heads()
    assert caught.value.reason == "EvidenceRewound"


def test_evidence_key_may_change_while_the_old_one_is_known(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    ledger(repo).append([entry("n1", 1)])
    with pytest.raises(TrustError):
        ledger(repo, key="alice").heads()
    successor = ledger(repo, key="alice", known=("carol",))
    successor.heads()
    successor.append([entry("n1", 2)])
    assert Git(repo.path).verify_commit(tip(repo), allowed=carol(repo)) is None


@pytest.mark.parametrize(
    ("path", "content"),
    [(head_path("n1"), b"{}"), (head_path("n9"), None), ("trusted.json", b'{"commit": 5}'), ("trusted.json", b"[")],
)
def test_unreadable_branch_is_a_trust_error(tmp_path: Path, path: str, content: bytes | None) -> None:
    repo = GitRepo(tmp_path)
    before = ledger(repo).append([entry("n1", 1)])
    data = content if content is not None else repo.git("show", f"{before}:{head_path('n1')}").encode()
    repo.point("evidence", repo.commit({path: data}, signer="carol", parents=[before]))
    with pytest.raises(TrustError) as caught:
        (ledger(repo).trusted if path == "trusted.json" else ledger(repo).heads)()
    assert caught.value.reason == "EvidenceBroken"


def test_history_that_was_rewritten_by_the_key_itself_is_found(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    before = ledger(repo).append([entry("n1", 1)])
    statement = "statements/2026/01/02/n1-1.dsse.json"
    digest = hashlib.sha256(b"log").hexdigest()
    edited = repo.commit({statement: b"nicer", blob_path(digest): b"nicer"}, signer="carol", parents=[before])
    dropped = repo.commit({statement: None}, signer="carol", parents=[edited])
    merged = repo.commit({}, signer="carol", parents=[dropped, before])
    repo.point("evidence", merged)
    flaws = history_flaws(repo, carol(repo))
    assert {(flaw.subject, flaw.reason) for flaw in flaws} == {
        (f"evidence commit {edited[:12]}", "EvidenceRewritten"),
        (f"evidence commit {dropped[:12]}", "EvidenceRewritten"),
        (f"evidence commit {merged[:12]}", "EvidenceMerged"),
    }
    with pytest.raises(TrustError):
        reader(repo).blob(digest)
    assert history_flaws(repo, NOBODY)[0].reason == "EvidenceForeign"


class DyingGit(Git):
    """Git whose caller dies right before or right after one of the two steps that change anything."""

    def __init__(self, path: Path, *, step: str, when: str) -> None:
        super().__init__(path)
        self._step, self._when = step, when

    def run(self, *arguments: str, stdin: bytes = b"", **rest: Mapping[str, str] | None) -> bytes:
        return self._dying(arguments[0], lambda: super(DyingGit, self).run(*arguments, stdin=stdin, **rest))

    def move_branch(self, branch: str, *, old: str | None, new: str, note: str) -> bool:
        move = super().move_branch
        return self._dying("update-ref", lambda: move(branch, old=old, new=new, note=note))

    def _dying(self, step: str, act: Callable[[], T]) -> T:
        if (step, self._when) == (self._step, "before"):
            os._exit(DEAD)
        result = act()
        if step == self._step:
            os._exit(DEAD)
        return result


def in_child(act: Callable[[], object]) -> int:
    """Return the id of a child process that does ``act`` and nothing else."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(1)
    return child


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["index-pack", "update-ref"])
def test_writer_that_dies_between_steps_leaves_the_old_or_the_new_commit(tmp_path: Path, step: str, when: str) -> None:
    repo = GitRepo(tmp_path)
    old = ledger(repo).append([entry("n1", 1)])
    key = EvidenceKey(repo.keys["carol"])
    dying = GitLedger(DyingGit(repo.path, step=step, when=when), branch="evidence", key=key, signers=NOBODY)
    child = in_child(lambda: dying.append([entry("n1", 2)]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DEAD

    survivor = ledger(repo)
    is_written = survivor.heads()["n1"].sequence == 2
    assert is_written == ((step, when) == ("update-ref", "after"))
    assert (tip(repo) == old) == (not is_written)
    survivor.append([entry("n1", 3)])
    repo.git("fsck", "--strict")
    assert history_flaws(repo, carol(repo)) == []


def test_writer_that_is_killed_at_any_time_leaves_a_sound_branch(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    key = EvidenceKey(repo.keys["carol"])

    def write_on() -> None:
        writer = GitLedger(Git(repo.path), branch="evidence", key=key, signers=NOBODY)
        heads = writer.heads()
        for sequence in itertools.count(heads["n1"].sequence + 1 if heads else 1):
            writer.append([entry("n1", sequence)])

    for number in range(6):
        child = in_child(write_on)
        time.sleep(0.05 + number * 0.037)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        time.sleep(0.1)  # A git that the writer had started outlives it, and ends by itself.
    heads = ledger(repo).heads()
    statements = [path for path, _ in reader(repo).statements()]
    assert len(statements) == heads["n1"].sequence
    assert history_flaws(repo, carol(repo)) == []
    repo.git("fsck", "--strict")


def test_the_journals_sum_and_what_is_trusted_are_written_with_its_entry(repo: GitRepo) -> None:
    writer = ledger(repo)
    assert writer.journal_head() is None
    sums = {"journal/head.json": b"{}", "trusted.json": canonical({"commit": "2" * 40})}
    writer.append([Entry(path="journal/2026/03/1.dsse.json", envelope=b"{}", blobs={}, sums=sums)])
    writer.set_trusted("2" * 40)
    assert (ledger(repo).journal_head(), ledger(repo).trusted()) == (b"{}", "2" * 40)
    assert repo.git("rev-list", "--count", "evidence") == "1"
