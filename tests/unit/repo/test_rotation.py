"""A new year on the evidence branch: what stays, what goes, and what is no excuse for deleting."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.note import parse_checkpoint, parse_note
from reconciler.evidence.segments import record_log
from reconciler.ports.ledger import Entry
from reconciler.repo.evidence_history import walk_history
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.places import CLOSING, OPENING, blob_path, head_path
from reconciler.repo.receive import Update, judge_push
from reconciler.repo.rotation import find_openings
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers
from reconciler.repo.signing import EvidenceKey, public_keys
from tests.support.gitrepo import GitRepo
from tests.support.plain_entries import plain_entry

LAST = "statements/2026/12/31/n1-1.dsse.json"


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path, bare=True)


def ledger(repo: GitRepo, *, year: int | None = None) -> GitLedger:
    def now() -> datetime:
        return datetime.now(UTC) if year is None else datetime(year, 1, 1, 0, 0, 1, tzinfo=UTC)

    key = EvidenceKey(repo.keys["carol"])
    return GitLedger(
        Git(repo.path), branch="evidence", key=key, signers=AllowedSigners(signers=()), origin="x/e", now=now
    )


def next_year() -> int:
    return datetime.now(UTC).year + 1


def listing(repo: GitRepo, commit: str = "evidence") -> set[str]:
    return set(repo.git("ls-tree", "-r", "--name-only", commit).splitlines())


def flaws(repo: GitRepo) -> list[str]:
    git = Git(repo.path)
    tip = git.head("evidence") or ""
    signers = parse_allowed_signers(repo.allowed("carol"), path="")[0]
    openings = find_openings(git, tip)
    found = walk_history(
        git, tip, signers=signers, keys=public_keys(signers), is_rotation=lambda commit: commit in openings
    )
    return [flaw.reason for flaw in found.flaws]


def with_log(entry: Entry) -> Entry:
    """Return ``entry`` with an enrolment and an IMA log of two segments that its head leans on."""
    first = record_log(b"a" * 100, before=None)
    second = record_log(b"a" * 100 + b"b", before=first.tip)
    certificate = b"certificate"
    name = f"sha256:{hashlib.sha256(certificate).hexdigest()}"
    enrolment = json.dumps({"ek_certificate": name}).encode()
    own = {hashlib.sha256(data).hexdigest(): data for data in (certificate, enrolment)}
    enrolled = f"sha256:{hashlib.sha256(enrolment).hexdigest()}"
    head = entry.heads[0].model_copy(update={"ima": second.tip, "enrolment": enrolled})
    return Entry(
        path=entry.path,
        envelope=entry.envelope,
        blobs={**entry.blobs, **own, **first.blobs, **second.blobs},
        heads=(head,),
    )


def test_the_first_record_of_a_year_closes_the_one_before(repo: GitRepo) -> None:
    writer = ledger(repo)
    entry = with_log(plain_entry("n1", 1))
    before = writer.append([entry])
    writer.set_trusted("2" * 40)
    year = next_year()
    ledger(repo, year=year).append([plain_entry("n2", 1)])
    closing = repo.git("rev-parse", f"evidence-{year - 1}")
    assert repo.git("rev-parse", "evidence^^") == closing
    assert repo.git("show", f"{closing}:{CLOSING}") == repo.git("show", f"{closing}:checkpoints/latest")
    assert entry.path in listing(repo, closing)
    opened = listing(repo, "evidence^")
    lean = {blob_path(name) for name in entry.blobs if entry.blobs[name] != b"log"}
    assert opened == {head_path("n1"), "trusted.json", OPENING, *lean}
    note = parse_checkpoint(parse_note(repo.git("show", "evidence:checkpoints/latest").encode() + b"\n").body)
    assert (note.origin, note.size) == (f"x/e/{year}", 1)
    fresh = ledger(repo, year=year)
    assert set(fresh.heads()) == {"n1", "n2"}
    assert fresh.trusted() == "2" * 40
    fresh.append([plain_entry("n1", 2)])
    assert repo.git("rev-list", "--count", "--first-parent", "evidence") == "6"
    assert repo.git("merge-base", "evidence", before) == before
    assert flaws(repo) == []
    repo.git("fsck", "--strict")


def test_years_follow_each_other_and_empty_ones_are_not_closed(repo: GitRepo) -> None:
    ledger(repo).append([plain_entry("n1", 1)])
    year = next_year()
    assert ledger(repo).rotate() is None
    closing = ledger(repo, year=year).rotate()
    assert closing == repo.git("rev-parse", f"evidence-{year - 1}")
    assert ledger(repo, year=year).rotate() is None
    assert ledger(repo, year=year + 1).rotate() is None
    ledger(repo, year=year + 2).append([plain_entry("n1", 2)])
    assert len(find_openings(Git(repo.path), repo.git("rev-parse", "evidence"))) == 1
    ledger(repo, year=year + 3).append([plain_entry("n1", 3)])
    assert len(find_openings(Git(repo.path), repo.git("rev-parse", "evidence"))) == 2
    assert flaws(repo) == []


def test_deleting_beside_an_opening_is_found(repo: GitRepo) -> None:
    ledger(repo).append([plain_entry("n1", 1), plain_entry("n2", 1)])
    ledger(repo, year=next_year()).rotate()
    tip = repo.git("rev-parse", "evidence")
    closing = repo.git("rev-parse", "evidence^")
    opening = repo.git("show", f"{tip}:{OPENING}").encode()
    forged = {
        "a head left out": {**dict.fromkeys(listing(repo, closing)), OPENING: opening},
        "a head changed": {OPENING: opening, head_path("n1"): b"{}", "statements/2026/01/02/n1-1.dsse.json": None},
        "a statement kept back": {OPENING: opening, "checkpoints/2": None},
    }
    for files in forged.values():
        made = repo.commit(files, signer="carol", parents=[closing])
        repo.point("evidence", made)
        assert "EvidenceRewritten" in flaws(repo)
    later = repo.commit({head_path("n2"): None}, signer="carol", parents=[tip])
    repo.point("evidence", later)
    assert flaws(repo) == ["EvidenceRewritten"]


def test_a_forge_takes_a_new_year(repo: GitRepo) -> None:
    root = repo.begin()
    repo.point("main", root)
    first = ledger(repo).append([plain_entry("n1", 1)])
    tip = ledger(repo, year=next_year()).append([plain_entry("n1", 2)])
    assert judge_push(Git(repo.path), [Update(old=first, new=tip, ref="refs/heads/evidence")], branch="main") == []


def test_an_opening_that_cannot_be_read_stops_the_writer(repo: GitRepo) -> None:
    tip = ledger(repo).append([plain_entry("n1", 1)])
    repo.point("evidence", repo.commit({OPENING: b"{}"}, signer="carol", parents=[tip]))
    with pytest.raises(TrustError):
        ledger(repo).append([plain_entry("n1", 2)])
