"""Evidence that somebody tampered with: in every way that is known, each found, and each told by its own name.

Every attack is tried three times: committed on top by a stranger, on top by who holds the evidence key, and as a
history of its own by who holds it, where nothing but the evidence itself can tell. Where even that cannot tell, a tree
head that an auditor kept from before does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from reconciler.cli.auditing import run_audit
from reconciler.cli.evidence import COMMANDS
from reconciler.daemon.source import Sight, TrustedSource
from reconciler.errors.taxonomy import InputError
from reconciler.evidence.audit import Findings
from reconciler.evidence.author import Author
from reconciler.evidence.canonical import canonical, canonical_value, digest
from reconciler.evidence.journal import Followed
from reconciler.evidence.journal_entries import journal_entries
from reconciler.evidence.merkle import leaf_hash, root
from reconciler.evidence.note import Checkpoint, parse_checkpoint, parse_note
from reconciler.evidence.overrides import overrides
from reconciler.evidence.round import records_path
from reconciler.evidence.rules import pack_rules, read_rules
from reconciler.evidence.statement import Record, parse_statement, statement_bytes
from reconciler.model.record import Event
from reconciler.repo.desired import load_desired
from reconciler.repo.places import blob_path
from reconciler.repo.snapshot import read_commit
from tests.support.estate import Estate, estate
from tests.support.runner import EVIDENCE_KEY
from tests.support.sites import EnclaveShape, site
from tests.support.tampering import STRANGER, Attack, Branch
from tests.support.world_agent import Malice

JOURNAL, LATER = "journal/2026/03/1.dsse.json", "journal/2026/03/2.dsse.json"
LATEST = "checkpoints/latest"


def _blue(reattest: str) -> list[EnclaveShape]:
    return [EnclaveShape(name="blue", count=2, reattest=reattest)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return an estate with two members, one rejected node, two desired states, and an entry of the journal."""
    made = estate(tmp_path_factory.mktemp("original"), desired=site(nodes=3, enclaves=_blue("30s")))
    made.world.machines["n2"].malice = Malice.TAMPERED
    made.settle()
    made.become("main", replace(site(nodes=3, enclaves=_blue("31s")), commit="1" * 40))
    made.settle()
    _write_journal(made)
    return made


def _write_journal(made: Estate) -> None:
    """Record that both desired states came into force, each in an entry of its own."""
    git, before, head = made.git, None, None
    for commit, _ in git.first_parents(git.head("main") or "", past=None):
        after = load_desired(read_commit(git, commit))
        followed = Followed(
            commit=commit,
            tree=after.tree,
            before=before.commit if before else None,
            is_compared=before is not None,
            overrides=overrides(before, after),
        )
        author = Author(sign=EVIDENCE_KEY.sign, key_id=made.key.key_id, commit=commit, tree=after.tree)
        entries, head = journal_entries(head, [followed], author=author, at=made.world.clock.now())
        made.ledger.append(entries)
        before = after


@pytest.fixture(scope="module")
def honest(original: Estate) -> Branch:
    return Branch.of(original)


@pytest.fixture
def branch(original: Estate, honest: Branch, tmp_path: Path) -> Branch:
    """Return a copy that a test may doctor."""
    copied = honest.copy()
    copied.estate = original.copy(tmp_path)
    return copied


_SIGHTS: dict[str, Sight] = {}


def sight_of(made: Estate) -> Sight:
    """Return the desired state in force, which no test here changes; found out once."""
    head = made.git.head("main") or ""
    if head not in _SIGHTS:
        _SIGHTS[head] = TrustedSource(made.git).refresh()
    return _SIGHTS[head]


def audited(made: Estate, *, heads: tuple[Checkpoint, ...] = (), is_alone: bool = False) -> Findings:
    """Return what an audit finds that knows the desired state in force, or has to find it out alone."""
    with run_audit(made.git, sight=None if is_alone else sight_of(made), heads=heads) as done:
        return done.findings


def codes(made: Estate, **options: Any) -> set[str]:  # noqa: ANN401 - those of audited
    return {flaw.code for flaw in audited(made, **options).flaws}


