"""What another desired state makes of recorded evidence: exactly what it would make of the same boot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit import judged_under
from reconciler.evidence.raw import RawReader
from reconciler.evidence.rejudge import Fate, Outlook, rejudge
from reconciler.evidence.statement import Record
from reconciler.model.desired import DesiredState
from reconciler.model.facts import FactAssertion
from reconciler.model.record import Event
from reconciler.model.submission import Evidence
from tests.support.stages import Stage, at_stage
from tests.unit.evidence.test_audit import branch_of, held_branch


def recorded() -> tuple[Record, Evidence, DesiredState]:
    branch = branch_of(at_stage(Stage.MEMBER))
    record = branch.record(branch.path(Event.APPRAISED))
    assert record.appraisal is not None
    evidence = RawReader(branch.blobs.get).read(record.appraisal.evidence)
    return record, evidence, branch.trusted[record.commit]


def with_policy(desired: DesiredState, **changes: Any) -> DesiredState:  # noqa: ANN401 - fields of a policy
    name = desired.enclaves["blue"].spec.policy
    policy = desired.policies[name]
    changed = policy.model_copy(update={"spec": policy.spec.model_copy(update=changes)})
    return replace(desired, policies={**desired.policies, name: changed})


def outlook_under(now: DesiredState, **options: Any) -> Outlook:  # noqa: ANN401 - those of rejudge
    record, evidence, then = recorded()
    return rejudge(record, evidence=evidence, then=then, now=now, **options)


def test_under_what_it_was_accepted_by_a_node_stays() -> None:
    *_, then = recorded()
    assert outlook_under(then) == Outlook(node="n1", enclave="blue", sequence=3, fate=Fate.STAYS)


def test_a_stricter_policy_names_every_reason() -> None:
    *_, then = recorded()
    found = outlook_under(with_policy(then, facts=(FactAssertion(fact="secureBoot", equals=True),)))
    assert (found.fate, [reason.code for reason in found.reasons]) == (Fate.REJECTED, ["FactMismatch"])


def test_a_policy_may_be_tried_on_a_node_that_has_another() -> None:
    *_, then = recorded()
    assert outlook_under(then, policy="pinned").fate in {Fate.STAYS, Fate.RESTARTS, Fate.REJECTED}
    strict = then.policies["pinned"].model_copy(
        update={
            "spec": then.policies["measured-boot"].spec.model_copy(
                update={"facts": (FactAssertion(fact="secureBoot", equals=True),)}
            )
        }
    )
    tried = replace(then, policies={**then.policies, "pinned": strict})
    assert outlook_under(tried, policy="pinned").fate is Fate.REJECTED
    assert outlook_under(tried).fate is Fate.STAYS


def test_what_was_never_quoted_is_unknown_and_no_yes() -> None:
    *_, then = recorded()
    found = outlook_under(with_policy(then, pcrs=(*then.policies["measured-boot"].spec.pcrs, 14)))
    assert found.fate is Fate.UNKNOWN
    assert "PCR 14 was never quoted" in found.note


def test_fewer_pcrs_restart_a_node_and_are_judged_by_themselves() -> None:
    *_, then = recorded()
    pcrs = then.policies["measured-boot"].spec.pcrs
    found = outlook_under(with_policy(then, pcrs=tuple(pcr for pcr in pcrs if pcr != 12)))
    assert 12 in pcrs
    assert found.fate is Fate.RESTARTS


def test_another_image_restarts_a_node() -> None:
    *_, then = recorded()
    name = then.enclaves["blue"].spec.image
    image = then.images[name]
    other = image.model_copy(update={"spec": image.spec.model_copy(update={"digest": "sha256:" + "9" * 64})})
    assert outlook_under(replace(then, images={**then.images, name: other})).fate is Fate.RESTARTS


def test_a_node_whose_enclave_is_gone_leaves() -> None:
    *_, then = recorded()
    assert outlook_under(replace(then, enclaves={})).fate is Fate.LEAVES


def test_a_record_that_does_not_fit_its_commit_is_refused() -> None:
    record, evidence, then = recorded()
    with pytest.raises(TrustError):
        rejudge(record, evidence=evidence, then=replace(then, policies={}), now=then)


def test_a_member_that_waits_for_its_restart_is_judged_by_what_it_runs() -> None:
    branch = held_branch()
    path = [path for path in branch.statements if branch.record(path).event is Event.APPRAISED][-1]
    record = branch.record(path)
    assert record.appraisal is not None
    evidence = RawReader(branch.blobs.get).read(record.appraisal.evidence)
    then = judged_under(record, record.appraisal, desired=branch.trusted.__getitem__)
    now = branch.trusted[record.commit]
    assert rejudge(record, evidence=evidence, then=then, now=now).fate is Fate.RESTARTS
    strict = with_policy(now, facts=(FactAssertion(fact="secureBoot", equals=True),))
    assert rejudge(record, evidence=evidence, then=then, now=strict).fate is Fate.REJECTED
