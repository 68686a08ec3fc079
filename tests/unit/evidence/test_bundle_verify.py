"""What a bundle proves, and everything that can be wrong with one that somebody signed or put together anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import InputError, InvariantError, TrustError
from reconciler.evidence.bundle.authority import Authority, Pin, Told
from reconciler.evidence.bundle.head import log_key
from reconciler.evidence.bundle.making import make_parts
from reconciler.evidence.bundle.objects import Commit
from reconciler.evidence.bundle.pieces import key_id_of, key_part, parse_key, parse_rounds, signed_by
from reconciler.evidence.bundle.reading import Shown
from reconciler.evidence.bundle.references import blobs_behind
from reconciler.evidence.bundle.verdicts import MAX_IMA_LOG
from reconciler.evidence.bundle.verifying import Asked, Verified, verify
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.envelope import seal
from reconciler.evidence.note import parse_note
from reconciler.evidence.statement import Record, statement_bytes, statement_path
from reconciler.evidence.unverified import unverified_payload
from reconciler.model.desired import DesiredState
from reconciler.model.record import Event, ImaTip
from tests.support.bundle_commits import Made, make_commit, operator
from tests.support.bundles import (
    KEY_ID,
    ORIGIN,
    PINNED,
    WITNESS,
    Shelf,
    check,
    no_documents,
    pack,
    rewritten,
    shelf_of,
    unpack,
)
from tests.support.runner import EVIDENCE_KEY, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.support.world_agent import Malice

AT = datetime(2026, 3, 3, 13, tzinfo=UTC)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)


@pytest.fixture(scope="module")
def world() -> World:
    """Return a world in which one node serves blue, one was rejected, and one left for green."""
    blue = [EnclaveShape(name="blue", count=2)]
    world = World(site(nodes=3, enclaves=blue))
    world.machines["n2"].malice = Malice.TAMPERED
    runner = Runner(world)
    runner.settle()
    world.trust(site(nodes=3, revision=1, enclaves=[EnclaveShape(name="green", count=1)]))
    runner.settle()
    return world


@pytest.fixture(scope="module")
def shelf(world: World) -> Shelf:
    return shelf_of(world)


def changed(shelf: Shelf, event: Event, **changes: object) -> Verified:
    """Return what verifying gives where records of ``event`` say something else."""
    again = rewritten(shelf, lambda record: record.model_copy(update=changes) if record.event is event else record)
    return check(again.bundle("node/n1"))


def codes(found: Verified) -> set[str]:
    return {flaw.code for flaw in found.flaws}


def refusal(bundle: bytes) -> str:
    with pytest.raises(TrustError) as refused:
        check(bundle)
    return refused.value.reason


def test_a_bundle_of_a_node_is_proven_by_a_key_that_was_given(shelf: Shelf) -> None:
    found = check(shelf.bundle("node/n1"))
    assert found.is_proven
    assert (found.subject, found.head.origin, found.head.size) == ("node/n1", ORIGIN, len(shelf.envelopes))
    assert [(each.key_id, each.unvouched) for each in found.signers] == [(KEY_ID, 0)]
    assert found.accepted > 2
    assert found.is_head_vouched
    assert found.rules_shown == 0


def test_a_rejection_is_shown_with_its_verdict(shelf: Shelf) -> None:
    found = check(shelf.bundle("node/n2"))
    assert (found.is_proven, found.accepted, found.rejected) == (True, 0, 1)


def test_equal_evidence_gives_equal_bytes(shelf: Shelf, world: World) -> None:
    assert shelf.bundle("enclave/blue") == shelf_of(world).bundle("enclave/blue")


def test_without_a_key_nobody_vouches_and_nothing_is_proven(shelf: Shelf) -> None:
    found = check(shelf.bundle("node/n1"), pins={})
    assert (found.flaws, found.is_proven) == ((), False)
    assert f"nobody vouches for signer {KEY_ID}" in found.doubts[0]
    assert "tree head" in found.doubts[1]


def test_a_key_that_was_not_valid_yet_vouches_for_nothing(shelf: Shelf) -> None:
    later, earlier = datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert check(shelf.bundle("node/n1"), pins={KEY_ID: Pin(after=later)}).doubts
    assert check(shelf.bundle("node/n1"), pins={KEY_ID: Pin(before=earlier)}).doubts
    assert check(shelf.bundle("node/n1"), pins={KEY_ID: Pin(after=earlier, before=later)}).is_proven


def test_a_stranger_who_signs_everything_anew_is_a_stranger(shelf: Shelf) -> None:
    forged = rewritten(shelf, lambda record: record, key=OTHER)
    found = check(forged.bundle("node/n1"))
    assert (found.flaws, found.is_proven) == ((), False)
    assert key_id_of(OTHER.public_key()) in found.doubts[0]


def test_verdicts_are_counted_while_they_are_computed(shelf: Shelf) -> None:
    counts: list[int] = []
    asked = Asked(documents=no_documents, told=counts.append)
    verify(shelf.bundle("node/n1"), asked=asked)
    assert counts == list(range(1, len(counts) + 1))
    assert verify(shelf.bundle("node/n1"), asked=Asked(documents=no_documents)).accepted == len(counts)


def test_an_admission_without_an_acceptance_is_found(shelf: Shelf) -> None:
    without = rewritten(shelf, lambda record: None if record.event is Event.APPRAISED else record)
    assert codes(check(without.bundle("node/n1"))) == {"GateSkipped"}


def test_an_admission_in_another_attempt_is_found(shelf: Shelf) -> None:
    assert codes(changed(shelf, Event.ADMITTED, attempt="another")) == {"GateSkipped"}


def test_a_step_that_no_node_can_take_is_found(shelf: Shelf) -> None:
    rejected = {"event": Event.REJECTED}
    again = rewritten(shelf, lambda r: r.model_copy(update=rejected) if r.event is Event.ENROLLED else r)
    assert codes(check(again.bundle("node/n1"))) == {"IllegalPhaseStep"}


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "00" * 32},
        {"accepted_at": AT},
        {"clock": None},
        {"contacted_at": None},
        {"contacted_at": AT},
        {"appraisal": None},
        {"enclave": None},
        {"attempt": None},
    ],
)
def test_a_record_that_says_something_else_than_its_verdict_is_found(shelf: Shelf, changes: dict[str, object]) -> None:
    found = changed(shelf, Event.APPRAISED, **changes)
    assert codes(found) <= {"AcceptanceDiffers", "StatementMalformed"}
    assert found.flaws


def appraised(shelf: Shelf, **changes: object) -> Verified:
    """Return what verifying gives where the appraisals of a node say something else."""

    def change(record: Record) -> Record:
        appraisal = record.appraisal
        return record.model_copy(update={"appraisal": appraisal.model_copy(update=changes)}) if appraisal else record

    return check(rewritten(shelf, change).bundle("node/n1"))


def test_another_verdict_is_found(shelf: Shelf) -> None:
    assert codes(appraised(shelf, verdict={"verdict": "accepted"})) == {"VerdictDiffers"}
    assert codes(appraised(shelf, verdict_digest=f"sha256:{'0' * 64}")) == {"VerdictDiffers"}
    assert codes(appraised(shelf, verdict=None)) == set()


def test_evidence_that_was_held_against_other_clocks_than_it_had_to_be_is_found(shelf: Shelf) -> None:
    assert codes(appraised(shelf, must_be_same_boot=True)) == {"VerdictDiffers"}
    records = [record for record, _ in shelf.records["n1"].values() if record.clock is not None]
    earlier = records[0].clock
    assert earlier is not None
    old = earlier.model_copy(update={"reset_count": 0, "restart_count": 0, "clock": 1})
    assert codes(appraised(shelf, previous=old)) <= {"FreshnessDiffers", "VerdictDiffers"}
    assert appraised(shelf, previous=old).flaws


def test_evidence_that_is_judged_again_is_held_against_what_it_was_then(shelf: Shelf) -> None:
    again = rewritten(shelf, lambda record: record, twice=Event.APPRAISED)
    assert check(again.bundle("node/n1")).is_proven


def test_records_of_one_stay_are_followed_from_its_assignment(shelf: Shelf) -> None:
    found = check(shelf.bundle("enclave/green"))
    assert found.is_proven
    assert {(run.first > 1, run.phase.value, run.enclave) for run in found.runs} == {(True, "ENCLAVE", "green")}


def test_rules_about_another_tpm_are_found(shelf: Shelf) -> None:
    other = next(record.appraisal.rules for record, _ in shelf.records["n2"].values() if record.appraisal is not None)
    assert codes(appraised(shelf, rules=other)) == {"RecordStray"}


def test_a_record_that_is_dated_before_its_evidence_is_found(shelf: Shelf) -> None:
    early = datetime(2026, 3, 3, 11, tzinfo=UTC)
    assert codes(changed(shelf, Event.APPRAISED, recorded_at=early)) == {"RecordBackdated"}


def test_a_rejection_that_says_it_was_accepted_is_found(shelf: Shelf) -> None:
    accepted = {"nonce": "00" * 32}
    again = rewritten(shelf, lambda r: r.model_copy(update=accepted) if r.event is Event.APPRAISED else r, node="n2")
    assert codes(check(again.bundle("node/n2"))) == {"AcceptanceDiffers"}


def test_an_ima_log_that_is_too_large_is_not_put_together(shelf: Shelf) -> None:
    def change(record: Record) -> Record:
        appraisal = record.appraisal
        if appraisal is None:
            return record
        tip = ImaTip(link=f"sha256:{'0' * 64}", size=MAX_IMA_LOG + 1, digest=f"sha256:{'0' * 64}")
        evidence = appraisal.evidence.model_copy(update={"ima": tip})
        return record.model_copy(update={"appraisal": appraisal.model_copy(update={"evidence": evidence})})

    bundle = rewritten(shelf, change).bundle("node/n1", blobs=shelf.blobs)
    assert "its IMA log is too large" in {flaw.message for flaw in check(bundle).flaws}


def test_rules_that_are_no_rules_are_found(shelf: Shelf) -> None:
    name = next(record.appraisal.rules for record, _ in shelf.records["n1"].values() if record.appraisal is not None)
    rules = json.loads(shelf.blobs[name.removeprefix("sha256:")])
    for field in ("endorsement", "profile"):
        blob = canonical(rules | {field: 5})
        own = Shelf(blobs=shelf.blobs | {digest(blob).removeprefix("sha256:"): blob}, records=shelf.records)
        own.envelopes = shelf.envelopes
        assert codes(appraised(own, rules=digest(blob))) <= {"BlobMalformed", "RecordStray"}
        assert appraised(own, rules=digest(blob)).flaws


def test_an_enrolment_that_is_missing_is_found(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    enrolment = next(r.enrolment for r, _ in shelf.records["n1"].values() if r.enrolment is not None)
    bare = enrolment.removeprefix("sha256:")
    del parts[f"blobs/sha256/{bare[:2]}/{bare[2:]}"]
    assert codes(check(pack("node/n1", parts))) == {"BlobMissing"}


def test_what_nothing_leads_to_is_found(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    name, key = key_part(OTHER.public_key())
    found = check(pack("node/n1", parts | {"notes.txt": b"x", name: key}))
    assert codes(found) == {"PartStray"}
    assert {flaw.path for flaw in found.flaws} == {"notes.txt", f"key {key_id_of(OTHER.public_key())}"}


def test_a_bundle_about_another_node_is_refused(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    assert refusal(pack("node/n2", parts)) == "SubjectDiffers"
    assert refusal(pack("enclave/blue", parts)) == "SubjectDiffers"
    assert refusal(pack("enclave/red", parts)) == "SubjectDiffers"


def test_a_chain_that_begins_where_what_came_before_matters_is_found(shelf: Shelf) -> None:
    some = replace(shelf, records={"n1": {n: found for n, found in shelf.records["n1"].items() if n > 2}})
    assert codes(check(some.bundle("node/n1"))) == {"ChainBroken"}


def test_a_gap_in_a_chain_is_refused(shelf: Shelf) -> None:
    some = replace(shelf, records={"n1": {n: found for n, found in shelf.records["n1"].items() if n != 3}})
    assert refusal(some.bundle("node/n1")) == "SubjectDiffers"


def test_a_first_record_that_follows_something_is_found(shelf: Shelf) -> None:
    some = rewritten(shelf, lambda record: record)
    record, _ = some.records["n1"][1]
    forged = Shelf(blobs=shelf.blobs)
    for number, previous in ((1, f"sha256:{'0' * 64}"), (5, None)):
        own = record.model_copy(update={"sequence": number, "previous": previous})
        forged = Shelf(blobs=shelf.blobs)
        forged.add(statement_path(own), statement_bytes(own, endorsement=f"sha256:{'0' * 64}"))
        assert codes(check(forged.bundle("node/n1"))) == {"ChainBroken"}


def test_a_log_that_has_the_records_in_another_order_is_found(shelf: Shelf) -> None:
    turned = replace(shelf, envelopes=dict(reversed(shelf.envelopes.items())))
    assert codes(check(turned.bundle("node/n1"))) == {"LogDiffers"}


def test_a_record_that_the_log_does_not_have_cannot_be_shown(shelf: Shelf) -> None:
    material = shelf.material("node/n1")
    hashes = list(material.log.leaf_hashes)
    for log in (
        replace(material.log, leaf_hashes=hashes[1:] + hashes[:1]),
        replace(material.log, places={}),
    ):
        with pytest.raises(InvariantError) as refused:
            make_parts(replace(material, log=log))
        assert refused.value.reason == "LogStray"


def test_nothing_on_record_makes_no_bundle(shelf: Shelf) -> None:
    with pytest.raises(InputError) as refused:
        make_parts(shelf.material("node/n9"))
    assert refused.value.reason == "NothingRecorded"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("checkpoint", lambda data: data.replace(b"ringfence/evidence\n", b"ringfence/other\n"), "NoteUntrusted"),
        ("checkpoint", lambda _: b"junk", "NoteMalformed"),
        ("log.json", lambda data: data.replace(b'.dsse.json"', b'.dsse"', 1), "LogDiffers"),
        ("log.json", lambda data: data + b" ", "BundleMalformed"),
        ("log.json", lambda _: b"{}", "BundleMalformed"),
    ],
)
def test_another_head_or_log_is_refused(shelf: Shelf, name: str, change: Callable[[bytes], bytes], reason: str) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    assert refusal(pack("node/n1", parts | {name: change(parts[name])})) == reason


def test_a_log_that_leads_to_another_root_is_refused(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    log = json.loads(parts["log.json"])
    log["proof"][0] = "0" * 64
    assert refusal(pack("node/n1", parts | {"log.json": canonical(log)})) == "InclusionUnproven"


def test_a_leaf_of_the_log_that_is_claimed_twice_is_refused(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    log = json.loads(parts["log.json"])
    log["entries"][1]["index"] = log["entries"][0]["index"]
    assert refusal(pack("node/n1", parts | {"log.json": canonical(log)})) == "LogDiffers"


def test_a_head_of_an_earlier_tree_shows_no_later_record(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    assert refusal(pack("node/n1", parts | {"checkpoint": shelf.head(3)})) == "InclusionUnproven"


def test_missing_heads_and_logs_are_named(shelf: Shelf) -> None:
    for name in ("checkpoint", "log.json"):
        parts = unpack(shelf.bundle("node/n1"))
        del parts[name]
        assert refusal(pack("node/n1", parts)) == "PartMissing"


def test_a_witness_of_all_of_it_is_shown_and_one_of_less_is_a_doubt(shelf: Shelf) -> None:
    keys = {"tower": WITNESS.public_key()}
    whole = shelf.bundle("node/n1", cosigned={"tower": shelf.cosigned(len(shelf.envelopes), at=AT)})
    found = check(whole, witnesses=keys)
    assert found.is_proven
    assert [(each.witness, each.at) for each in found.head.cosignatures] == [("tower", AT)]
    part = shelf.bundle("node/n1", cosigned={"tower": shelf.cosigned(2, at=AT)})
    assert "only the first 2 entries" in check(part, witnesses=keys).doubts[0]
    assert "nothing in it" in check(shelf.bundle("node/n1"), witnesses=keys).doubts[0]


def test_a_witness_whose_key_was_not_given_says_nothing(shelf: Shelf) -> None:
    bundle = shelf.bundle("node/n1", cosigned={"tower": shelf.cosigned(2, at=AT)})
    found = check(bundle)
    assert (found.is_proven, [each.at for each in found.head.cosignatures]) == (True, [None])
    assert "nothing in it" in check(bundle, witnesses={"other": WITNESS.public_key()}).doubts[0]


def test_a_witness_with_another_key_is_refused(shelf: Shelf) -> None:
    bundle = shelf.bundle("node/n1", cosigned={"tower": shelf.cosigned(2, at=AT)})
    with pytest.raises(TrustError) as refused:
        check(bundle, witnesses={"tower": OTHER.public_key()})
    assert refused.value.reason == "NoteUntrusted"


def test_a_witness_of_another_tree_is_not_put_into_a_bundle(shelf: Shelf, world: World) -> None:
    other = shelf_of(world)
    other.envelopes = dict(reversed(other.envelopes.items()))
    for size in (2, len(shelf.envelopes)):
        note = other.cosigned(size, at=AT)
        assert not [n for n in unpack(shelf.bundle("node/n1", cosigned={"tower": note})) if n.startswith("cosigned/")]
    longer = replace(shelf, envelopes={**shelf.envelopes, "more": b"x"})
    note = longer.cosigned(len(longer.envelopes), at=AT)
    assert not [n for n in unpack(shelf.bundle("node/n1", cosigned={"tower": note})) if n.startswith("cosigned/")]


def test_a_witness_of_another_log_is_refused(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1", cosigned={"tower": shelf.cosigned(2, at=AT)}))
    part = json.loads(parts["cosigned/tower.json"])
    part["note"] = part["note"].replace("ringfence/evidence\n", "ringfence/other\n")
    assert refusal(pack("node/n1", parts | {"cosigned/tower.json": canonical(part)})) == "HeadOfAnotherLog"


def test_keys_that_signed_nothing_here_are_left_out(shelf: Shelf) -> None:
    keys = {key_id_of(key): key for key in (EVIDENCE_KEY.public_key(), OTHER.public_key())}
    names = [name for name in unpack(shelf.bundle("node/n1", keys=keys)) if name.startswith("keys/")]
    assert names == [key_part(EVIDENCE_KEY.public_key())[0]]


def test_a_key_under_another_name_or_of_another_kind_is_refused() -> None:
    name, content = key_part(EVIDENCE_KEY.public_key())
    assert parse_key(content, name=name)[0] == KEY_ID
    for other in (b"junk", key_part(OTHER.public_key())[1], content + b"\n"):
        with pytest.raises(TrustError):
            parse_key(other, name=name)


def test_a_statement_in_another_place_is_refused(shelf: Shelf) -> None:
    parts = unpack(shelf.bundle("node/n1"))
    name = next(name for name in parts if name.startswith("statements/"))
    moved = {other.replace("/12/n1-1", "/13/n1-1") if other == name else other: parts[other] for other in parts}
    assert refusal(pack("node/n1", moved)) == "StatementMoved"


def test_an_envelope_with_two_signatures_is_refused(shelf: Shelf) -> None:
    envelope = json.loads(next(iter(shelf.envelopes.values())))
    envelope["signatures"] *= 2
    with pytest.raises(TrustError) as refused:
        signed_by(canonical(envelope))
    assert refused.value.reason == "EnvelopeMalformed"


def hours(shelf: Shelf) -> tuple[str, list[dict[str, object]], dict[str, bytes]]:
    """Return the part with the rounds of n1's hour, read, and all parts."""
    parts = unpack(shelf.bundle("node/n1"))
    (name,) = (name for name in parts if name.startswith("rounds/"))
    return name, [json.loads(line) for line in parts[name].splitlines()], parts


