"""The recorded observation: written when the facts changed, not while they are being changed, and seldom otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from reconciler.daemon.recorder import FRESH, Recorder
from reconciler.errors.taxonomy import TransientError
from reconciler.execute.outcome import Done, Waiting
from reconciler.execute.passes import Draft
from reconciler.model.observed import PowerState
from reconciler.plan.fingerprint import fingerprint
from reconciler.plan.recorded import parse_recorded
from tests.support.stages import Stage, at_stage


@dataclass(kw_only=True)
class Shelf:
    """Keeps what is written; busy while it is told to be."""

    contents: list[bytes] = field(default_factory=list)
    is_busy: bool = False

    def observation(self) -> bytes | None:
        return self.contents[-1] if self.contents else None

    def set_observation(self, content: bytes) -> None:
        if self.is_busy:
            raise TransientError("branch evidence", "was moved", reason="EvidenceMoved")
        self.contents.append(content)


def _later(draft: Draft, seconds: float) -> Draft:
    at = draft.observed.observed_at + timedelta(seconds=seconds)
    return replace(draft, observed=replace(draft.observed, observed_at=at))


def _changed(draft: Draft) -> Draft:
    nodes = {**draft.observed.nodes, "n2": replace(draft.observed.nodes["n2"], power=PowerState.UNKNOWN)}
    observed = replace(draft.observed, nodes=nodes)
    return replace(draft, observed=observed, plan=replace(draft.plan, observation=fingerprint(observed)))


def test_an_idle_site_is_written_once_and_then_every_ten_minutes() -> None:
    draft, shelf = at_stage(Stage.MEMBER).draft(), Shelf()
    recorder = Recorder(lambda: shelf)
    for seconds in range(0, 1200, 30):
        recorder.note(_later(draft, seconds), {})
    assert len(shelf.contents) == 2
    found = parse_recorded(shelf.contents[-1])
    assert found.observed_at == draft.observed.observed_at + FRESH
    assert found.commit == draft.desired.commit


def test_changed_facts_are_written_at_once_and_so_is_another_commit() -> None:
    draft, shelf = at_stage(Stage.MEMBER).draft(), Shelf()
    recorder = Recorder(lambda: shelf)
    recorder.note(draft, {})
    recorder.note(_later(_changed(draft), 1), {})
    recorder.note(_later(_changed(replace(draft, desired=replace(draft.desired, commit="9" * 40))), 2), {})
    assert len(shelf.contents) == 3


def test_a_pass_that_changed_the_hardware_is_not_written_unless_the_record_is_old() -> None:
    draft, shelf = at_stage(Stage.FRESH).draft(), Shelf()
    recorder = Recorder(lambda: shelf)
    recorder.note(draft, {})
    moved = {"enter-airlock/n1": Done(), "attest/n1": Waiting(what="it")}
    recorder.note(_later(_changed(draft), 1), moved)
    assert len(shelf.contents) == 1
    recorder.note(_later(_changed(draft), 1), {"attest/n1": Waiting(what="it")})
    assert len(shelf.contents) == 2
    recorder.note(_later(draft, 1000), moved)
    assert len(shelf.contents) == 3


def test_what_an_earlier_process_wrote_counts() -> None:
    draft, shelf = at_stage(Stage.MEMBER).draft(), Shelf()
    for seconds in (0, 60):
        Recorder(lambda: shelf).note(_later(draft, seconds), {})
    assert len(shelf.contents) == 1


def test_what_cannot_be_read_is_replaced() -> None:
    draft, shelf = at_stage(Stage.MEMBER).draft(), Shelf(contents=[b'{"version": 99}'])
    Recorder(lambda: shelf).note(draft, {})
    assert parse_recorded(shelf.contents[-1]).commit == draft.desired.commit


def test_a_busy_branch_stops_nothing_and_the_next_pass_tries_again() -> None:
    draft, shelf = at_stage(Stage.MEMBER).draft(), Shelf(is_busy=True)
    recorder = Recorder(lambda: shelf)
    recorder.note(draft, {})
    shelf.is_busy = False
    recorder.note(_later(draft, 1), {})
    assert len(shelf.contents) == 1