def kept_head(branch: Branch) -> Checkpoint:
    return parse_checkpoint(parse_note(branch.files[LATEST]).body)


# Attacks by anybody: bytes of files, nothing signed anew.


def flip(path: Callable[[Branch], str], *, at: float = 0.5) -> Attack:
    def attack(branch: Branch) -> None:
        name = path(branch)
        data = bytearray(branch.files[name])
        data[int(at * len(data))] ^= 1
        branch.files[name] = bytes(data)

    return attack


def reword(path: Callable[[Branch], str], old: bytes, new: bytes) -> Attack:
    return lambda branch: branch.reword(path(branch), old, new)


def drop(path: Callable[[Branch], str]) -> Attack:
    return lambda branch: branch.files.pop(path(branch), None) and None


def copy_over(source: Callable[[Branch], str], target: Callable[[Branch], str]) -> Attack:
    def attack(branch: Branch) -> None:
        branch.files[target(branch)] = branch.files[source(branch)]

    return attack


def swap(one: Callable[[Branch], str], other: Callable[[Branch], str]) -> Attack:
    def attack(branch: Branch) -> None:
        first, second = one(branch), other(branch)
        branch.files[first], branch.files[second] = branch.files[second], branch.files[first]

    return attack


def edit(path: Callable[[Branch], str], change: Callable[[bytes], bytes]) -> Attack:
    def attack(branch: Branch) -> None:
        branch.files[path(branch)] = change(branch.files[path(branch)])

    return attack


def statement(event: Event, *, node: str | None = None) -> Callable[[Branch], str]:
    return lambda branch: branch.first(event, node=node)


def a_round(index: int = 0) -> Callable[[Branch], str]:
    return lambda branch: [item.path for item in branch.items() if item.is_round][index]


def leaves(index: int = 0) -> Callable[[Branch], str]:
    return lambda branch: records_path(a_round(index)(branch))


def at(path: str) -> Callable[[Branch], str]:
    return lambda _branch: path


def named_blob(part: str) -> Callable[[Branch], str]:
    def find(branch: Branch) -> str:
        record = parse_statement(branch.payload(branch.first(Event.APPRAISED))).predicate
        assert record.appraisal is not None
        holder = record.appraisal if part == "rules" else record.appraisal.evidence
        return blob_path(str(getattr(holder, part)).removeprefix("sha256:"))

    return find


def another_size(data: bytes) -> bytes:
    return re.sub(rb"\n(\d+)\n", rb"\n1\1\n", data, count=1)