def packed(name: str, rounds: list[dict[str, object]], parts: Mapping[str, bytes]) -> bytes:
    content = b"".join(canonical(each) + b"\n" for each in rounds)
    return pack("node/n1", {**parts, name: content})


def test_rounds_in_another_order_hour_or_place_are_refused(shelf: Shelf) -> None:
    name, rounds, parts = hours(shelf)
    assert refusal(packed(name, rounds[::-1], parts)) == "BundleMalformed"
    other = [{**rounds[0], "path": "rounds/2026/03/03/11/0000-000000.dsse.json"}, *rounds[1:]]
    assert refusal(packed(name, other, parts)) == "BundleMalformed"
    moved = [{**rounds[0], "path": "rounds/2026/03/03/12/0000-000000.dsse.json"}, *rounds[1:]]
    assert refusal(packed(name, moved, parts)) == "StatementMoved"
    with pytest.raises(TrustError, match="cut off"):
        list(parse_rounds(b"x", name=name))


def test_a_leaf_that_is_not_one_of_its_round_is_refused(shelf: Shelf) -> None:
    name, rounds, parts = hours(shelf)
    (leaf,) = rounds[0]["leaves"]  # type: ignore[misc]
    (later,) = rounds[1]["leaves"]  # type: ignore[misc]
    for leaves in ([later], [leaf, leaf]):
        assert refusal(packed(name, [{**rounds[0], "leaves": leaves}, *rounds[1:]], parts)) == "InclusionUnproven"


