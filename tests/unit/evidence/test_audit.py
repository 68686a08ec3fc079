"""The audit: an honest branch has no flaw, and each way to doctor one is found under its own name."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.evidence.audit import Findings, audit
from reconciler.evidence.author import Author, News
from reconciler.evidence.canonical import canonical_value, digest
from reconciler.evidence.envelope import seal
from reconciler.evidence.round import parse_line, records_bytes, records_path, round_bytes
from reconciler.evidence.statement import Appraisal, Record, parse_statement, statement_bytes, statement_path
from reconciler.model.desired import DesiredState
from reconciler.model.phase import Phase
from reconciler.model.record import Event, Head
from tests.support.branches import MADE_AT, MemoryBranch, archive_of, written
from tests.support.runner import EVIDENCE_KEY, LONG, Runner
from tests.support.sites import site
from tests.support.softtpm import Lie
from tests.support.stages import BLUE, BOOT_S, Stage, at_stage

STRAY = "statements/2026/03/03/12/n1-99.dsse.json"
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)


@dataclass(kw_only=True)
class Branch:
    """A copy of an evidence branch that a test may doctor; its log and tree head are made anew, with the real key."""

    statements: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    attached: dict[str, bytes] = field(default_factory=dict)
    trusted: Mapping[str, DesiredState]
    made_at: datetime = MADE_AT

    def written(self) -> MemoryBranch:
        attached = {records_path(path): content for path, content in self.attached.items()}
        return written(self.statements, blobs=self.blobs, heads=self.heads, attached=attached)

    def audit(self, **options: Any) -> Findings:  # noqa: ANN401 - audit's own
        branch = self.written()
        archive = archive_of(self.trusted, branch, made_at=self.made_at)
        return audit(branch, archive=archive, trusted=next(reversed(self.trusted), ""), **options)

    def flaws(self) -> list[tuple[str, str]]:
        return [(flaw.path, flaw.code) for flaw in self.audit().flaws]

    def codes(self) -> list[str]:
        return [flaw.code for flaw in self.audit().flaws]

    def path(self, event: Event) -> str:
        return next(path for path in self.statements if self.record(path).event is event)

    def record(self, path: str) -> Record:
        """Return the record at ``path``, of a round the only one."""
        if path in self.attached:
            return parse_line(self.attached[path].removesuffix(b"\n"))
        return parse_statement(base64.b64decode(json.loads(self.statements[path])["payload"])).predicate

    def rewrite(
        self,
        path: str,
        *,
        key: Ed25519PrivateKey = EVIDENCE_KEY,
        endorsement: str | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> None:
        """Replace a record by a changed one, signed, in its old place, and chain its node's later ones anew."""
        before = self._digests()
        record = self.record(path).model_copy(update=changes)
        self._put(path, record, key=key, endorsement=endorsement)
        after = self._digests()
        for later in [each for each in self.statements if each != path and self.record(each).node == record.node]:
            old = self.record(later)
            moved = {before[one]: after[one] for one in before}
            if old.previous in moved and old.previous != moved[old.previous]:
                self._put(later, old.model_copy(update={"previous": moved[old.previous]}), key=EVIDENCE_KEY)
                after = self._digests()
        last = list(self._digests())[-1]
        if record.node in self.heads and self.record(last).node == record.node:
            update = {"digest": self._digests()[last]}
            self.heads[record.node] = self.heads[record.node].model_copy(update=update)

    def _digests(self) -> dict[str, str]:
        """Return the digest of each record, a round's only one included, by the path of its statement."""
        return {
            path: digest(self.attached[path].removesuffix(b"\n"))
            if path in self.attached
            else digest(base64.b64decode(json.loads(envelope)["payload"]))
            for path, envelope in self.statements.items()
        }

    def _put(self, path: str, record: Record, *, key: Ed25519PrivateKey, endorsement: str | None = None) -> None:
        payload = statement_bytes(record, endorsement=endorsement or self._endorsement(record.node))
        if path in self.attached:
            line = canonical_value(record)
            self.attached[path] = records_bytes([line])
            at, commit, tree = record.recorded_at, record.commit, record.tree
            payload = round_bytes([line], recorded_at=at, commit=commit, tree=tree, verifier=record.verifier)
        self.statements[path] = seal(payload, sign=key.sign, key_id="evidence")

    def _endorsement(self, node: str) -> str:
        return next(reversed(self.trusted.values())).nodes[node].spec.tpm.endorsement

    def add(self, event: Event, **details: Any) -> str:  # noqa: ANN401 - Record's own fields
        """Append a record about ``n1`` that a careless writer with the right key would write."""
        commit = details.pop("commit", next(reversed(self.trusted)))
        tree = self.trusted[commit].tree if commit in self.trusted else commit
        author = Author(sign=EVIDENCE_KEY.sign, key_id="evidence", commit=commit, tree=tree)
        head = self.heads.get("n1")
        at = details.pop("at", max(self.record(path).recorded_at for path in self.statements) + timedelta(seconds=1))
        news = News(node="n1", event=event, endorsement=self._endorsement("n1"), details=details)
        entry = author.entry(head, news, at=at)
        self.statements[entry.path] = entry.envelope
        self.heads["n1"] = entry.heads[0]
        return entry.path


