"""What evidence is held against: today's policy, and for what is recorded the commit and clock of its record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.execute.passes import Draft
from reconciler.model.desired import DatedImage
from reconciler.model.observed import NodeObservation
from reconciler.model.phase import Phase
from reconciler.plan.expect import assigned_image, expectation_for, to_boot_clock
from tests.support.sites import EnclaveShape, site
from tests.support.stages import BLUE, BOOT_S, Stage, at_stage, with_head


def _seen(draft: Draft) -> NodeObservation:
    return draft.observed.nodes["n1"]


def test_there_is_nothing_to_appraise_without_evidence_in_the_attempt_that_is_served() -> None:
    assert expectation_for(*_pair(Stage.FRESH)) is None
    assert expectation_for(*_pair(Stage.BOOTING)) is None
    desired, seen = _pair(Stage.PROVEN)
    assert seen.session is not None
    assert seen.assignment is not None
    assert expectation_for(desired, replace(seen, assignment=None)) is None
    assert expectation_for(desired, replace(seen, session=replace(seen.session, evidence=None))) is None
    assert expectation_for(desired, replace(seen, session=replace(seen.session, attempt="another"))) is None


def _pair(stage: Stage) -> tuple[Any, NodeObservation]:
    draft = at_stage(stage).draft()
    return draft.desired, _seen(draft)


def test_first_evidence_is_held_against_todays_commit() -> None:
    desired, seen = _pair(Stage.PROVEN)
    expected = expectation_for(desired, seen)
    assert expected is not None
    assert (expected.node, expected.enclave, expected.commit) == ("n1", "blue", desired.commit)
    assert (expected.previous, expected.must_be_same_boot) == (None, False)
    assert seen.session is not None
    assert seen.session.evidence is not None
    assert expected.judged_at == seen.session.evidence.received_at


def test_another_image_or_other_pcrs_or_no_enclave_is_no_fault_of_the_node() -> None:
    _, seen = _pair(Stage.PROVEN)
    for other in (
        site(nodes=2, enclaves=[BLUE], measured="rebuilt"),
        site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1, policy="pinned")]),
        site(nodes=2),
    ):
        assert expectation_for(other, seen) is None


def test_unrecorded_evidence_for_an_older_commit_is_not_appraised_but_recorded_evidence_is() -> None:
    newer = site(nodes=2, enclaves=[BLUE], revision=1)
    assert expectation_for(newer, _pair(Stage.PROVEN)[1]) is None
    desired, seen = _pair(Stage.MEMBER)
    expected = expectation_for(newer, seen)
    assert expected is not None
    assert expected.commit == desired.commit
    assert expectation_for(newer, with_head(seen, proven_commit=None)) is None


def test_a_member_must_be_in_the_boot_it_was_proven_in() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.tick(BOOT_S)
    draft = runner.draft()
    seen = _seen(draft)
    assert seen.head is not None
    expected = expectation_for(draft.desired, seen)
    assert expected is not None
    assert (expected.previous, expected.must_be_same_boot) == (to_boot_clock(seen.head.clock), True)
    runner.run()
    repeated = expectation_for(draft.desired, _seen(runner.draft()))
    assert repeated is not None
    assert (repeated.previous, repeated.must_be_same_boot) == (expected.previous, True)


def test_a_new_attempt_is_held_against_the_last_clock_but_not_the_last_boot() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.befall("power-button", node="n1")
    for _ in range(3):
        runner.run()
    runner.world.tick(BOOT_S)
    draft = runner.draft()
    expected = expectation_for(draft.desired, _seen(draft))
    assert expected is not None
    assert expected.previous is not None
    assert not expected.must_be_same_boot


def test_evidence_is_held_against_the_roots_intermediates_and_lists_of_the_desired_state() -> None:
    desired, seen = _pair(Stage.PROVEN)
    desired = replace(desired, ek_roots=(b"root",), ek_intermediates=(b"intermediate",), ek_crls=(b"list",))
    expected = expectation_for(desired, seen)
    assert expected is not None
    assert (expected.ek_roots, expected.ek_intermediates, expected.ek_crls) == (
        (b"root",),
        (b"intermediate",),
        (b"list",),
    )


def test_a_member_is_held_against_the_image_that_it_was_assigned_while_that_is_known() -> None:
    desired, seen = _pair(Stage.MEMBER)
    old = desired.images["worker"]
    former = {old.spec.digest: DatedImage(commit=desired.commit, name="worker", image=old)}
    rebuilt = replace(site(nodes=2, enclaves=[BLUE], revision=1, measured="rebuilt"), former_images=former)
    expected = expectation_for(rebuilt, seen)
    assert expected is not None
    assert expected.measurements == old.spec.measurements
    assert assigned_image(rebuilt, seen) == former[old.spec.digest]
    assert assigned_image(desired, seen) == DatedImage(commit=desired.commit, name="worker", image=old)
    for other in (
        replace(seen, assignment=None),
        with_head(seen, phase=Phase.AIRLOCK),
        with_head(seen, attempt="another"),
        with_head(seen, image="sha256:" + "0" * 64),
        replace(seen, head=None),
    ):
        assert assigned_image(rebuilt, other) is None
        assert expectation_for(rebuilt, other) is None
    assert assigned_image(replace(rebuilt, former_images={}), seen) is None
    assert assigned_image(replace(rebuilt, enclaves={}), seen) is None
