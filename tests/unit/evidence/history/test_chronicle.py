"""From records to stays: when a node's standing changes, and what each stay keeps."""

from __future__ import annotations

from reconciler.evidence.history.chronicle import Scope, arrival
from reconciler.evidence.history.times import Window
from reconciler.evidence.history.values import Standing, Stay
from reconciler.model.record import Event
from tests.support.chronicles import COMMIT, DIGEST, LATER_COMMIT, Story, at, history_of


def stays(story: Story) -> tuple[Stay, ...]:
    return history_of(*story.records).stays[story.node]


def test_no_records_are_no_history() -> None:
    history = history_of()
    assert (history.stays, history.commits, history.records, history.first, history.last) == ({}, (), 0, None, None)


def test_a_join_is_a_stay_in_the_airlock_and_one_as_a_member() -> None:
    story = Story()
    story.join(0)
    story.tell(Event.CONFIRMED, 12)
    airlock, member = stays(story)
    assert (airlock.standing, airlock.since, airlock.until) == (Standing.AIRLOCK, at(0), at(10))
    assert (airlock.began_by, airlock.ended_by) == (Event.ASSIGNED, Event.ADMITTED)
    assert (member.standing, member.since, member.until) == (Standing.MEMBER, at(10), None)
    assert (member.enclave, member.attempt, member.image, member.image_name) == ("blue", "one", DIGEST, "worker")
    assert (member.sequence, member.last_sequence, member.number) == (4, 5, 2)
    assert member.confirmed_at == at(12)
    assert [(key.name, key.version, key.since, key.sequence) for key in member.keys] == [("disk", 1, at(5), 3)]
    assert [(read.since, dict(read.ports)) for read in member.ports] == [(at(10), {"eno1": "access 200"})]


def test_a_member_rests_on_the_proof_that_it_was_admitted_on() -> None:
    story = Story()
    story.join(0)
    _, member = stays(story)
    assert (member.proofs.number, member.proofs.first) == (1, story.records[1])


def test_of_many_proofs_first_last_number_and_the_longest_gap_are_kept() -> None:
    story = Story()
    story.join(0)
    for seconds in (30, 75, 100):
        story.prove(seconds)
    proofs = stays(story)[1].proofs
    assert (proofs.number, proofs.first, proofs.last) == (4, story.records[1], story.records[-1])
    assert proofs.longest_gap_s == 45


def test_a_rejected_member_keeps_its_keys_and_why_it_was_rejected() -> None:
    story = Story()
    story.join(0)
    doubt = story.prove(30, is_accepted=False)
    story.prove(31, is_accepted=False)
    story.tell(Event.REJECTED, 33, causes=("Silent: no evidence",), ports={"eno1": "access 999"})
    story.tell(Event.REJECTED, 34, causes=("Silent: no evidence", "another"))
    _, member, rejected = stays(story)
    assert (member.until, member.ended_by, member.doubts) == (at(33), Event.REJECTED, doubt)
    assert (rejected.standing, rejected.enclave, rejected.doubts) == (Standing.REJECTED, "blue", doubt)
    assert rejected.causes == ("Silent: no evidence", "another")
    assert [key.name for key in rejected.keys] == ["disk"]
    assert rejected.proofs.last == story.records[1]


def test_a_parked_member_is_no_member_any_more() -> None:
    story = Story()
    story.join(0)
    story.tell(Event.PARKED, 20, ports={"eno1": "access 999"})
    story.tell(Event.PARKED, 21, ports={"eno1": "access 999"})
    story.tell(Event.RETURNED, 25)
    story.tell(Event.RETURNED, 26)
    _, member, parked, free = stays(story)
    assert (member.until, member.ended_by) == (at(20), Event.PARKED)
    assert (parked.standing, parked.enclave, parked.until) == (Standing.PARKED, "blue", at(25))
    assert len(parked.ports) == 1
    assert (free.standing, free.enclave, free.attempt, free.keys) == (Standing.FREE, None, None, ())


def test_a_parked_node_that_is_free_stays_free() -> None:
    story = Story()
    story.tell(Event.PARKED, 0, ports={"eno1": "access 999"}, enclave=None, attempt=None)
    (free,) = stays(story)
    assert (free.standing, free.enclave) == (Standing.FREE, None)