def first_lines_swapped(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([lines[1], lines[0], *lines[2:]])


def first_line_twice(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([lines[0], *lines])


def last_line_gone(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:-1])


def add_file(path: str, content: bytes = b"hello", mode: str | None = None) -> Attack:
    def attack(branch: Branch) -> None:
        branch.files[path] = content
        if mode is not None:
            branch.modes[path] = mode

    return attack


STRAY_BLOB = blob_path(digest(b"hello").removeprefix("sha256:"))

BY_ANYBODY: dict[str, tuple[Attack, set[str]]] = {
    "edit a statement": (
        reword(statement(Event.ADMITTED), b"access 200", b"access 201"),
        {"LogDiffers", "EnvelopeUntrusted"},
    ),
    "edit a rejection": (
        reword(statement(Event.REJECTED), b"rejected", b"returned"),
        {"LogDiffers", "EnvelopeUntrusted"},
    ),
    "edit a round": (reword(a_round(), b"ringfence/0.1.0", b"ringfence/0.1.1"), {"LogDiffers", "EnvelopeUntrusted"}),
    "edit an envelope": (flip(statement(Event.ASSIGNED), at=0.0), {"LogDiffers", "EnvelopeMalformed"}),
    "edit a leaf of a round": (flip(leaves()), {"RoundAltered"}),
    "edit a journal entry": (
        reword(at(JOURNAL), b"ringfence/0.1.0", b"ringfence/0.1.1"),
        {"LogDiffers", "EnvelopeUntrusted"},
    ),
    "edit the journal's head": (flip(at("journal/head.json")), {"HeadMismatch"}),
    "drop the journal's head": (drop(at("journal/head.json")), {"HeadMismatch"}),
    "swap two journal entries": (swap(at(JOURNAL), at(LATER)), {"LogDiffers", "StatementMoved"}),
    "edit a line of the log": (flip(at("log/000/000"), at=0.0), {"CheckpointDiffers", "FrontierDiffers"}),
    "edit the tree head": (
        edit(at(LATEST), lambda d: d.replace(b"evidence\n", b"evidencf\n")),
        {"CheckpointUntrusted"},
    ),
    "edit the size of the tree head": (edit(at(LATEST), another_size), {"CheckpointForged"}),
    "edit a head": (edit(at("nodes/n1/head.json"), lambda d: d.replace(b"ENCLAVE", b"AIRLOCK")), {"HeadMismatch"}),
    "edit the frontier": (edit(at("log/frontier.json"), lambda data: data + b" "), {"FrontierMalformed"}),
    "edit the trusted commit": (edit(at("trusted.json"), lambda _: canonical({"commit": "f" * 40})), {"CommitStray"}),
    "edit an event log": (flip(named_blob("event_log")), {"BlobAltered", "BlobMissing"}),
    "edit an enrolment": (flip(named_blob("enrolment")), {"BlobAltered", "BlobMissing"}),
    "edit rules": (flip(named_blob("rules")), {"BlobAltered", "BlobMissing"}),
    "drop a statement": (drop(statement(Event.ENROLLED)), {"LogMissing", "ChainBroken"}),
    "drop a round": (drop(a_round()), {"LogMissing", "ChainBroken", "LogUnlisted"}),
    "drop the records of a round": (drop(leaves()), {"RoundAltered", "ChainBroken"}),
    "drop a journal entry": (drop(at(JOURNAL)), {"LogMissing", "ChainBroken", "HeadMismatch"}),
    "drop a blob": (drop(named_blob("pcrs")), {"BlobMissing"}),
    "drop the log": (drop(at("log/000/000")), {"LogUnlisted", "CheckpointAhead"}),
    "drop the tree head": (drop(at(LATEST)), {"CheckpointMissing"}),
    "drop the frontier": (drop(at("log/frontier.json")), {"FrontierDiffers"}),
    "drop a head": (drop(at("nodes/n2/head.json")), {"HeadMismatch"}),
    "reorder lines of the log": (
        edit(at("log/000/000"), first_lines_swapped),
        {"CheckpointDiffers", "FrontierDiffers"},
    ),
    "reorder leaves": (edit(leaves(-1), first_lines_swapped), {"RoundAltered"}),
    "duplicate a line of the log": (edit(at("log/000/000"), first_line_twice), {"LogDuplicate", "CheckpointDiffers"}),
    "duplicate a leaf": (edit(leaves(), first_line_twice), {"RoundAltered"}),
    "duplicate a statement": (
        copy_over(statement(Event.CONFIRMED, node="n1"), at("statements/2026/03/03/12/n1-99.dsse.json")),
        {"LogUnlisted"},
    ),
    "duplicate a journal entry": (copy_over(at(JOURNAL), at("journal/2026/03/3.dsse.json")), {"LogUnlisted"}),
    "swap two statements": (
        swap(statement(Event.ASSIGNED), statement(Event.ADMITTED)),
        {"StatementMoved", "LogDiffers"},
    ),
    "swap two rounds": (swap(a_round(0), a_round(1)), {"LogDiffers", "RoundAltered"}),
    "swap two blobs": (swap(named_blob("pcrs"), named_blob("event_log")), {"BlobAltered", "BlobMissing"}),
    "truncate the log": (
        edit(at("log/000/000"), last_line_gone),
        {"CheckpointAhead", "FrontierDiffers", "LogUnlisted"},
    ),
    "truncate a round": (edit(leaves(), last_line_gone), {"RoundAltered"}),
    "replay an old tree head": (copy_over(at("checkpoints/1"), at(LATEST)), {"CheckpointBehind"}),
    "move a record to another node": (
        copy_over(statement(Event.CONFIRMED, node="n1"), at("statements/2026/03/03/12/n2-99.dsse.json")),
        {"LogUnlisted"},
    ),
    "give one node the head of another": (
        copy_over(at("nodes/n1/head.json"), at("nodes/n2/head.json")),
        {"HeadMismatch"},
    ),
    "add a blob": (add_file(STRAY_BLOB), {"BlobStray"}),
    "add a file": (add_file("README.md"), {"PlaceUnknown"}),
    "add a link": (add_file("observation.json", b"trusted.json", "120000"), {"ModeStray", "ObservationMalformed"}),
}


# Attacks by somebody who holds the evidence key, and makes everything anew around what is changed.


def change(event: Event, **changes: Any) -> Attack:  # noqa: ANN401 - Record's own
    return lambda branch: branch.change(branch.first(event), **changes)


def compute(event: Event, make: Callable[[Branch, Record], dict[str, Any]]) -> Attack:
    def attack(branch: Branch) -> None:
        path = branch.first(event)
        record = parse_statement(branch.payload(path)).predicate
        branch.change(path, **make(branch, record))

    return attack


def leaf(make: Callable[[Branch, Record], dict[str, Any]]) -> Attack:
    def attack(branch: Branch) -> None:
        item = next(item for item in branch.items() if item.is_round)
        branch.change(item.path, **make(branch, item.records[0]))

    return attack


def resign(path: Callable[[Branch], str]) -> Attack:
    """Sign a statement with a stranger's key, and everything above it with the real one."""

    def attack(branch: Branch) -> None:
        name = path(branch)
        branch.seal(name, branch.payload(name), key=STRANGER)
        branch.relog()

    return attack


def resign_head(branch: Branch) -> None:
    head = kept_head(branch)
    branch.put_head(LATEST, size=head.size, root=head.root, key=STRANGER)


def without(path: Callable[[Branch], str]) -> Attack:
    """Take a statement off the branch and off the log, and leave everything else as it is."""

    def attack(branch: Branch) -> None:
        name = path(branch)
        lines = [line for line in branch.lines() if line != name]
        del branch.files[name]
        branch.relog(lines)

    return attack


def forget(path: Callable[[Branch], str]) -> Attack:
    """Make everything anew as if one statement had never been."""

    def attack(branch: Branch) -> None:
        name = path(branch)
        branch.rewrite([item for item in branch.items() if item.path != name])

    return attack


def reorder_lines(branch: Branch) -> None:
    lines = branch.lines()
    one, other = (
        lines.index(branch.first(Event.ASSIGNED, node="n1")),
        lines.index(branch.first(Event.ADMITTED, node="n1")),
    )
    lines[one], lines[other] = lines[other], lines[one]
    branch.relog(lines)


def reorder_journal(branch: Branch) -> None:
    lines = branch.lines()
    one, other = lines.index(JOURNAL), lines.index(LATER)
    lines[one], lines[other] = LATER, JOURNAL
    branch.relog(lines)


def follow_another(branch: Branch) -> None:
    commit = branch.estate.git.head("main") or ""
    branch.seal(LATER, branch.payload(LATER).replace(commit.encode(), b"f" * 40))
    branch.relog()


def another_tree(branch: Branch) -> None:
    git = branch.estate.git
    tree = git.tree_of(git.head("main") or "")
    branch.seal(LATER, branch.payload(LATER).replace(tree.encode(), b"f" * 40))
    branch.relog()


def list_twice(branch: Branch) -> None:
    branch.relog([*branch.lines(), branch.first(Event.ADMITTED)])


def repeat_leaf(branch: Branch) -> None:
    items = branch.items()
    index = next(index for index, item in enumerate(items) if item.is_round)
    items[index] = replace(items[index], records=(items[index].records[0], *items[index].records))
    branch.rewrite(items)


def accept_the_rejected(branch: Branch) -> None:
    """Turn the rejection of ``n2`` into an acceptance, in the record's own fields."""
    path = branch.first(Event.REJECTED, node="n2")
    items = branch.items()
    index = next(i for i, item in enumerate(items) if item.path == path) - 1
    record = items[index].records[0]
    appraisal = record.appraisal
    assert appraisal is not None
    assert record.node == "n2"
    other = parse_statement(branch.payload(branch.first(Event.APPRAISED, node="n1"))).predicate
    evidence = appraisal.evidence
    times = {"accepted_at": evidence.received_at, "contacted_at": evidence.challenged_at}
    branch.change(items[index].path, nonce=evidence.nonce, clock=other.clock, **times)


def laxer_rules(branch: Branch) -> None:
    """Swap the policy that a node was held against for one that asks for less, and compute the verdict by it."""
    path = branch.first(Event.APPRAISED)
    record = parse_statement(branch.payload(path)).predicate
    assert record.appraisal is not None

    def blob(name: str) -> bytes | None:
        return branch.files.get(blob_path(name))

    rules = read_rules(blob, record.appraisal.rules)
    lax = replace(rules, policy=rules.policy.model_copy(update={"unsafe_any_image": True}))
    packed = pack_rules(lax)
    branch.files |= {blob_path(name): data for name, data in packed.blobs.items()}
    branch.change(path, appraisal=record.appraisal.model_copy(update={"rules": packed.digest}))


def other_commit(branch: Branch, record: Record) -> dict[str, Any]:
    git = branch.estate.git
    commit = git.head("main") or ""
    assert record.commit != commit
    return {"commit": commit}


def old_commit_late(branch: Branch) -> None:
    """Let the last statement claim to have been made under the first commit, tree and all."""
    items = branch.items()
    first = items[0].records[0]
    last = [item for item in items if item.records][-1]
    records = tuple(r.model_copy(update={"commit": first.commit, "tree": first.tree}) for r in last.records)
    branch.rewrite([replace(item, records=records) if item is last else item for item in items])


def earlier(**before: float) -> Callable[[Branch, Record], dict[str, Any]]:
    return lambda _branch, record: {"recorded_at": record.recorded_at - timedelta(**before)}


def another_node(branch: Branch) -> None:
    """Let a record of ``n1`` be one of ``n2``."""
    branch.change(branch.first(Event.CONFIRMED, node="n1"), node="n2")


def subject_of_another(branch: Branch) -> None:
    path = branch.first(Event.CONFIRMED, node="n1")
    record = parse_statement(branch.payload(path)).predicate
    other = branch.estate.world.desired.nodes["n2"].spec.tpm.endorsement
    payload = statement_bytes(record, endorsement=other)
    branch.seal(path, payload)
    branch.relog()


def reformat_leaf(branch: Branch) -> None:
    item = next(item for item in branch.items() if item.is_round)
    branch.files[records_path(item.path)] = branch.files[records_path(item.path)].replace(b'"ports":{}', b'"ports": {}')
    branch.relog()


def fresh_evidence(**changes: Any) -> Callable[[Branch, Record], dict[str, Any]]:  # noqa: ANN401 - Appraisal's own
    def make(_branch: Branch, record: Record) -> dict[str, Any]:
        assert record.appraisal is not None
        return {"appraisal": record.appraisal.model_copy(update=changes)}

    return make


def older_quote(_branch: Branch, record: Record) -> dict[str, Any]:
    """Hold a repeated proof against no earlier clock, as if any old quote would do."""
    return fresh_evidence(previous=None, must_be_same_boot=False)(_branch, record)


BY_KEY_HOLDER: dict[str, tuple[Attack, set[str]]] = {
    "re-sign a statement with a stranger's key": (resign(statement(Event.CONFIRMED)), {"EnvelopeUntrusted"}),
    "re-sign a round with a stranger's key": (resign(a_round(-1)), {"EnvelopeUntrusted", "HeadMismatch"}),
    "re-sign a journal entry with a stranger's key": (resign(at(JOURNAL)), {"EnvelopeUntrusted"}),
    "drop a journal entry": (without(at(JOURNAL)), {"ChainBroken", "HeadMismatch"}),
    "reorder journal entries": (reorder_journal, {"ChainBroken"}),
    "let the journal follow a commit that nobody trusts": (follow_another, {"CommitStray"}),
    "let a journal entry be of another tree": (another_tree, {"JournalStray"}),
    "re-sign the tree head with a stranger's key": (resign_head, {"CheckpointUntrusted"}),
    "drop a statement": (without(statement(Event.ENROLLED, node="n1")), {"ChainBroken"}),
    "drop an enrolment as if it had never been": (forget(statement(Event.ENROLLED, node="n1")), {"EnrolmentDiffers"}),
    "drop an acceptance as if it had never been": (forget(statement(Event.APPRAISED, node="n1")), {"GateSkipped"}),
    "reorder statements": (reorder_lines, {"ChainBroken"}),
    "put a statement on the log twice": (list_twice, {"LogDuplicate"}),
    "put a leaf into a round twice": (repeat_leaf, {"FreshnessDiffers"}),
    "swap the policy": (laxer_rules, {"RulesDiffer"}),
    "turn a rejection into an acceptance": (accept_the_rejected, {"AcceptanceDiffers"}),
    "change a verdict": (
        compute(Event.APPRAISED, fresh_evidence(verdict={"verdict": "accepted"})),
        {"VerdictDiffers"},
    ),
    "change the digest of a leaf's verdict": (
        leaf(fresh_evidence(verdict_digest="sha256:" + "0" * 64)),
        {"VerdictDiffers"},
    ),
    "let an old quote do": (leaf(older_quote), {"FreshnessDiffers"}),
    "claim another policy": (
        compute(Event.APPRAISED, fresh_evidence(policy="pinned")),
        {"PolicyDiffers", "RulesDiffer"},
    ),
    "claim another image": (
        compute(Event.APPRAISED, fresh_evidence(image="worker-2")),
        {"ImageDiffers", "RulesDiffer"},
    ),
    "claim another commit": (compute(Event.ADMITTED, other_commit), {"TreeDiffers", "CommitBackwards"}),
    "claim an older commit, tree and all": (old_commit_late, {"CommitBackwards"}),
    "claim a commit that nobody trusts": (change(Event.CONFIRMED, commit="f" * 40), {"CommitStray"}),
    "claim another tree": (change(Event.CONFIRMED, tree="f" * 40), {"TreeDiffers"}),
    "back-date a statement by a day": (compute(Event.ADMITTED, earlier(days=1)), {"TimeReversed"}),
    "back-date a statement before its commit": (compute(Event.ADMITTED, earlier(days=9)), {"RecordBackdated"}),
    "back-date an appraisal by seconds": (compute(Event.APPRAISED, earlier(seconds=9)), {"RecordBackdated"}),
    "move a record to another node": (another_node, {"GateSkipped"}),
    "make a statement about another TPM": (subject_of_another, {"SubjectDiffers"}),
    "write a leaf in another form": (reformat_leaf, {"RoundAltered"}),
    "release a key that the enclave does not list": (
        change(Event.RELEASED, keys={"common": 1, "disk": 1}),
        {"KeyNotListed"},
    ),
    "admit to another network": (change(Event.ADMITTED, ports={"eno1": "access 201"}), {"PortsDiffer"}),
    "admit for another enclave": (change(Event.ADMITTED, enclave="red"), {"RecordStray"}),
    "assign another image": (change(Event.ASSIGNED, image="sha256:" + "9" * 64), {"ImageDiffers"}),
    "assign a node that the enclave cannot have": (change(Event.ASSIGNED, node="n9"), {"RecordStray"}),
    "name an enrolment of nobody": (change(Event.ENROLLED, enrolment="sha256:" + "9" * 64), {"BlobMissing"}),
}


@pytest.mark.parametrize("name", BY_ANYBODY)
def test_what_anybody_may_do_is_found_and_named(branch: Branch, name: str) -> None:
    attack, expected = BY_ANYBODY[name]
    tip = branch.estate.git.head("evidence") or ""
    attack(branch)
    before = Branch.of(branch.estate).files
    changed = {path for path in before if before[path] != branch.files.get(path)}
    is_seen = any(path not in SUMS or path not in branch.files for path in changed)
    added = {"EvidenceRewritten"} if is_seen else set()
    branch.commit(is_anew=True)
    assert codes(branch.estate) >= expected
    branch.estate.repo.point("evidence", tip)
    branch.commit(signer="mallory", is_anew=False)
    assert codes(branch.estate, is_alone=True) >= expected | added | {"EvidenceForeign"}


@pytest.mark.parametrize("name", ["edit a statement", "drop a blob", "edit a leaf of a round"])
def test_on_top_of_the_branch_even_who_holds_the_key_is_told_by_its_history(branch: Branch, name: str) -> None:
    attack, expected = BY_ANYBODY[name]
    attack(branch)
    branch.commit(is_anew=False)
    assert codes(branch.estate) >= expected | {"EvidenceRewritten"}


SUMS = {LATEST, "journal/head.json", "trusted.json", "observation.json", "log/frontier.json", "log/000/000"} | {
    f"nodes/n{number}/head.json" for number in (1, 2, 3)
}


@pytest.mark.parametrize("name", BY_KEY_HOLDER)
def test_what_only_the_evidence_itself_can_tell_is_found_and_named(branch: Branch, name: str) -> None:
    attack, expected = BY_KEY_HOLDER[name]
    attack(branch)
    branch.commit(is_anew=True)
    assert codes(branch.estate) >= expected


def truncate(branch: Branch) -> None:
    """Make everything anew as if the last records had never been."""
    items = branch.items()
    gone = {item.path for item in [item for item in items if item.records][-2:]}
    branch.rewrite([item for item in items if item.path not in gone])


def forget_leaf(branch: Branch) -> None:
    """Make everything anew as if the last round had not had one of its members."""
    items = branch.items()
    index = max(index for index, item in enumerate(items) if item.is_round and len(item.records) > 1)
    items[index] = replace(items[index], records=items[index].records[:-1])
    branch.rewrite(items)


def postpone(branch: Branch) -> None:
    """Make everything anew as if the last round had been some milliseconds later."""
    items = branch.items()
    index = max(index for index, item in enumerate(items) if item.is_round)
    later = timedelta(milliseconds=5)
    records = tuple(r.model_copy(update={"recorded_at": r.recorded_at + later}) for r in items[index].records)
    items[index] = replace(items[index], records=records)
    branch.rewrite(items)


@pytest.mark.parametrize(
    ("attack", "code"),
    [(truncate, "HeadRewound"), (forget_leaf, "HeadForked"), (postpone, "HeadForked")],
    ids=["truncate", "drop a leaf", "fork"],
)
def test_what_holds_together_is_given_away_by_a_head_that_somebody_kept(
    branch: Branch, attack: Attack, code: str
) -> None:
    kept = kept_head(branch)
    attack(branch)
    for path in [path for path in branch.files if path.startswith("blobs/")]:
        branch.files.pop(path) if path not in _named(branch) else None
    branch.commit(is_anew=True)
    alone = codes(branch.estate)
    assert alone <= {"BlobStray"}
    assert codes(branch.estate, heads=(kept,)) - alone == {code}


def _named(branch: Branch) -> set[str]:
    return set(branch.files)


def test_a_branch_that_was_rolled_back_is_given_away_by_a_kept_head(branch: Branch) -> None:
    kept = kept_head(branch)
    repo = branch.estate.repo
    repo.point("evidence", repo.git("rev-parse", "evidence~2"))
    assert codes(branch.estate) == set()
    assert codes(branch.estate, heads=(kept,)) == {"HeadRewound"}


def test_an_older_head_of_the_same_log_gives_nothing_away(branch: Branch) -> None:
    older = parse_checkpoint(parse_note(branch.files["checkpoints/1"]).body)
    assert codes(branch.estate, heads=(older, kept_head(branch))) == set()


def test_a_merge_is_found(branch: Branch) -> None:
    repo = branch.estate.repo
    tip = repo.git("rev-parse", "evidence")
    tree = repo.git("rev-parse", "evidence^{tree}")
    repo.point("evidence", repo.commit_tree(tree, signer="evidence", parents=[tip, repo.git("rev-parse", "main")]))
    assert codes(branch.estate) == {"EvidenceMerged"}


def test_a_stranger_in_the_middle_of_the_history_is_found_although_the_tip_is_signed(branch: Branch) -> None:
    repo = branch.estate.repo
    tree = repo.git("rev-parse", "evidence^{tree}")
    below = repo.commit_tree(tree, signer="mallory", parents=[repo.git("rev-parse", "evidence")])
    repo.point("evidence", repo.commit_tree(tree, signer="evidence", parents=[below]))
    with run_audit(branch.estate.git) as done:
        assert [(flaw.path, flaw.code) for flaw in done.findings.flaws] == [
            (f"evidence commit {below[:12]}", "EvidenceForeign")
        ]
        signers = [each.key_id for each in done.history.ranges]
    assert signers == [branch.estate.key.key_id, None, branch.estate.key.key_id]


def command(*words: str) -> Result:
    """Return what came of ``ringfence`` with ``words``."""
    app = typer.Typer()
    for one in COMMANDS:
        app.command()(one)
    return CliRunner().invoke(app, list(words))


def test_an_honest_estate_holds_and_says_what_was_checked(original: Estate) -> None:
    path = ["--repo", str(original.repo.path)]
    text = command("audit", *path)
    assert text.exit_code == 0
    assert "everything holds" in text.output
    told = json.loads(command("audit", *path, "-o", "json").output)
    assert (told["flaws"], told["omitted"]) == ([], 0)
    assert told["checked"]["entries"] == 2
    assert told["checked"]["rounds"] >= 2
    assert told["verdicts"] > told["checked"]["rounds"]
    assert len(told["signers"]) == 1


def test_flaws_are_told_worst_first_and_end_the_command_with_three(branch: Branch, tmp_path: Path) -> None:
    path = ["--repo", str(branch.estate.repo.path)]
    kept = tmp_path / "head"
    kept.write_bytes(branch.files[LATEST])
    branch.change(branch.first(Event.ADMITTED), ports={"eno1": "access 201"})
    branch.files["README.md"] = b"hello"
    branch.commit()
    done = command("audit", *path, "--head", str(kept))
    assert done.exit_code == 3
    lines = done.output.splitlines()
    assert {line.split(":")[0] for line in lines[:2]} == {"broken"}
    assert any(line.startswith("forbidden: ") and line.endswith("[PortsDiffer]") for line in lines)
    assert any("[HeadForked]" in line for line in lines)
    assert isinstance(command("audit", *path, "--head", "none").exception, InputError)
    assert isinstance(command("audit", *path, "--head", __file__).exception, InputError)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_byte_that_is_changed_anywhere_on_the_branch_is_found(
    original: Estate, honest: Branch, data: st.DataObject
) -> None:
    """Nothing is signed anew; with the commit signed anew by the real key all but the observation gives it away."""
    doctored = honest.copy()
    doctored.estate = original
    path = data.draw(st.sampled_from(sorted(honest.files)))
    altered = bytearray(honest.files[path])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    doctored.files[path] = bytes(altered)
    tip = original.git.head("evidence") or ""
    signer, is_anew = data.draw(st.sampled_from(("mallory", None, "evidence"))), data.draw(st.booleans())
    try:
        doctored.commit(signer=signer, is_anew=is_anew)
        assert codes(original) or (signer == "evidence" and path == "observation.json")
    finally:
        original.repo.point("evidence", tip)


def test_the_root_of_the_log_is_the_one_of_its_statements(honest: Branch, original: Estate) -> None:
    leaf_hashes = [leaf_hash(honest.files[path]) for path in honest.lines()]
    found = audited(original)
    assert found.root == root(leaf_hashes)
    heads = {head.node: canonical_value(head) for head in found.heads.values()}
    assert heads == {node: honest.files[f"nodes/{node}/head.json"] for node in heads}
