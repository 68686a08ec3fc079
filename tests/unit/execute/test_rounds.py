"""The round: who belongs into it, that it is written once, and what its failing means."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.attest.verdict import Accepted
from reconciler.errors.taxonomy import RingfenceError, TransientError
from reconciler.evidence.author import Author
from reconciler.evidence.rules import RulesPacker
from reconciler.execute.passes import Draft
from reconciler.execute.records import Occasion, Recorder
from reconciler.execute.rounds import Round
from reconciler.model.phase import Phase
from reconciler.plan.actions import Action, RecordEvidence
from reconciler.ports.ledger import Entry
from tests.support.entries import records_of
from tests.support.runner import EVIDENCE_KEY
from tests.support.sites import EnclaveShape, site
from tests.support.stages import BLUE, Stage, at_stage, with_head

KEYS = {"evidence": EVIDENCE_KEY.public_key()}
BOTH = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)])


@dataclass(kw_only=True)
class Shelf:
    """A ledger that keeps entries, or raises."""

    heads_now: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    error: BaseException | None = None
    calls: int = 0

    def heads(self) -> dict[str, Any]:
        return self.heads_now

    def append(self, entries: Sequence[Entry]) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.entries += entries
        return "0" * 40


def _draft() -> Draft:
    """Return a draft in which two members have proven themselves again."""
    runner = at_stage(Stage.MEMBER, desired=BOTH)
    runner.settle()
    runner.world.tick(40)
    draft = runner.draft()
    assert {action.subject for action in _records(draft)} == {"n1", "n2"}
    return draft


def _records(draft: Draft) -> list[RecordEvidence]:
    return [action for action in draft.plan.actions if isinstance(action, RecordEvidence)]


def _round(draft: Draft, shelf: Shelf, *, plan: Sequence[Action] | None = None) -> Round:
    author = Author(sign=EVIDENCE_KEY.sign, key_id="evidence", commit=draft.desired.commit, tree=draft.desired.tree)
    occasion = Occasion(desired=draft.desired, observed=draft.observed, now=lambda: draft.observed.observed_at)
    records = Recorder(shelf, author=author, occasion=occasion, rules=RulesPacker())
    return Round(records, plan=draft.plan.actions if plan is None else plan)


def _with(draft: Draft, **changes: Any) -> Draft:  # noqa: ANN401 - Head's own fields
    nodes = {**draft.observed.nodes, "n1": with_head(draft.observed.nodes["n1"], **changes)}
    return replace(draft, observed=replace(draft.observed, nodes=nodes))


def _in_round(draft: Draft, *, plan: Sequence[Action] | None = None) -> list[str]:
    shelf = Shelf()
    made = _round(draft, shelf, plan=plan)
    found = [action.subject for action in _records(draft) if made.write(action.subject)]
    recorded = [record.node for entry in shelf.entries for record in records_of(entry, keys=KEYS)]
    assert recorded == found
    assert shelf.calls == (1 if found else 0)
    return found


def test_members_that_prove_themselves_again_are_recorded_together_once() -> None:
    draft, shelf = _draft(), Shelf()
    made = _round(draft, shelf)
    assert shelf.calls == 0
    assert [made.write(node) for node in ("n1", "n2", "n1", "n9")] == [True, True, True, False]
    (entry,) = shelf.entries
    assert [record.node for record in records_of(entry, keys=KEYS)] == ["n1", "n2"]
    assert [head.node for head in entry.heads] == ["n1", "n2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": Phase.AIRLOCK},
        {"attempt": "0" * 32},
        {"enclave": "green"},
        {"nonce": None},
        {"enrolment": "sha256:" + "0" * 64},
        {"enrolment": None},
    ],
)
def test_a_node_that_is_not_on_record_as_that_member_stays_out(changes: dict[str, Any]) -> None:
    assert _in_round(_with(_draft(), **changes)) == ["n2"]


def test_a_node_without_a_record_or_without_its_evidence_stays_out() -> None:
    draft = _draft()
    for change in ({"head": None}, {"session": None}):
        nodes = {**draft.observed.nodes, "n1": replace(draft.observed.nodes["n1"], **change)}
        assert _in_round(replace(draft, observed=replace(draft.observed, nodes=nodes))) == ["n2"]


def _verdict(action: RecordEvidence, **changes: Any) -> Accepted:  # noqa: ANN401 - Accepted's own fields
    assert action.accepted is not None
    return replace(action.accepted, **changes)


def test_a_verdict_about_another_node_enclave_or_boot_stays_out() -> None:
    draft = _draft()
    first, second = _records(draft)
    for other in (
        replace(first, accepted=None),
        replace(first, accepted=second.accepted),
        replace(first, accepted=_verdict(first, enclave="green")),
        replace(first, accepted=_verdict(first, attempt="0" * 32)),
        replace(first, enclave="green", accepted=_verdict(first, enclave="green")),
        replace(first, keys=("common",)),
        replace(first, after=("rotate-key/common",)),
        replace(first, follows=("park/n2",)),
    ):
        assert _in_round(draft, plan=[other, second]) == [second.subject]


def test_a_plan_without_repetitions_writes_nothing() -> None:
    draft = at_stage(Stage.PROVEN, desired=site(nodes=2, enclaves=[BLUE])).draft()
    assert _in_round(draft) == []


def test_when_the_round_fails_all_of_it_has_failed_and_it_is_not_tried_again() -> None:
    draft = _draft()
    shelf = Shelf(error=TransientError("branch evidence", "is busy", reason="EvidenceMoved"))
    made = _round(draft, shelf)
    for node in ("n1", "n2", "n1"):
        with pytest.raises(TransientError) as caught:
            made.write(node)
        assert caught.value.reason == "EvidenceMoved"
    assert not made.write("n9")
    assert shelf.calls == 1


def test_when_the_round_is_cut_off_nobody_begins_it_again() -> None:
    draft, shelf = _draft(), Shelf(error=KeyboardInterrupt())
    made = _round(draft, shelf)
    with pytest.raises(KeyboardInterrupt):
        made.write("n1")
    shelf.error = None
    with pytest.raises(RingfenceError) as caught:
        made.write("n2")
    assert caught.value.reason == "EvidenceInterrupted"
    assert shelf.calls == 1


def test_side_by_side_it_is_written_once() -> None:
    draft, shelf = _draft(), Shelf()
    made, found = _round(draft, shelf), []
    threads = [threading.Thread(target=lambda: found.append(made.write("n1"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert shelf.calls == 1