def branch_of(runner: Runner) -> Branch:
    """Return what is on the evidence branch of ``runner``'s world."""
    branch = Branch(trusted=dict(runner.world.trusted))
    for entry in (entry for entries in runner.world.ledger.rounds for entry in entries):
        branch.statements[entry.path] = entry.envelope
        branch.blobs.update(entry.blobs)
        branch.heads |= {head.node: head for head in entry.heads}
        branch.attached |= dict.fromkeys([entry.path] if entry.attached else [], b"".join(entry.attached.values()))
    return branch


@pytest.fixture
def branch() -> Branch:
    return branch_of(at_stage(Stage.MEMBER))


def test_an_honest_branch_has_no_flaw_and_its_verdicts_come_out_the_same(branch: Branch) -> None:
    events: list[Event] = []
    found = branch.audit(take=lambda record: events.append(record.event))
    assert found.flaws == []
    assert found.verdicts == 1
    assert [event.value for event in events] == [
        "assigned", "enrolled", "appraised", "released", "admitted", "confirmed",
    ]  # fmt: skip
    assert found.heads == branch.heads


def test_a_rejection_and_a_second_boot_are_audited_too() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].reboot()
    runner.settle(quiet_rounds=LONG)
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.settle(quiet_rounds=LONG)
    events: set[Event] = set()
    found = branch_of(runner).audit(take=lambda record: events.add(record.event))
    assert found.flaws == []
    assert found.verdicts > 2
    assert {Event.REJECTED, Event.CONFIRMED} <= events


def test_an_empty_branch_has_no_flaw() -> None:
    found = Branch(trusted={}).audit()
    assert (found.flaws, found.records, found.verdicts) == ([], 0, 0)


def test_a_record_signed_by_a_stranger_is_found(branch: Branch) -> None:
    path = branch.path(Event.CONFIRMED)
    branch.rewrite(path, key=STRANGER)
    assert (path, "EnvelopeUntrusted") in branch.flaws()


def test_a_dropped_record_breaks_the_chain(branch: Branch) -> None:
    after = branch.path(Event.RELEASED)
    del branch.statements[branch.path(Event.APPRAISED)]
    assert (after, "ChainBroken") in branch.flaws()


def test_a_dropped_last_record_contradicts_the_head(branch: Branch) -> None:
    del branch.statements[branch.path(Event.CONFIRMED)]
    assert branch.flaws() == [("nodes/n1/head.json", "HeadMismatch")]


@pytest.mark.parametrize(
    "heads",
    [{}, {"phase": Phase.FREE}, {"keys": {}}],
    ids=["no-head", "another-phase", "fewer-keys"],
)
def test_a_head_that_is_not_the_sum_is_found(branch: Branch, heads: dict[str, Any]) -> None:
    branch.heads = {"n1": branch.heads["n1"].model_copy(update=heads)} if heads else {}
    assert branch.flaws() == [("nodes/n1/head.json", "HeadMismatch")]


def test_a_head_without_records_is_found(branch: Branch) -> None:
    branch.heads["n9"] = branch.heads["n1"].model_copy(update={"node": "n9"})
    assert branch.flaws() == [("nodes/n9/head.json", "HeadMismatch")]


def test_a_record_in_another_place_is_found(branch: Branch) -> None:
    path = branch.path(Event.CONFIRMED)
    branch.statements["statements/2026/03/03/12/n1-9.dsse.json"] = branch.statements.pop(path)
    assert ("statements/2026/03/03/12/n1-9.dsse.json", "StatementMoved") in branch.flaws()


@pytest.mark.parametrize(
    "envelope",
    [b"", b"\xff", b"[]", b"7", b'{"payload": 7}', b'{"payload":"!"}', b"[" * 100_000],
    ids=["empty", "not-utf-8", "list", "number", "payload-a-number", "payload-not-base64", "deep"],
)
def test_a_file_that_is_no_envelope_is_found(branch: Branch, envelope: bytes) -> None:
    branch.statements[STRAY] = envelope
    assert branch.flaws() == [(STRAY, "EnvelopeMalformed")]


