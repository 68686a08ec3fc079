"""The contracts of ``ports.boot.BootService`` and ``ports.attestation.AttestationDesk``, over one store."""

from __future__ import annotations

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.model.observed import AnswerStatus, Assignment
from reconciler.ports.attestation import Answer, WrappedKey
from tests.support.benches import DeskBench

COMMIT = "c" * 40
PCRS = (0, 2, 4, 7, 9, 11)
KEY = WrappedKey(name="disk", version=1, wrapped=b"an age file")


def assign(desks: DeskBench, *, enclave: str = "blue") -> Assignment:
    desks.desk.publish(COMMIT)
    return desks.boot.assign("n1", enclave=enclave, image=desks.image, pcrs=PCRS)


def prove(desks: DeskBench) -> tuple[str, bytes]:
    """Enrol and hand in evidence; return session and nonce."""
    session = desks.node.enrol()
    nonce = desks.node.challenge(session)
    desks.node.prove(session, nonce)
    return session, nonce


def accept(session: str, nonce: bytes) -> Answer:
    return Answer(session=session, nonce=nonce, status=AnswerStatus.ACCEPTED, keys=(KEY,), reattest_s=30)


def test_what_is_assigned_is_what_is_served(desks: DeskBench) -> None:
    made = assign(desks)
    assert (made.node, made.enclave, made.image, made.pcrs) == ("n1", "blue", desks.image, PCRS)
    assert desks.boot.assignments() == {"n1": made}


def test_image_that_is_not_in_the_store_is_not_assigned(desks: DeskBench) -> None:
    with pytest.raises(InputError):
        desks.boot.assign("n1", enclave="blue", image="sha256:" + "0" * 64, pcrs=PCRS)
    assert desks.boot.assignments() == {}


def test_every_assignment_is_an_attempt_of_its_own_and_ends_earlier_sessions(desks: DeskBench) -> None:
    first = assign(desks)
    session, nonce = prove(desks)
    second = assign(desks)
    assert first.attempt != second.attempt
    assert desks.desk.sessions() == {}
    with pytest.raises(Exception):  # noqa: B017, PT011 - a refusal, each store's own
        desks.node.challenge(session)
    desks.desk.answer(accept(session, nonce))
    assert desks.desk.sessions() == {}


def test_withdrawing_ends_sessions_and_may_be_repeated(desks: DeskBench) -> None:
    assign(desks)
    prove(desks)
    for _ in range(2):
        desks.boot.withdraw("n1")
        assert desks.boot.assignments() == {}
        assert desks.desk.sessions() == {}


def test_node_without_an_assignment_opens_no_session(desks: DeskBench) -> None:
    desks.desk.publish(COMMIT)
    with pytest.raises(Exception):  # noqa: B017, PT011 - a refusal, each store's own
        desks.node.enrol()
    assert desks.desk.sessions() == {}


def test_session_says_what_the_node_sent_and_for_what(desks: DeskBench) -> None:
    made = assign(desks)
    session, nonce = prove(desks)
    seen = desks.desk.sessions()["n1"]
    assert (seen.session, seen.attempt, seen.answered, seen.presence) == (session, made.attempt, None, None)
    assert seen.evidence is not None
    assert (seen.evidence.nonce, seen.evidence.enclave, seen.evidence.commit) == (nonce, "blue", COMMIT)
    assert (seen.evidence.attempt, seen.evidence.session) == (made.attempt, session)
    assert seen.evidence.challenged_at <= seen.evidence.received_at


def test_challenge_is_bound_to_the_commit_that_was_published_when_it_was_issued(desks: DeskBench) -> None:
    assign(desks)
    session = desks.node.enrol()
    nonce = desks.node.challenge(session)
    desks.desk.publish("d" * 40)
    desks.node.prove(session, nonce)
    seen = desks.desk.sessions()["n1"].evidence
    assert seen is not None
    assert seen.commit == COMMIT


def test_challenge_is_used_once(desks: DeskBench) -> None:
    assign(desks)
    session, nonce = prove(desks)
    with pytest.raises(Exception):  # noqa: B017, PT011 - a refusal, each store's own
        desks.node.prove(session, nonce)


def test_a_node_cannot_collect_challenges_and_answer_them_ahead(desks: DeskBench) -> None:
    assign(desks)
    session = desks.node.enrol()
    early = [desks.node.challenge(session) for _ in range(3)]
    newest = desks.node.challenge(session)
    for nonce in early:
        with pytest.raises(Exception):  # noqa: B017, PT011 - a refusal, each store's own
            desks.node.prove(session, nonce)
    desks.node.prove(session, newest)


def test_node_fetches_its_answer_and_the_first_one_counts(desks: DeskBench) -> None:
    assign(desks)
    session, nonce = prove(desks)
    assert desks.node.verdict(session, nonce) is None
    desks.desk.answer(accept(session, nonce))
    desks.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.REJECTED))
    assert desks.node.verdict(session, nonce) == accept(session, nonce)
    answered = desks.desk.sessions()["n1"].answered
    assert answered is not None
    assert (answered.nonce, answered.status, answered.receipts) == (nonce, AnswerStatus.ACCEPTED, None)


def test_evidence_stays_after_it_was_answered(desks: DeskBench) -> None:
    assign(desks)
    session, nonce = prove(desks)
    desks.desk.answer(accept(session, nonce))
    seen = desks.desk.sessions()["n1"].evidence
    assert seen is not None
    assert seen.nonce == nonce


def test_receipts_are_kept_for_accepted_evidence(desks: DeskBench) -> None:
    assign(desks)
    session, nonce = prove(desks)
    desks.desk.answer(accept(session, nonce))
    desks.node.acknowledge(session, nonce, {"disk": "ab" * 32})
    answered = desks.desk.sessions()["n1"].answered
    assert answered is not None
    assert answered.receipts == {"disk": "ab" * 32}


def test_rejected_node_has_nothing_to_acknowledge(desks: DeskBench) -> None:
    assign(desks)
    session, nonce = prove(desks)
    desks.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.REJECTED))
    with pytest.raises(Exception):  # noqa: B017, PT011 - a refusal, each store's own
        desks.node.acknowledge(session, nonce, {})


def test_presence_is_where_the_node_called_from(desks: DeskBench) -> None:
    assign(desks)
    session, _ = prove(desks)
    desks.node.confirm(session)
    presence = desks.desk.sessions()["n1"].presence
    assert presence is not None
    assert presence.network == "blue-net"


def test_newest_session_is_the_one_that_counts(desks: DeskBench) -> None:
    assign(desks)
    prove(desks)
    session, nonce = prove(desks)
    seen = desks.desk.sessions()["n1"]
    assert seen.session == session
    assert seen.evidence is not None
    assert seen.evidence.nonce == nonce


def test_somebody_is_listening(desks: DeskBench) -> None:
    assert desks.desk.listening_since() is not None
