"""What a recorded verdict rests on, put together from blobs alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import bare
from reconciler.evidence.history import forms, questions
from reconciler.evidence.history.basis import BasisReader
from reconciler.evidence.history.chronicle import Scope
from reconciler.evidence.history.times import up_to
from reconciler.evidence.history.values import Standing
from reconciler.evidence.statement import Record
from reconciler.model.record import Event, ImaTip
from tests.support.chronicles import Story, at, blobs_in, eventful_world, history_of, look_in, records_in
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return eventful_world()


def appraisals(world: World, node: str) -> list[Record]:
    return [record for record in records_in(world) if record.node == node and record.event is Event.APPRAISED]


def test_a_leafs_verdict_is_computed_again_without_the_repository(world: World) -> None:
    leaf = next(one for one in appraisals(world, "n1") if one.appraisal and one.appraisal.verdict is None)
    basis = look_in(world).read(leaf)
    assert (basis.verdict["verdict"], basis.verdict["node"]) == ("accepted", "n1")
    assert set(basis.pcrs) == {0, 1, 2, 3, 4, 5, 7, 9, 11, 12}
    assert basis.event_log_size > 1000
    assert basis.certificate is not None
    assert (basis.certificate.certificate.subject, basis.issuers) == ("CN=EK of n1", ("CN=Ringfence Test TPMs",))
    policy = json.loads(blobs_in(world)[bare(basis.policy_digest)])
    assert policy["image"] == "derived"


def test_a_rejection_is_shown_as_it_was_recorded(world: World) -> None:
    (record,) = appraisals(world, "n2")
    basis = look_in(world).read(record)
    assert {reason["code"] for reason in basis.verdict["reasons"]} == {"MeasurementMismatch"}
    told = forms.appraisal_json(record, look=look_in(world).read)
    assert (told["verdict"], told["status"]) == ("rejected", "contraindicated")
    assert {reason["pcr"] for reason in told["reasons"]} == {4, 11}
    assert told["evidence"]["clock"] is None


def test_a_verdict_that_is_another_one_is_refused(world: World) -> None:
    record = appraisals(world, "n1")[-1]
    assert record.appraisal is not None
    other = record.appraisal.model_copy(update={"verdict_digest": "sha256:" + "0" * 64})
    with pytest.raises(TrustError) as caught:
        look_in(world).read(record.model_copy(update={"appraisal": other}))
    assert caught.value.reason == "VerdictDiffers"


def test_evidence_that_is_not_whole_is_told_in_its_place(world: World) -> None:
    record = appraisals(world, "n1")[0]
    assert record.appraisal is not None
    blobs = {name: data for name, data in blobs_in(world).items() if name != bare(record.appraisal.evidence.pcrs)}
    told = forms.appraisal_json(record, look=BasisReader(blobs.get).read)
    assert (told["verdict"], told["problemCode"]) == ("accepted", "BlobMissing")
    assert "evidence" not in told


def test_an_appraisal_without_evidence_is_told_too() -> None:
    story = Story()
    story.tell(Event.APPRAISED, 0)
    told = forms.appraisal_json(story.records[0], look=BasisReader({}.get).read)
    assert (told["policy"], told["image"], told["verdictDigest"]) == (None, None, None)
    assert told["problemCode"] == "StatementMalformed"


def test_every_stay_and_every_situation_has_a_json_form(world: World) -> None:
    records, look = records_in(world), look_in(world).read
    history = history_of(*records)
    standings = set()
    for stay in questions.stays(history, scope=Scope()):
        document = forms.stay_json(stay, look=look)
        json.dumps(document)
        standings.add(stay.standing)
        assert ("proofs" in document) == (stay.standing in {Standing.AIRLOCK, Standing.MEMBER})
        assert ("causes" in document) == (stay.standing is Standing.REJECTED)
        assert ("image" in document) == (stay.standing is not Standing.FREE)
        assert forms.membership_json(stay, endings=questions.endings(stay, history))["node"] == stay.node
    assert standings >= {Standing.AIRLOCK, Standing.MEMBER, Standing.REJECTED, Standing.FREE}
    for one in questions.commits(history):
        assert forms.commit_json(one)["commit"] == one.commit
    for moment in sorted({record.recorded_at for record in records}):
        scope = Scope(window=up_to(moment))
        for one in questions.situations(history_of(*records, scope=scope), moment, scope=scope):
            json.dumps(forms.situation_json(one, look=look))


def test_unproven_stays_have_empty_proofs() -> None:
    story = Story()
    story.tell(Event.ASSIGNED, 0)
    (stay,) = history_of(*story.records).stays["n1"]
    assert forms.stay_json(stay, look=BasisReader({}.get).read)["proofs"] == {
        "number": 0,
        "firstAt": None,
        "lastAt": None,
        "longestGapSeconds": 0.0,
        "first": None,
        "last": None,
    }
    assert forms.membership_json(stay, endings=())["lastProvenAt"] is None


def test_a_question_is_told_with_its_answer() -> None:
    scope = Scope(window=up_to(at(0)), node="n1")
    assert forms.question_json(scope, at=at(0)) == {
        "at": "2026-03-03T12:00:00Z",
        "from": None,
        "until": None,
        "node": "n1",
        "enclave": None,
        "commit": None,
    }
    assert forms.question_json(scope, at=None)["until"] == "2026-03-03T12:00:00.000001Z"


def test_ima_logs_and_unreadable_certificates_are_told(world: World) -> None:

    record = appraisals(world, "n1")[0]
    basis = look_in(world).read(record)
    tip = ImaTip(link="sha256:" + "1" * 64, size=7, digest="sha256:" + "2" * 64)
    submitted = basis.submitted.model_copy(update={"ima": tip})
    told = forms.appraisal_json(record, look=lambda _: replace(basis, submitted=submitted, certificate=None))
    assert told["evidence"]["imaLog"]["size"] == 7
    assert told["evidence"]["ekCertificate"] is None
