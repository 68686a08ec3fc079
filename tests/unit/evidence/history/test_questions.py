"""What an auditor asks of a history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.evidence.history import questions
from reconciler.evidence.history.chronicle import Scope
from reconciler.evidence.history.questions import Situation
from reconciler.evidence.history.times import Window, up_to
from reconciler.evidence.history.values import Standing
from reconciler.model.record import Event
from tests.support.chronicles import LATER_COMMIT, Story, at, history_of


@pytest.fixture
def story() -> Story:
    """Return a node that joined, proved itself twice, was doubted and rejected."""
    story = Story()
    story.join(0)
    story.tell(Event.CONFIRMED, 12)
    story.prove(40)
    story.commit = LATER_COMMIT
    story.prove(70)
    story.prove(95, is_accepted=False)
    story.tell(Event.REJECTED, 99, causes=("Silent: no evidence",), ports={"eno1": "access 999"})
    return story


def situation(story: Story, seconds: float) -> Situation | None:
    scope = Scope(window=up_to(at(seconds)))
    found = questions.situations(history_of(*story.records, scope=scope), at(seconds), scope=scope)
    return found[0] if found else None


def test_before_the_first_record_nothing_is_known(story: Story) -> None:
    assert situation(story, -1) is None


def test_a_member_is_as_proven_as_its_last_proof_before_the_moment(story: Story) -> None:
    one = situation(story, 60)
    assert one is not None
    assert (one.stay.standing, one.proof, one.proof_age_s) == (Standing.MEMBER, story.records[5], 22)
    assert (one.is_confirmed, one.is_doubted, one.commit) == (True, False, story.records[0].commit)
    assert [key.version for key in one.keys] == [1]
    assert one.ports is not None


def test_what_came_after_the_moment_does_not_count(story: Story) -> None:
    one = situation(story, 10)
    assert one is not None
    assert (one.stay.standing, one.is_confirmed, one.proof) == (Standing.MEMBER, False, story.records[1])
    before = situation(story, 9)
    assert before is not None
    assert (before.stay.standing, before.ports) == (Standing.AIRLOCK, None)


def test_an_unproven_node_has_no_proof(story: Story) -> None:
    one = situation(story, 4)
    assert one is not None
    assert (one.stay.standing, one.proof, one.proof_age_s) == (Standing.AIRLOCK, None, None)


def test_a_doubted_member_is_said_to_be_one(story: Story) -> None:
    one = situation(story, 96)
    assert one is not None
    assert (one.stay.standing, one.is_doubted, one.commit) == (Standing.MEMBER, True, LATER_COMMIT)


def test_a_stay_ends_where_the_next_begins(story: Story) -> None:
    last = situation(story, 99 - 1e-6)
    assert last is not None
    assert last.stay.standing is Standing.MEMBER
    one = situation(story, 99)
    assert one is not None
    assert one.stay.standing is Standing.REJECTED


def test_situations_are_those_in_scope(story: Story) -> None:
    other = Story("n2")
    other.join(0)
    window = up_to(at(80))
    for scope, nodes in (
        (Scope(window=window), ["n1", "n2"]),
        (Scope(window=window, node="n2"), ["n2"]),
        (Scope(window=window, commit="bbbb"), ["n1"]),
        (Scope(window=window, enclave="green"), []),
    ):
        history = history_of(*story.records, *other.records, scope=scope)
        assert [one.stay.node for one in questions.situations(history, at(80), scope=scope)] == nodes


def test_stays_are_those_that_meet_the_window(story: Story) -> None:
    history = history_of(*story.records)
    window = Window(since=at(50), until=at(60))
    assert [stay.number for stay in questions.stays(history, scope=Scope(window=window))] == [2]
    assert [stay.number for stay in questions.stays(history, scope=Scope())] == [1, 2, 3]
    assert [stay.number for stay in questions.stays(history, scope=Scope(commit="bb"))] == [2, 3]
    assert questions.stays(history, scope=Scope(node="n9")) == ()


def test_members_are_listed_by_enclave_the_earliest_first(story: Story) -> None:
    other = Story("n0")
    other.join(20)
    found = questions.memberships(questions.stays(history_of(*other.records, *story.records), scope=Scope()))
    assert {name: [stay.node for stay in own] for name, own in found.items()} == {"blue": ["n1", "n0"]}


def test_what_ended_a_stay_is_told_with_what_came_of_its_parking(story: Story) -> None:
    left = Story("n2")
    left.join(0)
    left.tell(Event.PARKED, 20)
    parked = history_of(*left.records)
    assert questions.endings(parked.stays["n2"][1], parked) == (Event.PARKED,)
    left.tell(Event.RETURNED, 22)
    history = history_of(*left.records, *story.records)
    assert questions.endings(history.stays["n2"][1], history) == (Event.PARKED, Event.RETURNED)
    assert questions.endings(history.stays["n2"][3], history) == ()
    assert questions.endings(history.stays["n1"][1], history) == (Event.REJECTED,)


def test_commits_and_enclaves_are_told(story: Story) -> None:
    history = history_of(*story.records)
    assert [one.commit for one in questions.commits(history)] == [story.records[0].commit, LATER_COMMIT]
    assert questions.enclaves(history) == ("blue",)


@pytest.mark.parametrize(
    ("scope", "hint"),
    [
        (Scope(node="n9"), "on record are: n1"),
        (Scope(enclave="red"), "on record are: blue"),
        (Scope(commit="ccc"), "git log"),
    ],
)
def test_what_was_never_recorded_is_an_error(story: Story, scope: Scope, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        questions.check_known(history_of(*story.records), scope=scope)
    assert caught.value.reason == "SubjectUnknown"
    assert hint in (caught.value.hint or "")


def test_what_was_recorded_is_none(story: Story) -> None:
    scope = Scope(node="n1", enclave="blue", commit="bbb")
    questions.check_known(history_of(*story.records), scope=scope)
    with pytest.raises(InputError, match="no record names it") as caught:
        questions.check_known(history_of(), scope=Scope(node="n1"))
    assert caught.value.hint == "there are no records yet"


def test_of_many_names_only_some_are_told() -> None:
    many = [Story(f"n{index}") for index in range(10)]
    for one in many:
        one.join(0)
    with pytest.raises(InputError) as caught:
        questions.check_known(history_of(*(r for one in many for r in one.records)), scope=Scope(node="x"))
    assert (caught.value.hint or "").endswith("n7, …")


def test_the_last_instant_is_told_to_the_microsecond(story: Story) -> None:
    moment = at(40) - timedelta(microseconds=1)
    scope = Scope(window=up_to(moment))
    (one,) = questions.situations(history_of(*story.records, scope=scope), moment, scope=scope)
    assert one.proof == story.records[1]