def test_a_file_that_is_no_statement_is_found(branch: Branch) -> None:
    commit = next(iter(branch.trusted)).encode()
    payload = b'{"predicate":{"commit":"' + commit + b'"}}'
    branch.statements[STRAY] = seal(payload, sign=EVIDENCE_KEY.sign, key_id="evidence")
    assert branch.flaws() == [(STRAY, "StatementMalformed")]


def test_a_record_under_an_untrusted_commit_is_found(branch: Branch) -> None:
    path = branch.add(Event.REJECTED, causes=("because",), commit="f" * 40)
    assert (path, "CommitStray") in branch.flaws()


def test_a_step_that_cannot_be_is_found(branch: Branch) -> None:
    path = branch.path(Event.CONFIRMED)
    branch.rewrite(path, event=Event.ADMITTED, ports={"eno1": "access 200"})
    rejected = branch.add(Event.REJECTED, causes=("because",))
    assert branch.flaws() == []
    again = branch.add(Event.PARKED, ports={"eno1": "access 999"})
    branch.rewrite(again, event=Event.ASSIGNED, enclave="blue", attempt="another", ports={})
    assert {(again, "IllegalPhaseStep"), (again, "RejectionStands")} <= set(branch.flaws())
    assert rejected not in dict(branch.flaws())


@pytest.mark.parametrize("event", [Event.RELEASED, Event.ADMITTED, Event.CONFIRMED])
def test_keys_or_a_network_without_proof_in_the_same_attempt_are_found(event: Event) -> None:
    branch = branch_of(at_stage(Stage.BOOTING))
    path = branch.add(event, enclave="blue", attempt=branch.heads["n1"].attempt)
    assert (path, "GateSkipped") in branch.flaws()


def test_keys_for_another_attempt_than_the_proven_one_are_found(branch: Branch) -> None:
    path = branch.add(Event.RELEASED, enclave="blue", attempt="another", keys={"common": 1})
    assert (path, "GateSkipped") in branch.flaws()


def test_a_key_to_a_node_that_nobody_heard_of_is_found(branch: Branch) -> None:
    branch.statements.clear()
    branch.heads.clear()
    fresh = branch_of(at_stage(Stage.MEMBER))
    path = fresh.path(Event.RELEASED)
    record = fresh.record(path).model_copy(update={"sequence": 1, "previous": None})
    payload = statement_bytes(record, endorsement=branch._endorsement("n1"))
    branch.statements[statement_path(record)] = seal(payload, sign=EVIDENCE_KEY.sign, key_id="evidence")
    assert (statement_path(record), "GateSkipped") in branch.flaws()


def _appraised(branch: Branch, **changes: Any) -> str:  # noqa: ANN401 - Appraisal's own fields
    """Doctor the appraisal and sign it again; return its path."""
    path = branch.path(Event.APPRAISED)
    appraisal = branch.record(path).appraisal
    assert appraisal is not None
    branch.rewrite(path, appraisal=appraisal.model_copy(update=changes))
    return path


def test_a_verdict_that_the_evidence_does_not_give_is_found(branch: Branch) -> None:
    appraisal = branch.record(branch.path(Event.APPRAISED)).appraisal
    assert appraisal is not None
    path = _appraised(branch, verdict=appraisal.verdict | {"ear.status": "affirming"})
    assert (path, "VerdictDiffers") in branch.flaws()


def test_an_appraisal_without_a_verdict_is_found(branch: Branch) -> None:
    path = branch.path(Event.APPRAISED)
    branch.rewrite(path, appraisal=None)
    assert (path, "StatementMalformed") in branch.flaws()


@pytest.mark.parametrize("changes", [{"policy": "no-such-policy"}, {"image": "no-such-image"}])
def test_an_appraisal_by_what_the_commit_does_not_hold_is_found(branch: Branch, changes: dict[str, Any]) -> None:
    assert (_appraised(branch, **changes), "RecordStray") in branch.flaws()


@pytest.mark.parametrize("changes", [{"enclave": None}, {"attempt": None}])
def test_an_appraisal_for_no_enclave_or_attempt_is_found(branch: Branch, changes: dict[str, Any]) -> None:
    path = branch.path(Event.APPRAISED)
    branch.rewrite(path, **changes)
    assert (path, "RecordStray") in branch.flaws()


