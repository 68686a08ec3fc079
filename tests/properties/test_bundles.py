"""Bundles verify alone, show nothing of anybody else, and no alteration of one goes unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations_with_replacement
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.bundle.selection import select
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.envelope import seal
from reconciler.evidence.statement import Record
from reconciler.evidence.unverified import unverified_payload
from reconciler.model.record import Event
from tests.support.bundles import KEY_ID, Shelf, check, pack, readable, rewritten, shelf_of, unpack
from tests.support.runner import EVIDENCE_KEY, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import Lie
from tests.support.world import World
from tests.support.world_agent import Malice
from tests.support.world_line import Fault
from tests.support.worlds import EVIDENCE_LIES, MALICES, History, faults, histories

SUBJECTS = st.sampled_from(["node/n1", "node/n2", "enclave/blue", "enclave/green"])


def _is_found(bundle: bytes) -> bool:
    """Return whether something is wrong with ``bundle``; whatever else than an error of ours escapes fails the test."""
    try:
        return bool(check(bundle).flaws)
    except RingfenceError:
        return True


@given(
    history=histories(max_nodes=3),
    malices=st.lists(st.sampled_from((Malice.NONE, *MALICES)), min_size=3, max_size=3),
    lies=st.lists(st.sampled_from((None, None, *EVIDENCE_LIES)), min_size=3, max_size=3),
    broken=st.lists(faults(), max_size=2),
    steps=st.lists(st.tuples(st.integers(1, 80), st.sampled_from((5, 20, 40))), min_size=2, max_size=10),
)
def test_what_is_recorded_in_any_story_verifies_alone_and_shows_no_other_enclave(
    history: History,
    malices: list[Malice],
    lies: list[Lie | None],
    broken: list[Fault],
    steps: list[tuple[int, int]],
) -> None:
    world = World(history.commits[0])
    for machine, malice, lie in zip(world.machines.values(), malices, lies, strict=False):
        machine.malice, machine.lie = malice, lie
    world.line.faults = broken
    runner = Runner(world)
    for index, (crash_at, wait) in enumerate(steps):
        world.trust(history.commits[index * len(history.commits) // len(steps)])
        runner.run(crash_at=crash_at if crash_at < 40 else None)
        world.tick(wait)
    shelf = shelf_of(world)
    for node, own in shelf.records.items():
        found = check(shelf.bundle(f"node/{node}"))
        assert (found.flaws, found.doubts, len(found.records)) == ((), (), len(own))
    names = {record.enclave for own in shelf.records.values() for record, _ in own.values()} - {None}
    for name in names:
        bundle = shelf.bundle(f"enclave/{name}")
        found = check(bundle)
        assert (found.flaws, found.doubts) == ((), ())
        assert {record.enclave for record in found.records} <= {name, None}
        shown = readable(bundle)
        assert f'"{name}"'.encode() in shown
        for other in names - {name}:
            assert f'"{other}"'.encode() not in shown


@pytest.mark.parametrize("subject", ["node/n1", "node/n2", "node/n3", "enclave/blue", "enclave/green"])
def test_any_span_of_time_can_be_shown_and_verifies_alone(story: Shelf, subject: str) -> None:
    whole = check(story.bundle(subject)).records
    times = sorted({record.recorded_at for record in whole})
    for since, until in combinations_with_replacement(times, 2):
        found = check(story.bundle(subject, since=since, until=until))
        assert found.is_proven
        assert all(record.recorded_at <= until for record in found.records)
        asked = {(r.node, r.sequence) for r in whole if since <= r.recorded_at <= until}
        assert asked <= {(r.node, r.sequence) for r in found.records}


@pytest.fixture(scope="module")
def story() -> Shelf:
    """Return what is on record where nodes served two enclaves one after the other, and one was rejected."""
    blue, green = (EnclaveShape(name=name, count=1) for name in ("blue", "green"))
    world = World(site(nodes=3, enclaves=[blue, green]))
    world.machines["n3"].malice = Malice.TAMPERED
    runner = Runner(world)
    runner.settle()
    world.trust(site(nodes=3, revision=1, enclaves=[EnclaveShape(name="green", count=2)]))
    runner.settle()
    world.trust(site(nodes=3, revision=2, enclaves=[EnclaveShape(name="blue", count=3)]))
    runner.settle()
    shelf = shelf_of(world)
    assert shelf.lines
    return shelf


@pytest.fixture(scope="module")
def bundles(story: Shelf) -> Mapping[str, bytes]:
    """Return a bundle of each kind by subject."""
    made = {subject: story.bundle(subject) for subject in ("node/n1", "node/n2", "enclave/blue", "enclave/green")}
    assert all(check(bundle).is_proven for bundle in made.values())
    return made


@given(subject=SUBJECTS, data=st.data())
def test_a_changed_byte_anywhere_in_a_bundle_is_found(
    bundles: Mapping[str, bytes], subject: str, data: st.DataObject
) -> None:
    altered = bytearray(bundles[subject])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    assert _is_found(bytes(altered))


@given(subject=SUBJECTS, data=st.data())
def test_a_changed_byte_in_any_part_is_found_even_if_the_manifest_is_written_anew(
    bundles: Mapping[str, bytes], subject: str, data: st.DataObject
) -> None:
    parts = unpack(bundles[subject])
    name = data.draw(st.sampled_from(sorted(parts)))
    altered = bytearray(parts[name])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    assert _is_found(pack(subject, parts | {name: bytes(altered)}))


@given(subject=SUBJECTS, data=st.data())
def test_a_part_that_is_dropped_is_missed(bundles: Mapping[str, bytes], subject: str, data: st.DataObject) -> None:
    parts = unpack(bundles[subject])
    del parts[data.draw(st.sampled_from(sorted(parts)))]
    assert _is_found(pack(subject, parts))


@given(subject=SUBJECTS, data=st.data())
def test_two_parts_that_change_places_are_found(
    bundles: Mapping[str, bytes], subject: str, data: st.DataObject
) -> None:
    parts = unpack(bundles[subject])
    one, other = data.draw(st.lists(st.sampled_from(sorted(parts)), min_size=2, max_size=2, unique=True))
    parts[one], parts[other] = parts[other], parts[one]
    assert _is_found(pack(subject, parts))


@given(subject=SUBJECTS, other=SUBJECTS, data=st.data())
def test_a_part_of_another_bundle_is_found(
    bundles: Mapping[str, bytes], subject: str, other: str, data: st.DataObject
) -> None:
    parts, foreign = unpack(bundles[subject]), unpack(bundles[other])
    name = data.draw(st.sampled_from(sorted(foreign)))
    if parts.get(name) != foreign[name]:
        assert _is_found(pack(subject, parts | {name: foreign[name]}))


@pytest.mark.parametrize("claimed", ["node/n2", "node/n9", "enclave/green", "enclave/red"])
def test_a_bundle_that_is_renamed_is_found(bundles: Mapping[str, bytes], claimed: str) -> None:
    assert _is_found(pack(claimed, unpack(bundles["node/n1"])))


@given(subject=SUBJECTS, data=st.data())
def test_whatever_a_file_holds_it_is_read_or_refused(
    bundles: Mapping[str, bytes], subject: str, data: st.DataObject
) -> None:
    parts = unpack(bundles[subject])
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(sorted(parts)))
        content = parts[name]
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 64)))
        parts[name] = content[:start] + data.draw(st.binary(max_size=48)) + content[end:]
    assert _is_found(pack(subject, parts)) or parts == unpack(bundles[subject])


@given(junk=st.binary(max_size=4096))
def test_any_bytes_are_read_or_refused(junk: bytes) -> None:
    assert _is_found(junk + bytes(-len(junk) % 512))


def test_what_an_enclave_shows_begins_with_an_assignment_to_it_and_ends_with_its_end(story: Shelf) -> None:
    for own in story.records.values():
        records = [own[number][0] for number in sorted(own)]
        for record in select(records, subject="enclave/green"):
            before = own.get(record.sequence - 1)
            is_first = before is None or before[0].enclave != "green" or before[0].event is Event.RETURNED
            assert not is_first or record.event is Event.ASSIGNED


_VALUES: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 99, 1 << 40, 0.5, "", "x", "0", "-1", "9" * 30, "AAAA", "sha256:", f"sha256:{'0' * 64}"),
    *("2026-03-03T12:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", [], [1], {}, {"x": None}, {"-1": "00"}),
)


def _changed(value: Any, chance: Random) -> Any:  # noqa: ANN401  # any JSON value
    """Return ``value`` with something else at one place."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        return {**value, name: _changed(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], _changed(value[place], chance), *value[place + 1 :]]
    return chance.choice(_VALUES)