def test_a_round_with_a_record_of_another_kind_is_refused(shelf: Shelf) -> None:
    from reconciler.evidence.round import round_bytes, round_path

    record, _ = shelf.records["n1"][1]
    line = canonical(json.loads(record.model_dump_json(by_alias=True, exclude_none=True)))
    at = record.recorded_at
    own = Shelf(blobs=shelf.blobs)
    payload = round_bytes([line], recorded_at=at, commit=record.commit, tree=record.tree, verifier="test")
    own.add(round_path(at), payload, lines=[line])
    assert refusal(own.bundle("node/n1")) == "RoundMalformed"


def test_an_envelope_that_is_none_has_no_payload() -> None:
    for junk in (b"", b"{}", b"[]", b'{"payload":5}', b'{"payload":"?"}'):
        with pytest.raises(TrustError):
            unverified_payload(junk)


def test_blobs_that_are_missing_are_missed_when_a_bundle_is_made(shelf: Shelf) -> None:
    records = [record for record, _ in shelf.records["n1"].values()]
    assert blobs_behind(records, shelf.blobs.get)
    with pytest.raises(TrustError) as refused:
        blobs_behind(records, {}.get)
    assert refused.value.reason == "BlobMissing"


def test_tree_heads_are_signed_under_the_name_of_the_log(shelf: Shelf) -> None:
    (line,) = parse_note(shelf.checkpoint).signatures
    assert line.key_id == log_key(EVIDENCE_KEY.public_key(), origin=ORIGIN).key_id