def test_a_node_that_is_admitted_again_in_its_attempt_goes_on_proven() -> None:
    story = Story()
    story.join(0)
    story.tell(Event.ADMITTED, 12, ports={"eno1": "access 201"})
    story.tell(Event.PARKED, 20)
    story.tell(Event.ADMITTED, 30)
    _, first, _, second = stays(story)
    assert [dict(read.ports) for read in first.ports] == [{"eno1": "access 200"}, {"eno1": "access 201"}]
    assert (second.standing, second.proofs.last, second.doubts) == (Standing.MEMBER, story.records[1], None)


def test_a_node_that_starts_again_is_proven_anew_and_knows_what_it_knew() -> None:
    story = Story()
    story.join(0)
    story.tell(Event.ASSIGNED, 40, attempt="two", image=DIGEST)
    story.tell(Event.ENROLLED, 41, enrolment=DIGEST)
    story.tell(Event.RELEASED, 42, keys={"disk": 1, "common": 3})
    *_, again = stays(story)
    assert (again.standing, again.attempt, again.proofs.number) == (Standing.AIRLOCK, "two", 0)
    assert [(key.name, key.version) for key in again.keys] == [("disk", 1), ("common", 3)]
    assert again.enrolled_at == at(41)


def test_records_without_a_beginning_are_taken_as_said() -> None:
    story = Story()
    story.tell(Event.ADMITTED, 0)
    (member,) = stays(story)
    assert (member.standing, member.enclave, member.proofs.number, member.proofs.last) == (
        Standing.MEMBER,
        "blue",
        0,
        None,
    )


def test_an_appraisal_without_evidence_came_when_it_was_recorded() -> None:
    story = Story()
    assert arrival(story.tell(Event.APPRAISED, 3)) == at(3)
    assert stays(story)[0].doubts == story.records[0]


def test_time_never_runs_backwards() -> None:
    story = Story()
    story.join(100)
    story.tell(Event.REJECTED, 50, causes=("x",))
    _, member, rejected = stays(story)
    assert member.until == rejected.since == at(110)
    assert history_of(*story.records).last == at(110)


def test_a_stay_knows_under_which_desired_states_it_was() -> None:
    story = Story()
    story.join(0)
    story.commit = LATER_COMMIT
    story.prove(30)
    story.prove(60)
    member = stays(story)[1]
    assert [(one.commit, one.since) for one in member.commits] == [(COMMIT, at(10)), (LATER_COMMIT, at(30))]
    assert (member.commit_at(at(29)), member.commit_at(at(30)), member.commit_at(at(0))) == (
        COMMIT,
        LATER_COMMIT,
        COMMIT,
    )


def test_what_a_node_had_at_a_moment_is_what_it_had_been_given_by_then() -> None:
    story = Story()
    story.join(0)
    story.tell(Event.RELEASED, 30, keys={"disk": 2})
    member = stays(story)[1]
    assert [key.version for key in member.keys_at(at(29))] == [1]
    assert [key.version for key in member.keys_at(at(30))] == [1, 2]
    assert member.ports_at(at(9)) is None
    assert member.ports_at(at(10)) == member.ports[0]


def test_only_proofs_in_the_window_count_for_it() -> None:
    story = Story()
    story.join(0)
    for seconds in (30, 60, 90):
        story.prove(seconds)
    scope = Scope(window=Window(since=at(30), until=at(90)))
    airlock, member = history_of(*story.records, scope=scope).stays["n1"]
    assert (airlock.proofs_within.number, member.proofs_within.number, member.proofs.number) == (0, 2, 4)
    assert (member.proofs_within.first, member.proofs_within.last) == tuple(story.records[4:6])


def test_what_happened_under_a_commit_is_counted_in_scope() -> None:
    story, other = Story(), Story("n2", commit=LATER_COMMIT)
    story.join(0)
    story.prove(20, is_accepted=False)
    other.join(5)
    both = history_of(*story.records, *other.records)
    first, second = both.commits
    assert (first.commit, first.first, first.last, first.nodes) == (COMMIT, at(0), at(20), ("n1",))
    assert first.events == {"admitted": 1, "appraised": 2, "assigned": 1, "released": 1}
    assert first.accepted == 1
    assert (second.commit, second.nodes, both.records) == (LATER_COMMIT, ("n2",), 9)
    for scope in (Scope(node="n2"), Scope(commit="bbb"), Scope(window=Window(since=at(5), until=at(6)), node="n2")):
        assert {one.commit for one in history_of(*story.records, *other.records, scope=scope).commits} == {LATER_COMMIT}
    assert history_of(*story.records, scope=Scope(enclave="green")).commits == ()
