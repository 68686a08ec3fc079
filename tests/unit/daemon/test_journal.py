"""The journal on real repositories: what is on the evidence branch after each thing that can happen to a state."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.cli.archive import open_archive
from reconciler.daemon.journal import GitHistory, Journal, refusals_of
from reconciler.daemon.source import Sight, TrustedSource
from reconciler.errors.taxonomy import Finding, InputError, TransientError, TrustError
from reconciler.evidence.journal import (
    Followed,
    JournalEvent,
    KeyRotated,
    Override,
    Pinned,
    RefusalOver,
    Refused,
    Step,
)
from reconciler.evidence.journal_check import History
from reconciler.plan.pin import parse_pin, pinned_document
from reconciler.ports.ledger import Entry
from reconciler.repo.approving import approve
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.provenance import MANY, steps_to
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from tests.support.documents import FILES, changed
from tests.support.gitrepo import GitRepo
from tests.support.journal_audit import JournalFindings, check_journal
from tests.support.journalled import JournalledRunner, audited, head_of
from tests.support.sites import EnclaveShape
from tests.support.sites import site as sketch
from tests.support.stages import Stage, at_stage
from tests.support.world import World
from tests.unit.daemon.test_source import TENANT, Site

BLUE = "tenants/blue/enclaves/blue.yaml"
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@dataclass(kw_only=True)
class Desk:
    """A source, and the journal that is kept of it."""

    site: Site
    source: TrustedSource = field(init=False)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.source = self.site.source(key="carol")
        self.journal = self.fresh()

    @property
    def git(self) -> Git:
        return Git(self.site.repo.path)

    def fresh(self, ledger: Callable[[], GitLedger] | None = None) -> Journal:
        def now() -> datetime:
            return datetime.now(UTC)

        key = EvidenceKey(self.site.repo.keys["carol"])
        return Journal(ledger or (lambda: self.source.ledger), key=key, now=now, history=GitHistory(self.git, now=now))

    def follow(self) -> Sight:
        sight = self.source.refresh()
        self.journal.follow(sight)
        return sight

    def audited(self) -> JournalFindings:
        tip = self.git.head("evidence") or ""
        archive = open_archive(self.git, blob=lambda _digest: None, trusted=self.source.refresh().desired.commit)
        history = History(
            desired=archive.desired,
            keys=archive.keys,
            leads_on=lambda before, after: self.git.is_ancestor(before, of=after),
        )
        paths = [e.path.decode() for e in self.git.files(tip, under="journal/") if e.path.endswith(b".dsse.json")]
        contents = self.git.objects(f"{tip}:{path}" for path in paths)
        envelopes = [(path, contents[f"{tip}:{path}"]) for path in paths]
        found = check_journal(envelopes, history=history, head=self.source.ledger.journal_head())
        assert found.flaws == []
        return found

    def events(self) -> list[JournalEvent]:
        return [event for entry in self.audited().entries for event in entry.events]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    repo = GitRepo(tmp_path)
    made = Site(repo=repo)
    made.commit({**FILES, "trust/allowed_signers": repo.allowed("alice", "bob", "carol")})
    return Desk(site=made)


def _freeze(reason: str) -> dict[str, bytes]:
    return {"ringfence.yaml": FILES["ringfence.yaml"] + f"  freeze: {{reason: {reason}}}\n".encode()}


def test_a_commit_is_followed_and_trusted_in_one_evidence_commit_once(desk: Desk) -> None:
    desk.follow()
    desk.follow()
    Desk(site=desk.site).follow()
    repo = desk.site.repo
    assert repo.git("rev-list", "--count", "evidence") == "1"
    files = repo.git("ls-tree", "-r", "--name-only", "evidence").splitlines()
    assert {"journal/head.json", "trusted.json"} <= set(files)
    assert desk.source.ledger.trusted() == desk.site.head
    (event,) = desk.events()
    assert isinstance(event, Followed)
    assert (event.commit, event.before, event.is_compared) == (desk.site.head, None, False)
    assert [(step.signer, step.confirms) for step in event.steps] == [("alice", ("trust",))]


def test_what_came_in_between_is_told_with_signers_approvals_and_overrides(desk: Desk) -> None:
    desk.follow()
    before = desk.site.head
    first = desk.site.commit({TENANT: FILES[TENANT] + b"# more\n"})
    second = desk.site.commit(_freeze("a fair"))
    approve(desk.git, second, key=desk.site.repo.keys["bob"])
    desk.follow()
    followed = desk.events()[-1]
    assert isinstance(followed, Followed)
    assert (followed.before, followed.is_compared) == (before, True)
    assert followed.overrides == (Override(what="freeze", subject="repository", after="a fair"),)
    assert [(step.commit, step.signer, step.approved_by) for step in followed.steps] == [
        (second, "alice", ("bob",)),
        (first, "alice", ()),
    ]
    assert all(step.key == EvidenceKey(desk.site.repo.keys["alice"]).key_id for step in followed.steps)


def test_a_process_that_starts_later_compares_with_what_is_on_record(desk: Desk) -> None:
    desk.site.commit(_freeze("a fair"))
    desk.follow()
    desk.site.commit({"ringfence.yaml": FILES["ringfence.yaml"]})
    late = Desk(site=desk.site)
    late.follow()
    event = late.events()[-1]
    assert isinstance(event, Followed)
    assert event.overrides == (Override(what="freeze", subject="repository", before="a fair"),)


def test_refusals_are_told_with_the_commit_and_end(desk: Desk) -> None:
    desk.follow()
    draft = at_stage(Stage.FRESH).draft()
    unsigned = desk.site.commit({TENANT: FILES[TENANT] + b"# x\n"}, signer=None)
    desk.follow()
    desk.journal.note(draft, {})
    told = desk.events()[-1]
    assert isinstance(told, Refused)
    assert (told.refusal.subject, told.refusal.code) == (f"commit {unsigned[:12]}", "UnsignedCommit")
    desk.site.rewind(desk.site.commits[0])
    broken = desk.site.commit({BLUE: changed(BLUE, "image: worker", "image: nothing")[BLUE]})
    desk.follow()
    desk.journal.note(draft, {})
    over, told = desk.events()[-2:]
    assert isinstance(over, RefusalOver)
    assert isinstance(told, Refused)
    assert told.refusal.subject == f"commit {broken[:12]}"
    assert "nothing" in told.refusal.messages[0]
    desk.site.commit({BLUE: FILES[BLUE]})
    desk.follow()
    assert [type(event) for event in desk.events()[-2:]] == [Followed, RefusalOver]


def test_refusals_of_findings_name_their_commits_one_by_one() -> None:
    sketched = sketch(nodes=1)
    findings = (Finding(path="a.yaml", line=2, column=3, code="BadValue", message="is odd"),)
    refusals = (
        TrustError("commit 0123", "x", reason="UnsignedCommit"),
        TrustError("commit 0123", "y", reason="UnsignedCommit"),
        InputError("repository", "1 finding", reason="DocumentsInvalid", findings=findings),
        InputError("repository", "too old", reason="DocumentsInvalid"),
    )
    nobody = AllowedSigners(signers=())
    sight = Sight(desired=sketched, signers=nobody, refusals=refusals, faulty=("a" * 40, "b" * 40))
    assert [(r.subject, r.messages) for r in refusals_of(sight)] == [
        ("commit 0123", ("x", "y")),
        (f"commit {'a' * 12}", ("a.yaml:2:3: is odd",)),
        (f"commit {'b' * 12}", ("too old",)),
    ]


def test_a_plan_that_was_pinned_is_told(desk: Desk) -> None:
    desk.follow()
    draft = at_stage(Stage.FRESH).draft()
    pin = parse_pin(json.loads(json.dumps(pinned_document(draft.plan, tree=draft.desired.tree))))
    desk.journal.pinned(pin)
    event = desk.events()[-1]
    assert isinstance(event, Pinned)
    assert (event.plan, event.actions) == (pin.digest, tuple(sorted(pin.changes)))


def test_the_history_of_what_is_not_there_is_not_known(desk: Desk) -> None:
    history = GitHistory(desk.git, now=lambda: NOW)
    assert history.state("1" * 40) is None
    assert history.steps("1" * 40, before=None) == ()
    assert history.steps(desk.site.head, before="1" * 40) == ()


def test_no_more_than_the_newest_commits_are_told(desk: Desk) -> None:
    first = desk.site.head
    for number in range(MANY + 2):
        desk.site.commit({TENANT: FILES[TENANT] + f"# {number}\n".encode()})
    steps = steps_to(desk.git, desk.site.head, before=first, now=datetime.now(UTC))
    assert [step.commit for step in steps] == desk.site.commits[: -MANY - 1 : -1]


def test_a_commit_that_nobody_could_judge_is_told_without_a_signer(desk: Desk) -> None:
    root = desk.site.repo.commit({"a": b"b"}, signer=None)
    assert steps_to(desk.git, root, before=None, now=NOW) == (Step(commit=root),)
    child = desk.site.commit({TENANT: FILES[TENANT] + b"# x\n"}, signer=None)
    (step,) = steps_to(desk.git, child, before=None, now=NOW)
    assert (step.signer, step.key, step.confirms) == (None, None, ("trust",))


class Busy:
    """A ledger that does not take anything for a while."""

    def __init__(self, ledger: GitLedger, *, is_busy: bool = True) -> None:
        self.ledger, self.is_busy = ledger, is_busy

    def journal_head(self) -> bytes | None:
        return self.ledger.journal_head()

    def set_trusted(self, commit: str) -> None:
        self.ledger.set_trusted(commit)

    def append(self, entries: Sequence[Entry]) -> str:
        if self.is_busy:
            raise TransientError("branch evidence", "was moved", reason="EvidenceMoved")
        return self.ledger.append(entries)


def test_a_branch_that_is_busy_keeps_a_commit_from_being_followed_and_a_note_waits(desk: Desk) -> None:
    sight = desk.source.refresh()
    busy = Busy(desk.source.ledger)
    key = EvidenceKey(desk.site.repo.keys["carol"])
    history = GitHistory(desk.git, now=lambda: NOW)
    journal = Journal(lambda: busy, key=key, now=lambda: NOW, history=history)
    draft = at_stage(Stage.FRESH).draft()
    journal.note(draft, {})
    with pytest.raises(TransientError):
        journal.follow(sight)
    assert desk.source.ledger.trusted() is None
    busy.is_busy = False
    journal.follow(sight)
    busy.is_busy = True
    refused = replace(sight, refusals=(TrustError("commit 0123", "x", reason="UnsignedCommit"),))
    journal.follow(refused)
    journal.note(draft, {})
    assert [type(event) for event in desk.events()] == [Followed]
    busy.is_busy = False
    journal.note(draft, {})
    assert [type(event) for event in desk.events()] == [Followed, Refused]


def test_a_rotation_is_told_with_its_reason_in_the_pass_that_made_it() -> None:
    blue = [EnclaveShape(name="blue", count=1)]
    world = World(sketch(nodes=1, enclaves=blue))
    JournalledRunner(world).settle()
    assert head_of(world).keys == {"common": 1}
    world.trust(sketch(nodes=1, revision=1))
    runner = JournalledRunner(world)
    while head_of(world).keys == {"common": 1}:
        runner.run()
    assert head_of(world).keys == {"common": 2}
    assert [event.why for event in _rotations(world)] == ["it was made", "n1 knew it"]


def _rotations(world: World) -> list[KeyRotated]:
    events = (event for entry in audited(world).entries for event in entry.events)
    return [event for event in events if isinstance(event, KeyRotated)]