# Commits of the desired state.


def with_commit(shelf: Shelf, made: Made, *, claims: str | None = None) -> bytes:
    """Return a bundle whose records say that they were made under the commit ``made``."""

    def change(record: Record) -> Record:
        return record.model_copy(update={"commit": made.commit, "tree": claims or made.tree})

    # Evidence of appraisals is about the commit that it was made under, so only an assignment is shown.
    some = rewritten(shelf, lambda record: change(record) if record.event is Event.ASSIGNED else None)
    return some.bundle("node/n1", objects=made.parts)


def documents(keys: frozenset[str], world: World) -> Callable[[Commit], Told]:
    def read(commit: Commit) -> Told:
        assert commit.files
        return Told(desired=world.desired, keys=keys)

    return read


def test_a_key_that_a_signed_commit_names_is_vouched_for(shelf: Shelf, world: World, tmp_path: Path) -> None:
    key = operator(tmp_path)
    bundle = with_commit(shelf, make_commit({"ringfence.yaml": b"x"}, key=key))
    read = documents(frozenset({KEY_ID}), world)
    found = verify(bundle, asked=Asked(pins={key.key_id: Pin()}, documents=read))
    assert found.is_proven
    (commit,) = found.commits.values()
    assert commit is not None
    assert (commit.signer, found.vouched_commits) == (key.key_id, {commit.commit})
    assert not verify(bundle, asked=Asked(documents=read)).is_proven
    expired = Pin(before=datetime(2026, 1, 1, tzinfo=UTC))
    assert not verify(bundle, asked=Asked(pins={key.key_id: expired}, documents=read)).is_proven


