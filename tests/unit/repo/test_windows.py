"""Dates: how windows are read, and which moment they are held against before and after a commit is on record."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.daemon.source import TrustedSource
from reconciler.errors.taxonomy import TrustError
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.recollection import judge_by_record
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.trust import FetchedCommit, judge
from reconciler.repo.windows import ALWAYS, Window, parse_date, parse_window
from tests.support.attackrepo import REPOSITORY, SIGNERS, TENANT, AttackRepo, rules_yaml, tenant
from tests.support.gitrepo import GitRepo, make_key

NOW = datetime.now(UTC) + timedelta(hours=1)
"""Later than whatever these tests commit, however long they take."""
LATER = NOW + timedelta(days=900)
SOON = (NOW + timedelta(days=2)).strftime("%Y%m%d")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("19700102", 86400),
        ("19700102Z", 86400),
        ("197001020001Z", 86460),
        ("19700102000001", 86401),
        ("20270231", None),
        ("2027", None),
        ("20271301Z", None),
        ("2027-01-01", None),
        ("20270101z", None),
        ("", None),
        ("٢٠٢٧٠١٠١", None),
    ],
)
def test_a_date_is_read_as_utc_or_not_at_all(text: str, moment: int | None) -> None:
    assert parse_date(text) == moment


def test_a_window_holds_at_both_its_ends_and_not_beyond() -> None:
    window = parse_window({"valid-after": "19700102", "valid-before": "19700103", "namespaces": "git"})
    assert window == Window(after=86400, before=172800)
    assert isinstance(window, Window)
    assert window.problem(86400) is None
    assert window.problem(172800) is None
    assert (window.problem(86399) or ("", ""))[0] == "SignerNotYet"
    assert (window.problem(172801) or ("", ""))[0] == "SignerExpired"
    assert parse_window({}) == ALWAYS


def with_soon(repo: AttackRepo) -> str:
    """Let alice admit a signer whose key expires soon, and that signer change the tenant; return the second commit."""
    repo.keys["soon"] = make_key(repo.path / ".git" / "soon")
    signers = repo.signers(repo.line("soon", options=f'valid-before="{SOON}Z" '))
    rules = rules_yaml(blue="bob, soon")
    admitted = repo.commit({SIGNERS: signers, REPOSITORY: rules}, signer="alice", parents=[repo.base])
    return repo.commit({TENANT: tenant(5)}, signer="soon", parents=[admitted])


def record(repo: AttackRepo, commit: str, *, key: str = "carol") -> None:
    known = AllowedSigners(signers=(EvidenceKey(repo.keys["carol"]).signer("carol"),))
    GitLedger(Git(repo.path), branch="evidence", key=EvidenceKey(repo.keys[key]), signers=known).set_trusted(commit)


def test_a_commit_that_is_not_on_record_is_held_to_the_window_as_of_now(attacked: AttackRepo) -> None:
    head = with_soon(attacked)
    git = Git(attacked.path)
    assert judge(git, head=FetchedCommit(commit=head), last_trusted=attacked.base, now=NOW).refusals == ()
    late = judge(git, head=FetchedCommit(commit=head), last_trusted=attacked.base, now=LATER)
    assert [refusal.reason for refusal in late.refusals] == ["SignerExpired"]


def test_what_is_on_record_is_judged_by_its_own_date(attacked: AttackRepo) -> None:
    head = with_soon(attacked)
    newer = attacked.commit({TENANT: tenant(6)}, signer="soon", parents=[head])
    record(attacked, head)
    judgement = judge_by_record(Git(attacked.path), head=newer, now=LATER)
    assert judgement.trusted is not None
    assert judgement.trusted.commit == head
    assert [refusal.reason for refusal in judgement.refusals] == ["SignerExpired"]


def test_the_record_is_followed_through_a_change_of_its_signers(attacked: AttackRepo) -> None:
    first = with_soon(attacked)
    record(attacked, first)
    signers = attacked.git("cat-file", "blob", f"{first}:{SIGNERS}").encode() + b"\n" + attacked.line("mallory")
    rules = rules_yaml(blue="bob, soon").replace(b"signers: [carol]", b"signers: [mallory]")
    handed_over = attacked.commit({SIGNERS: signers, REPOSITORY: rules}, signer="alice", parents=[first])
    second = attacked.commit({TENANT: tenant(6)}, signer="soon", parents=[handed_over])
    record(attacked, second, key="mallory")
    judgement = judge_by_record(Git(attacked.path), head=second, now=LATER)
    assert judgement.refusals == ()
    assert judgement.trusted is not None
    assert judgement.trusted.commit == second


def test_a_record_by_nobody_who_may_is_refused(attacked: AttackRepo) -> None:
    head = attacked.commit({TENANT: tenant(5)}, signer="bob", parents=[attacked.base])
    record(attacked, head, key="dave")
    with pytest.raises(TrustError) as caught:
        judge_by_record(Git(attacked.path), head=head, now=NOW)
    assert caught.value.reason == "EvidenceForeign"


def test_a_gpg_key_that_has_expired_since_still_vouches_for_what_is_on_record(attacked: AttackRepo) -> None:
    with attacked.at("2020-06-01T12:00:00Z"):
        root = attacked.commit_tree(f"{attacked.base}^{{tree}}", signer="alice")
        used = attacked.commit({TENANT: tenant(5)}, signer="erin", parents=[root])
    git = Git(attacked.path)
    then = datetime(2020, 6, 1, 12, 1, tzinfo=UTC)
    for judgement in (
        judge(git, head=FetchedCommit(commit=used), last_trusted=root, now=then),
        judge(git, head=FetchedCommit(commit=used), last_trusted=None, now=NOW, recorded=used),
    ):
        assert judgement.refusals == ()
    late = judge(git, head=FetchedCommit(commit=used), last_trusted=root, now=NOW)
    assert [refusal.reason for refusal in late.refusals] == ["SignerExpired"]


def test_clocks_may_differ_by_five_minutes(attacked: AttackRepo) -> None:
    git = Git(attacked.path)
    made = int(attacked.git("show", "-s", "--format=%ct", attacked.base))
    for seconds, reasons in ((-299, []), (-301, ["CommitBackdated"]), (299, []), (3600, ["CommitFromFuture"])):
        with attacked.at(f"{made + seconds} +0000"):
            head = attacked.commit({TENANT: tenant(5)}, signer="bob", parents=[attacked.base])
        now = datetime.fromtimestamp(made, UTC)
        judgement = judge(git, head=FetchedCommit(commit=head), last_trusted=attacked.base, now=now)
        assert [refusal.reason for refusal in judgement.refusals] == reasons


def test_a_commit_from_the_future_counts_when_its_time_has_come(attacked: AttackRepo) -> None:
    moment = [NOW]
    with attacked.at(f"{int((NOW + timedelta(hours=1)).timestamp())} +0000"):
        head = attacked.commit({TENANT: tenant(5)}, signer="bob", parents=[attacked.base])
    source = TrustedSource(Git(attacked.path), now=lambda: moment[0])
    source.refresh()
    attacked.point("main", head)
    assert [refusal.reason for refusal in source.refresh().refusals] == ["CommitFromFuture"]
    moment[0] = NOW + timedelta(hours=1)
    assert source.refresh().desired.commit == head


def clone(repo: AttackRepo, folder: Path) -> AttackRepo:
    repo.git("clone", "-q", str(repo.path), str(folder), cwd=folder.parent)
    made = object.__new__(AttackRepo)
    made.__dict__ |= {**repo.__dict__, "path": folder}
    return made


@pytest.mark.parametrize("key", ["carol", None])
def test_a_fresh_clone_finds_what_was_trusted(attacked: AttackRepo, tmp_path: Path, key: str | None) -> None:
    newer = attacked.commit({TENANT: tenant(5)}, signer="bob", parents=[attacked.base])
    record(attacked, newer)
    fresh = clone(attacked, tmp_path / "fresh")
    fresh.git("fetch", "-q", str(attacked.path), f"{newer}:refs/heads/kept")
    source = TrustedSource(Git(fresh.path), key=EvidenceKey(fresh.keys[key]) if key else None)
    sight = source.refresh()
    assert sight.desired.commit == newer
    assert [refusal.reason for refusal in sight.refusals] == ["HistoryRewound"]
    local = fresh.git("for-each-ref", "--format=%(objectname)", "refs/heads/evidence")
    assert local == (attacked.git("rev-parse", "evidence") if key else "")


def test_without_gpg_a_commit_that_needs_it_is_refused_and_says_so(
    tmp_path: Path, attacked: AttackRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "ssh-keygen"):
        (programs / name).symlink_to(shutil.which(name) or "")
    repo = GitRepo(tmp_path)
    root = repo.begin()
    head = repo.commit({"trust/gpg/sten.asc": attacked.gpg.armour["sten"] + b"\n"}, signer="alice", parents=[root])
    monkeypatch.setenv("PATH", str(programs))
    judgement = judge(Git(repo.path), head=FetchedCommit(commit=head), last_trusted=root)
    assert judgement.trusted is not None
    assert judgement.trusted.commit == root
    assert [(refusal.reason, refusal.hint) for refusal in judgement.refusals] == [
        ("GpgMissing", "apt-get install gnupg")
    ]
