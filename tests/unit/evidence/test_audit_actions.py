"""What records tell of, held against the desired state at their commit, the records before them, and the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.evidence.audit.layout import kind_of
from reconciler.evidence.canonical import canonical_value
from reconciler.evidence.envelope import seal
from reconciler.evidence.round import records_bytes, round_bytes
from reconciler.model.base import Value
from reconciler.model.desired import DesiredState
from reconciler.model.facts import FactAssertion
from reconciler.model.kinds import NodeSelection
from reconciler.model.record import Event
from tests.support.runner import EVIDENCE_KEY, LONG
from tests.support.softtpm import Lie
from tests.support.stages import BOOT_S, Stage, at_stage
from tests.unit.evidence.test_audit import Branch, branch_of


@pytest.fixture
def branch() -> Branch:
    return branch_of(at_stage(Stage.MEMBER))


@pytest.fixture
def renewed() -> Branch:
    """Return the records of a member that proved itself once more, in a round."""
    runner = at_stage(Stage.MEMBER)
    runner.world.tick(BOOT_S)
    runner.run()
    return branch_of(runner)


def changed(value: Value, **changes: Any) -> Any:  # noqa: ANN401 - a document
    """Return a document with ``changes`` in its ``spec``."""
    return value.model_copy(update={"spec": value.spec.model_copy(update=changes)})  # type: ignore[attr-defined]


def under(branch: Branch, **changes: Any) -> None:  # noqa: ANN401 - DesiredState's own
    """Let the only commit say something else."""
    commit, desired = next(iter(branch.trusted.items()))
    branch.trusted = {commit: replace(desired, **changes)}


def state_of(branch: Branch) -> DesiredState:
    return next(iter(branch.trusted.values()))


def with_enclave(branch: Branch, **changes: Any) -> None:  # noqa: ANN401 - EnclaveSpec's own
    under(branch, enclaves={"blue": changed(state_of(branch).enclaves["blue"], **changes)})


def with_node(branch: Branch, **changes: Any) -> None:  # noqa: ANN401 - NodeSpec's own
    nodes = state_of(branch).nodes
    under(branch, nodes={**nodes, "n1": changed(nodes["n1"], **changes)})


def found_at(branch: Branch, path: str) -> set[str]:
    return {code for where, code in branch.flaws() if where == path}


@pytest.mark.parametrize(
    ("event", "changes", "code"),
    [
        (Event.ASSIGNED, {"image": "sha256:" + "9" * 64}, "ImageDiffers"),
        (Event.ASSIGNED, {"enclave": "red"}, "RecordStray"),
        (Event.ASSIGNED, {"ports": {"eno1": "access 999"}}, "PortsDiffer"),
        (Event.RELEASED, {"keys": {"common": 1, "another": 1}}, "KeyNotListed"),
        (Event.RELEASED, {"attempt": "another"}, "AttemptStray"),
        (Event.ADMITTED, {"ports": {"eno1": "access 201"}}, "PortsDiffer"),
        (Event.ADMITTED, {"ports": {}}, "PortsDiffer"),
        (Event.ADMITTED, {"ports": {"eno1": "access 200", "eno2": "access 200"}}, "PortsDiffer"),
        (Event.ENROLLED, {"attempt": "another"}, "AttemptStray"),
        (Event.ENROLLED, {"enrolment": "sha256:" + "9" * 64}, "BlobMissing"),
        (Event.APPRAISED, {"nonce": "00"}, "AcceptanceDiffers"),
        (Event.APPRAISED, {"contacted_at": None}, "AcceptanceDiffers"),
        (Event.APPRAISED, {"clock": None}, "AcceptanceDiffers"),
        (Event.CONFIRMED, {"tree": "f" * 40}, "TreeDiffers"),
        (Event.CONFIRMED, {"enclave": "red"}, "RecordStray"),
    ],
)
def test_a_record_that_says_what_was_not_so_is_found(
    branch: Branch, event: Event, changes: dict[str, Any], code: str
) -> None:
    path = branch.path(event)
    branch.rewrite(path, **changes)
    assert code in found_at(branch, path)


def test_ports_that_are_the_airlocks_or_parked_hold(branch: Branch) -> None:
    branch.rewrite(branch.path(Event.ASSIGNED), ports={"eno1": "access 101"})
    assert branch.flaws() == []
    path = branch.add(Event.PARKED, ports={"eno1": "access 999"})
    assert branch.flaws() == []
    branch.rewrite(path, ports={"eno1": "access 200"})
    assert found_at(branch, path) == {"PortsDiffer"}


def test_an_enrolment_that_is_not_the_one_of_the_appraisals_is_found(branch: Branch) -> None:
    path = branch.path(Event.ENROLLED)
    branch.rewrite(path, event=Event.PARKED, enrolment=None)
    assert "EnrolmentDiffers" in found_at(branch, branch.path(Event.APPRAISED))
    other = branch_of(at_stage(Stage.MEMBER))
    record = other.record(other.path(Event.ENROLLED))
    name = str(record.enrolment).removeprefix("sha256:")
    assert name in other.blobs
    other.rewrite(other.path(Event.ENROLLED), node="n1", attempt="another")
    assert "EnrolmentDiffers" in found_at(other, other.path(Event.ENROLLED))


@pytest.mark.parametrize(
    ("selection", "is_fine"),
    [
        (NodeSelection(names=("n1",)), True),
        (NodeSelection(names=("n2",)), False),
        (NodeSelection(names=()), False),
        (NodeSelection(count=1, select={"size": "small"}), True),
        (NodeSelection(count=0), False),
        (NodeSelection(count=1, select={"size": "none"}), False),
    ],
)
def test_a_node_that_its_enclave_does_not_ask_for_is_found(
    branch: Branch,
    selection: NodeSelection,
    is_fine: bool,  # noqa: FBT001 - a row of the table
) -> None:
    with_enclave(branch, nodes=selection)
    assert ("NodeNotAllowed" in found_at(branch, branch.path(Event.ASSIGNED))) is not is_fine


def test_a_selection_of_nobody_lets_stay_who_serves(branch: Branch) -> None:
    with_enclave(branch, nodes=NodeSelection(names=()))
    assert found_at(branch, branch.path(Event.ADMITTED)) == set()
    with_enclave(branch, nodes=NodeSelection(count=1, select={"size": "none"}))
    assert found_at(branch, branch.path(Event.ADMITTED)) == set()


def test_a_node_of_another_zone_is_found(branch: Branch) -> None:
    networks = state_of(branch).networks
    under(branch, networks={**networks, "blue-net": changed(networks["blue-net"], zone="west")})
    assert found_at(branch, branch.path(Event.ASSIGNED)) == {"NodeNotAllowed"}


def test_another_policy_than_the_enclaves_is_found(branch: Branch) -> None:
    with_enclave(branch, policy="pinned")
    assert "PolicyDiffers" in found_at(branch, branch.path(Event.APPRAISED))


def test_a_record_about_another_tpm_is_found(branch: Branch) -> None:
    path = branch.path(Event.CONFIRMED)
    branch.rewrite(path, endorsement="sha256:" + "0" * 64)
    assert branch.flaws() == [(path, "SubjectDiffers")]


def test_a_rejection_that_no_commit_cleared_is_found() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.machines["n1"].lie = Lie.CLAIMED_PCR
    runner.settle(quiet_rounds=LONG)
    branch = branch_of(runner)
    assert branch.flaws() == []
    returned = branch.add(Event.RETURNED)
    assert branch.flaws() == [(returned, "RejectionStands")]
    with_node(branch, cleared=branch.record(branch.path(Event.REJECTED)).sequence)
    assert branch.flaws() == []


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_record_that_is_dated_before_the_one_ahead_of_it_is_found(branch: Branch, seconds: int) -> None:
    at = branch.record(branch.path(Event.CONFIRMED)).recorded_at
    path = branch.add(Event.PARKED, at=at + timedelta(seconds=seconds))
    assert branch.flaws() == ([(path, "TimeReversed")] * 2 if seconds < 0 else [])


def test_a_record_that_is_older_than_its_commit_is_found(branch: Branch) -> None:
    branch.made_at = branch.record(branch.path(Event.CONFIRMED)).recorded_at + timedelta(minutes=4)
    assert branch.flaws() == []
    branch.made_at += timedelta(hours=1)
    assert set(branch.codes()) == {"RecordBackdated"}


def test_a_record_that_is_older_than_its_evidence_is_found(branch: Branch) -> None:
    path = branch.path(Event.APPRAISED)
    record = branch.record(path)
    assert record.appraisal is not None
    late = {"received_at": record.recorded_at + timedelta(seconds=1)}
    evidence = record.appraisal.evidence.model_copy(update=late)
    branch.rewrite(path, appraisal=record.appraisal.model_copy(update={"evidence": evidence}))
    assert "RecordBackdated" in found_at(branch, path)


def test_a_record_under_an_older_commit_than_the_one_before_it_is_found(branch: Branch) -> None:
    older = replace(state_of(branch), commit="a" * 40)
    branch.trusted = {"a" * 40: older, **branch.trusted}
    assert branch.flaws() == []
    path = branch.add(Event.PARKED, ports={"eno1": "access 999"}, commit="a" * 40)
    assert branch.flaws() == [(path, "CommitBackwards")]


def test_evidence_that_was_held_against_less_than_it_should_is_found(renewed: Branch) -> None:
    assert renewed.flaws() == []
    (path,) = renewed.attached
    appraisal = renewed.record(path).appraisal
    assert appraisal is not None
    relaxed = {"previous": None, "must_be_same_boot": False}
    renewed.rewrite(path, appraisal=appraisal.model_copy(update=relaxed))
    assert found_at(renewed, path) == {"FreshnessDiffers"}


@pytest.mark.parametrize(
    "changes",
    [{"event": Event.CONFIRMED}, {"clock": None}, {"appraisal": None}],
)
def test_a_leaf_that_is_no_repeated_proof_is_found(renewed: Branch, changes: dict[str, Any]) -> None:
    (path,) = renewed.attached
    renewed.rewrite(path, **changes)
    assert found_at(renewed, path) == {"RoundMalformed"}


def test_a_leaf_with_a_verdict_or_in_another_form_is_found(renewed: Branch) -> None:
    (path,) = renewed.attached
    record = renewed.record(path)
    appraisal = record.appraisal
    assert appraisal is not None
    line = canonical_value(record)
    for odd in (line.replace(b'"keys":{}', b'"keys": {}'), b"{}", canonical_value(record).replace(b"n1", b"n2")):
        renewed.attached[path] = records_bytes([odd])
        made = {"recorded_at": record.recorded_at, "commit": record.commit, "tree": record.tree}
        payload = round_bytes([odd], **made, verifier=record.verifier)
        renewed.statements[path] = seal(payload, sign=EVIDENCE_KEY.sign, key_id="evidence")
        assert "RoundMalformed" in found_at(renewed, path)
    with_verdict = appraisal.model_copy(update={"verdict": {}})
    renewed.attached[path] = records_bytes([line])
    renewed.rewrite(path, appraisal=with_verdict)
    assert found_at(renewed, path) == {"RoundMalformed"}


def test_a_round_in_another_place_or_without_its_records_is_found(renewed: Branch) -> None:
    (path,) = renewed.attached
    moved = path.replace("/12/", "/13/")
    assert kind_of(moved) is not None
    renewed.statements[moved], renewed.attached = renewed.statements.pop(path), {moved: renewed.attached[path]}
    assert found_at(renewed, moved) == {"StatementMoved"}
    renewed.attached = {}
    assert found_at(renewed, moved) == {"RoundAltered"}


def test_an_acceptance_that_stands_on_record_is_judged_again_by_its_own_clock() -> None:
    runner = at_stage(Stage.MEMBER)
    world = runner.world
    for _ in range(2):
        world.tick(BOOT_S)
        runner.run()
    strict = changed(world.desired.policies["measured-boot"], facts=(FactAssertion(fact="secureBoot", equals=True),))
    policies = {**world.desired.policies, "measured-boot": strict}
    world.trust(replace(world.desired, policies=policies, commit="b" * 40, tree="c" * 40))
    runner.settle(quiet_rounds=LONG)
    branch = branch_of(runner)
    assert branch.flaws() == []
    judged = [branch.record(path) for path in branch.statements if branch.record(path).appraisal is not None]
    assert [record.verdict for record in judged][-1] == "rejected"
    nonces = [record.appraisal.evidence.nonce for record in judged if record.appraisal]
    assert len(set(nonces)) < len(nonces)
    assert branch.record(branch.path(Event.REJECTED)).verdict is None


def test_a_chain_that_begins_in_the_middle_is_told_once(branch: Branch) -> None:
    first = branch.path(Event.ASSIGNED)
    del branch.statements[first]
    assert branch.codes().count("ChainBroken") == 1


def test_what_was_accepted_once_is_not_accepted_once_more(branch: Branch) -> None:
    record = branch.record(branch.path(Event.APPRAISED))
    names = ("enclave", "attempt", "appraisal", "nonce", "clock", "contacted_at", "accepted_at")
    path = branch.add(Event.APPRAISED, **{name: getattr(record, name) for name in names})
    assert found_at(branch, path) == {"FreshnessDiffers"}