def test_a_commit_that_names_other_evidence_signers_denies_the_record(
    shelf: Shelf, world: World, tmp_path: Path
) -> None:
    bundle = with_commit(shelf, make_commit({"ringfence.yaml": b"x"}, key=operator(tmp_path)))
    found = verify(bundle, asked=Asked(pins=PINNED, documents=documents(frozenset({"SHA256:x"}), world)))
    assert codes(found) == {"EnvelopeUntrusted"}


def test_a_commit_that_cannot_be_read_or_shows_no_files_vouches_for_nobody(
    shelf: Shelf, world: World, tmp_path: Path
) -> None:
    key = operator(tmp_path)
    made = make_commit({"ringfence.yaml": b"x"}, key=key)
    pins = {key.key_id: Pin()}
    assert verify(with_commit(shelf, made), asked=Asked(pins=pins, documents=no_documents)).doubts
    bare = replace(made, parts={n: data for n, data in made.parts.items() if n.startswith("commits/")})
    found = verify(with_commit(shelf, bare), asked=Asked(pins=pins, documents=documents(frozenset({KEY_ID}), world)))
    assert (found.flaws, found.is_proven) == ((), False)


def test_a_commit_with_another_tree_than_the_record_says_is_found(shelf: Shelf, tmp_path: Path) -> None:
    bundle = with_commit(shelf, make_commit({"ringfence.yaml": b"x"}, key=operator(tmp_path)), claims="0" * 40)
    assert codes(check(bundle)) == {"RecordStray"}


