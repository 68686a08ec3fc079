"""The journal's statements: what is written is read back, and nothing else is read."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical, canonical_value
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.journal import (
    HEAD_PATH,
    DriftHealed,
    DriftOver,
    DriftSeen,
    JournalEvent,
    KeyRotated,
    Override,
    Pinned,
    Refusal,
    RefusalOver,
    Refused,
    Sighting,
    SignerChanged,
    Step,
    journal_bytes,
    journal_path,
    parse_journal,
    parse_journal_head,
)
from reconciler.evidence.journal_entries import MANY, journal_entries
from reconciler.evidence.journal_fold import fold_journal
from reconciler.repo.places import JOURNAL_HEAD, is_statement
from tests.support.journals import COMMIT, FOLLOWED, START, TREE, author, journal
from tests.support.runner import EVIDENCE_KEY

KEYS = {"evidence": EVIDENCE_KEY.public_key()}
REFUSAL = Refusal(subject="commit 0123456789ab", code="UnsignedCommit", messages=("is not signed",))
DRIFT = Sighting(subject="node/n1", declared="off, parked, served nothing", found="power on, eno1 access 999")
OTHER = "e" * 40
NEXT = FOLLOWED.model_copy(update={"commit": OTHER, "before": COMMIT})


def _reason(call: Any, *arguments: Any, **options: Any) -> str:  # noqa: ANN401 - any function
    with pytest.raises(TrustError) as caught:
        call(*arguments, **options)
    return caught.value.reason


def test_every_event_is_read_back_as_it_was_written() -> None:
    step = Step(
        commit=COMMIT, signer="operator@example.org", key="SHA256:abc", approved_by=("a@b",), confirms=("trust",)
    )
    followed = FOLLOWED.model_copy(
        update={"steps": (step,), "overrides": (Override(what="freeze", subject="repository", after="a fair"),)}
    )
    events: list[JournalEvent] = [
        followed,
        Pinned(plan="sha256:" + "1" * 64, commit=COMMIT, made_at=START, actions=("park/n1",)),
        Refused(refusal=REFUSAL),
        RefusalOver(refusal=REFUSAL),
        DriftSeen(drift=DRIFT),
        DriftOver(drift=DRIFT),
        KeyRotated(name="common", after=1, why="it was made"),
    ]
    (entry,), head = journal(events)
    read = parse_journal(open_envelope(entry.envelope, keys=KEYS))
    assert list(read.events) == events
    assert (read.sequence, read.previous, read.commit, read.tree, read.signer) == (1, None, COMMIT, TREE, "evidence")
    assert entry.path == journal_path(read) == "journal/2026/03/1.dsse.json"
    assert is_statement(entry.path)
    assert HEAD_PATH == JOURNAL_HEAD
    assert parse_journal_head(entry.sums[HEAD_PATH]) == head


def test_the_statement_is_one_of_in_toto_about_the_commit() -> None:
    (entry,), _ = journal([FOLLOWED])
    statement = json.loads(open_envelope(entry.envelope, keys=KEYS))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:ringfence:journal:v1"
    assert statement["subject"] == [{"name": "desired-state", "digest": {"gitCommit": COMMIT}}]


@pytest.mark.parametrize(
    "change",
    [
        {"predicateType": "urn:ringfence:journal:v2"},
        {"subject": []},
        {"subject": [{"name": "desired-state", "digest": {"gitCommit": OTHER}}]},
        {"extra": 1},
    ],
)
def test_a_statement_that_ringfence_does_not_write_is_refused(change: dict[str, Any]) -> None:
    (entry,), _ = journal([FOLLOWED])
    statement = json.loads(open_envelope(entry.envelope, keys=KEYS))
    assert _reason(parse_journal, canonical(statement | change)) == "JournalMalformed"


def test_other_bytes_for_the_same_value_are_refused() -> None:
    (entry,), head = journal([FOLLOWED])
    payload = open_envelope(entry.envelope, keys=KEYS)
    assert _reason(parse_journal, payload + b" ") == "JournalMalformed"
    assert _reason(parse_journal, b"{}") == "JournalMalformed"
    assert _reason(parse_journal_head, canonical_value(head) + b" ") == "JournalMalformed"
    assert _reason(parse_journal_head, b"[]") == "JournalMalformed"


def test_an_entry_without_events_is_none() -> None:
    (entry,), _ = journal([FOLLOWED])
    statement = json.loads(open_envelope(entry.envelope, keys=KEYS))
    statement["predicate"]["events"] = []
    assert _reason(parse_journal, canonical(statement)) == "JournalMalformed"


def test_the_head_is_the_sum_of_the_entries() -> None:
    second = Refusal(subject="commit 000000000000", code="HistoryForked", messages=())
    _, head = journal(
        [FOLLOWED, KeyRotated(name="disk", after=1, why="it was made"), Refused(refusal=REFUSAL)],
        [DriftSeen(drift=DRIFT), Refused(refusal=second), KeyRotated(name="common", after=3, why="found")],
    )
    assert (head.sequence, head.commit, head.signer) == (2, COMMIT, "evidence")
    assert list(head.keys.items()) == [("common", 3), ("disk", 1)]
    assert head.refusals == (second, REFUSAL)
    assert head.drift == (DRIFT,)
    _, later = journal(
        [FOLLOWED, Refused(refusal=REFUSAL), DriftSeen(drift=DRIFT)],
        [RefusalOver(refusal=REFUSAL), DriftOver(drift=DRIFT), KeyRotated(name="common", after=1, why="it was made")],
        [KeyRotated(name="common", before=1, after=2, why="n1 knew it")],
    )
    assert (later.refusals, later.drift, later.keys) == ((), (), {"common": 2})


@pytest.mark.parametrize(
    "event",
    [
        FOLLOWED,
        NEXT.model_copy(update={"before": OTHER}),
        NEXT.model_copy(update={"before": None}),
        RefusalOver(refusal=REFUSAL),
        DriftOver(drift=DRIFT),
        DriftHealed(drift=DRIFT),
        KeyRotated(name="common", after=1, why="again"),
        KeyRotated(name="common", before=1, after=1, why="again"),
        KeyRotated(name="common", before=2, after=3, why="skipped"),
        KeyRotated(name="disk", before=1, after=2, why="never made"),
        SignerChanged(before="evidence", after="evidence"),
        SignerChanged(before="stranger", after="evidence"),
    ],
)
def test_an_event_that_does_not_follow_from_what_stands_is_refused(event: JournalEvent) -> None:
    _, head = journal([FOLLOWED, KeyRotated(name="common", after=1, why="it was made")])
    assert _reason(journal_entries, head, [event], author=author(), at=START) == "JournalStray"


@pytest.mark.parametrize("event", [Refused(refusal=REFUSAL), DriftSeen(drift=DRIFT)])
def test_what_stands_does_not_begin_again(event: JournalEvent) -> None:
    _, head = journal([FOLLOWED, event])
    assert _reason(journal_entries, head, [event], author=author(), at=START) == "JournalStray"


def test_drift_may_be_found_otherwise() -> None:
    other = DRIFT.model_copy(update={"found": "power off, eno1 other"})
    _, head = journal([FOLLOWED, DriftSeen(drift=DRIFT)], [DriftSeen(drift=other)])
    assert head.drift == (other,)


def test_drift_that_was_put_right_is_a_bout_for_a_day() -> None:
    seen, healed = DriftSeen(drift=DRIFT), DriftHealed(drift=DRIFT)
    _, head = journal([FOLLOWED, seen, healed])
    assert (head.drift, head.bouts) == ((), {"node/n1": (START,)})
    for minutes in range(1, 12):
        at = START + timedelta(minutes=minutes)
        _, later = journal_entries(head, [seen, healed], author=author(), at=at)
        assert later is not None
        head = later
    assert head.bouts is not None
    assert [at - START for at in head.bouts["node/n1"]] == [timedelta(minutes=m) for m in range(2, 12)]
    _, after = journal_entries(head, [seen], author=author(), at=START + timedelta(days=1, minutes=5))
    assert after is not None
    assert after.bouts is not None
    assert len(after.bouts["node/n1"]) == 6
    _, calm = journal_entries(head, [seen], author=author(), at=START + timedelta(days=2))
    assert calm is not None
    assert calm.bouts is None


def test_an_entry_that_does_not_go_on_from_the_head_is_refused() -> None:
    entries, head = journal([FOLLOWED], [Refused(refusal=REFUSAL)])
    first, second = (parse_journal(open_envelope(entry.envelope, keys=KEYS)) for entry in entries)
    digest = "sha256:" + "0" * 64
    assert _reason(fold_journal, None, second, digest=digest) == "ChainBroken"
    assert _reason(fold_journal, head, first, digest=digest) == "ChainBroken"
    assert _reason(fold_journal, head, second, digest=digest) == "ChainBroken"
    third = second.model_copy(update={"sequence": 3, "previous": digest, "events": (DriftSeen(drift=DRIFT),)})
    assert _reason(fold_journal, head, third, digest=digest) == "ChainBroken"


def test_an_entry_is_made_under_the_commit_in_force() -> None:
    _, head = journal([FOLLOWED])
    event = DriftSeen(drift=DRIFT)
    assert _reason(journal_entries, head, [event], author=author(commit=OTHER), at=START) == "JournalStray"
    assert _reason(journal_entries, head, [NEXT, event], author=author(), at=START) == "JournalStray"
    assert _reason(journal_entries, None, [event], author=author(), at=START) == "JournalStray"


def test_another_signer_is_told_of() -> None:
    _, head = journal([FOLLOWED])
    other = author(key_id="evidence-2")
    assert _reason(journal_entries, head, [DriftSeen(drift=DRIFT)], author=other, at=START) == "JournalStray"
    change = SignerChanged(before="evidence", after="evidence-2")
    _, after = journal_entries(head, [change, DriftSeen(drift=DRIFT)], author=other, at=START)
    assert after is not None
    assert after.signer == "evidence-2"


def test_many_events_are_split_and_other_sums_go_with_the_last() -> None:
    drift = [DriftSeen(drift=DRIFT.model_copy(update={"subject": f"node/n{n}"})) for n in range(MANY)]
    entries, head = journal_entries(None, [FOLLOWED, *drift], author=author(), at=START, sums={"trusted.json": b"{}"})
    assert head is not None
    assert [len(parse_journal(open_envelope(e.envelope, keys=KEYS)).events) for e in entries] == [MANY, 1]
    assert [sorted(entry.sums) for entry in entries] == [[HEAD_PATH], [HEAD_PATH, "trusted.json"]]
    assert len(head.drift) == MANY
    assert journal_entries(head, [], author=author(), at=START) == ([], head)


def test_an_entry_has_one_form() -> None:
    (entry,), _ = journal([FOLLOWED])
    payload = open_envelope(entry.envelope, keys=KEYS)
    assert journal_bytes(parse_journal(payload)) == payload