def test_a_challenge_under_an_untrusted_commit_is_found(branch: Branch) -> None:
    appraisal = branch.record(branch.path(Event.APPRAISED)).appraisal
    assert appraisal is not None
    evidence = appraisal.evidence
    path = _appraised(branch, evidence=evidence.model_copy(update={"commit": "f" * 40}))
    assert {(path, "FreshnessDiffers"), (path, "VerdictDiffers")} <= set(branch.flaws())


def _drop(blobs: dict[str, bytes], name: str) -> None:
    del blobs[name]


def _alter(blobs: dict[str, bytes], name: str) -> None:
    blobs[name] += b" "


@pytest.mark.parametrize("change", [_drop, _alter])
def test_a_missing_or_altered_blob_is_found(branch: Branch, change: Callable[[dict[str, bytes], str], None]) -> None:
    path = branch.path(Event.APPRAISED)
    for name in list(branch.blobs):
        whole = branch.blobs
        branch.blobs = dict(whole)
        change(branch.blobs, name)
        assert (path, "BlobMissing") in branch.flaws()
        branch.blobs = whole


def test_an_appraisal_of_a_node_outside_the_inventory_is_found(branch: Branch) -> None:
    commit, desired = next(iter(branch.trusted.items()))
    kept = {name: node for name, node in desired.nodes.items() if name != "n1"}
    branch.trusted = {commit: type(desired)(**{**_fields(desired), "nodes": kept})}
    assert (branch.path(Event.APPRAISED), "RecordStray") in branch.flaws()


def _fields(desired: DesiredState) -> dict[str, Any]:
    return {name: getattr(desired, name) for name in desired.__slots__}


def test_a_node_that_proves_itself_again_is_held_against_its_earlier_clock() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.tick(BOOT_S)
    runner.run()
    branch = branch_of(runner)
    records: list[Record] = []
    branch.audit(take=records.append)
    appraisals = [record.appraisal for record in records if record.appraisal is not None]
    assert [appraisal.previous is None for appraisal in appraisals] == [True, False]
    assert appraisals[1].must_be_same_boot
    assert branch.flaws() == []


def held_branch() -> Branch:
    """Return the records of a member that proved itself while it waited for its restart into a rebuilt image."""
    runner = at_stage(Stage.MEMBER)
    night = {"start": "22:00", "duration": "1h"}
    runner.world.trust(site(nodes=2, enclaves=[BLUE], revision=1, measured="rebuilt", maintenance=[night]))
    for _ in range(4):
        runner.run()
        runner.world.tick(BOOT_S)
    return branch_of(runner)


def _last_appraised(branch: Branch) -> tuple[str, Appraisal]:
    path = [path for path in branch.statements if branch.record(path).event is Event.APPRAISED][-1]
    appraisal = branch.record(path).appraisal
    assert appraisal is not None
    return path, appraisal


def test_a_member_that_waits_for_its_restart_is_held_against_the_image_that_it_was_assigned() -> None:
    branch = held_branch()
    assert branch.flaws() == []
    first, second = branch.trusted
    path, appraisal = _last_appraised(branch)
    assert (appraisal.image_commit, appraisal.evidence.commit, branch.record(path).commit) == (first, second, second)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"image_commit": "f" * 40}, "CommitStray"),
        ({"image_commit": None}, "RulesDiffer"),
        ({"image": "no-such-image"}, "RecordStray"),
        ({"image": "worker-2"}, "ImageDiffers"),
        ({"image_commit": "second"}, "ImageDiffers"),
    ],
    ids=["untrusted commit", "no commit", "no such image", "another image", "another commit's"],
)
def test_an_appraisal_against_another_former_image_is_found(changes: dict[str, Any], code: str) -> None:
    branch = held_branch()
    path, appraisal = _last_appraised(branch)
    if changes.get("image_commit") == "second":
        changes = {"image_commit": list(branch.trusted)[1]}
    branch.rewrite(path, appraisal=appraisal.model_copy(update=changes))
    assert (path, code) in branch.flaws()


def test_a_former_image_of_a_node_that_nobody_assigned_one_is_found() -> None:
    branch = held_branch()
    path, _ = _last_appraised(branch)
    record = branch.record(path).model_copy(update={"sequence": 1, "previous": None})
    payload = statement_bytes(record, endorsement=branch._endorsement("n1"))
    place = statement_path(record)
    branch.attached = {}
    branch.statements = {place: seal(payload, sign=EVIDENCE_KEY.sign, key_id="evidence")}
    assert {(place, "FreshnessDiffers"), (place, "AttemptStray"), (place, "EnrolmentDiffers")} <= set(branch.flaws())