def test_a_commit_that_no_record_names_is_found(shelf: Shelf, tmp_path: Path) -> None:
    made = make_commit({"ringfence.yaml": b"x"}, key=operator(tmp_path))
    found = check(shelf.bundle("node/n1", objects=made.parts))
    assert codes(found) == {"PartStray"}


def shown(record: Record) -> Shown:
    return Shown(path="p", key_id=KEY_ID, record=record, digest="")


def test_rules_are_compared_with_those_of_a_commit_that_shows_them(shelf: Shelf, world: World) -> None:
    own = {record.event: record for record, _ in shelf.records["n1"].values() if record.sequence < 6}
    record = own[Event.APPRAISED]
    appraisal = record.appraisal
    assert appraisal is not None
    commit = Commit(
        commit=record.commit,
        tree=record.tree,
        authored_at=AT,
        committed_at=AT,
        signer=None,
        doubt="is not signed",
        files={"a": b""},
    )

    def authority(desired: DesiredState) -> Authority:
        told = Told(desired=desired, keys=frozenset({KEY_ID}))
        return Authority({record.commit: commit}, pins={}, documents=lambda _commit: told)

    desired = world.trusted[record.commit]
    assert authority(desired).shows_rules(record)
    assert not authority(desired).check(shown(record))
    assert not authority(desired).shows_rules(own[Event.ASSIGNED])
    for changes in ({"policy": "no-such"}, {"image": "no-such"}, {"image_commit": "0" * 40}):
        other = record.model_copy(update={"appraisal": appraisal.model_copy(update=changes)})
        assert not authority(desired).shows_rules(other)
    assert not authority(replace(desired, nodes={})).shows_rules(record)
    with pytest.raises(TrustError) as refused:
        authority(replace(desired, ek_roots=())).shows_rules(record)
    assert refused.value.reason == "RulesDiffer"


def test_a_time_without_a_zone_is_no_time(shelf: Shelf) -> None:
    path = next(iter(shelf.records["n1"].values()))[1].path
    payload = json.loads(unverified_payload(shelf.envelopes[path]))
    payload["predicate"]["recordedAt"] = payload["predicate"]["recordedAt"].removesuffix("Z")
    envelope = seal(canonical(payload), sign=EVIDENCE_KEY.sign, key_id=KEY_ID)
    assert refusal(pack("node/n1", unpack(shelf.bundle("node/n1")) | {path: envelope})) == "StatementMalformed"


def test_seals_of_other_payloads_are_not_statements(shelf: Shelf) -> None:
    path = next(iter(shelf.envelopes))
    envelope = seal(b"{}", sign=EVIDENCE_KEY.sign, key_id=KEY_ID)
    parts = unpack(shelf.bundle("node/n1"))
    assert refusal(pack("node/n1", parts | {path: envelope})) == "StatementMalformed"


def test_a_span_without_records_shows_nothing(shelf: Shelf) -> None:
    later = AT + timedelta(days=1)
    assert not shelf.material("node/n1", since=later).statements
    assert not shelf.material("node/n1", until=AT - timedelta(days=1)).statements
