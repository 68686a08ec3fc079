"""The recorder: after a write of which nobody knows how it ended, the head is read again before anything is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from reconciler.errors.taxonomy import InvariantError, TransientError
from reconciler.evidence.author import Author
from reconciler.evidence.rules import RulesPacker
from reconciler.execute.records import Occasion, Recorder
from reconciler.model.record import Event, Head
from reconciler.ports.ledger import Entry
from tests.support.runner import EVIDENCE_KEY
from tests.support.stages import Stage, accepted, at_stage

BUSY = TransientError("branch evidence", "was perhaps not written", reason="EvidenceInterrupted")


@dataclass(kw_only=True)
class Shelf:
    """A ledger that fails once, before or after it has written."""

    has_written: bool
    is_failing: bool = True
    read: int = 0
    known: dict[str, Head] = field(default_factory=dict)

    def heads(self) -> Mapping[str, Head]:
        self.read += 1
        return self.known

    def append(self, entries: Sequence[Entry]) -> str:
        if not self.is_failing or self.has_written:
            self.known |= {head.node: head for entry in entries for head in entry.heads}
        is_failing, self.is_failing = self.is_failing, False
        if is_failing:
            raise BUSY
        return "0" * 40


def _recorder(shelf: Shelf, stage: Stage = Stage.MEMBER) -> tuple[Recorder, Head]:
    draft = at_stage(stage).draft()
    author = Author(sign=EVIDENCE_KEY.sign, key_id="evidence", commit=draft.desired.commit, tree=draft.desired.tree)
    occasion = Occasion(desired=draft.desired, observed=draft.observed, now=lambda: draft.observed.observed_at)
    head = draft.observed.nodes["n1"].head
    assert head is not None
    shelf.known["n1"] = head
    return Recorder(shelf, author=author, occasion=occasion, rules=RulesPacker()), head


@pytest.mark.parametrize("has_written", [False, True])
def test_a_record_follows_what_is_really_there(*, has_written: bool) -> None:
    shelf = Shelf(has_written=has_written)
    recorder, head = _recorder(shelf)
    with pytest.raises(TransientError):
        recorder.write(recorder.news("n1", Event.PARKED, ports={"eno1": "access 999"}))
    for causes in (("first",), ("second",)):
        recorder.write(recorder.news("n1", Event.REJECTED if causes == ("first",) else Event.PARKED, causes=causes))
    assert shelf.known["n1"].sequence == head.sequence + 2 + has_written
    assert shelf.read == 1
    assert recorder.head("n1") == shelf.known["n1"]


def test_a_repetition_of_somebody_without_a_record_is_a_bug() -> None:
    draft = at_stage(Stage.PROVEN).draft()
    author = Author(sign=EVIDENCE_KEY.sign, key_id="evidence", commit=draft.desired.commit, tree=draft.desired.tree)
    nodes = {**draft.observed.nodes, "n1": replace(draft.observed.nodes["n1"], head=None)}
    occasion = Occasion(
        desired=draft.desired, observed=replace(draft.observed, nodes=nodes), now=lambda: draft.observed.observed_at
    )
    recorder = Recorder(Shelf(has_written=True), author=author, occasion=occasion, rules=RulesPacker())
    with pytest.raises(InvariantError) as caught:
        recorder.write_round([recorder.repeated(accepted(draft))])
    assert caught.value.reason == "HeadMissing"