_NAMED = ("enrolment", "pcrs", "event_log", "rules")


@given(seed=st.integers(0, 1 << 32), which=st.sampled_from(_NAMED))
def test_whatever_a_signer_writes_for_raw_evidence_it_is_judged_or_refused(story: Shelf, seed: int, which: str) -> None:
    chance = Random(seed)  # noqa: S311  # a test that can be repeated
    appraisal = next(r.appraisal for r, _ in story.records["n1"].values() if r.appraisal is not None)
    name = appraisal.rules if which == "rules" else getattr(appraisal.evidence, which)
    content = story.blobs[name.removeprefix("sha256:")]
    if which == "event_log":
        place = chance.randrange(len(content))
        blob = content[:place] + chance.randbytes(chance.randrange(1, 40)) + content[place + 8 :]
    else:
        blob = canonical(_changed(json.loads(content), chance))

    def change(record: Record) -> Record:
        own = record.appraisal
        if own is None:
            is_it = record.enrolment is not None and which == "enrolment"
            return record.model_copy(update={"enrolment": digest(blob)}) if is_it else record
        if which == "rules":
            return record.model_copy(update={"appraisal": own.model_copy(update={"rules": digest(blob)})})
        evidence = own.evidence.model_copy(update={which: digest(blob)})
        return record.model_copy(update={"appraisal": own.model_copy(update={"evidence": evidence})})

    more = replace(story, blobs=story.blobs | {digest(blob).removeprefix("sha256:"): blob})
    own = rewritten(more, change)
    parts = unpack(own.bundle("node/n1", blobs=more.blobs))
    assert _is_found(pack("node/n1", parts))


@given(seed=st.integers(0, 1 << 32))
def test_whatever_a_signer_writes_for_a_record_it_is_read_or_refused(story: Shelf, seed: int) -> None:
    chance = Random(seed)  # noqa: S311  # a test that can be repeated
    path = chance.choice([place.path for _, place in story.records["n1"].values() if place.index is None])
    payload = canonical(_changed(json.loads(unverified_payload(story.envelopes[path])), chance))
    own = replace(story, envelopes=dict(story.envelopes))
    own.envelopes[path] = seal(payload, sign=EVIDENCE_KEY.sign, key_id=KEY_ID)
    bundle = own.bundle("node/n1")
    assert _is_found(bundle) or bundle == story.bundle("node/n1")
