"""The journal in words and as JSON."""

from __future__ import annotations

import json

from reconciler.evidence.history.chronicle import Scope
from reconciler.evidence.history.journal import entries_in, entry_json, tell
from reconciler.evidence.history.times import Window
from tests.support.chronicles import COMMIT, LATER_COMMIT, at
from tests.support.worded_journal import journal


def test_every_kind_of_event_has_its_words() -> None:
    told = tell(entries_in(journal(), scope=Scope()))
    assert [one.what for one in told] == [
        "a desired state came into force",
        "a commit was refused",
        "drift was seen",
        "a key has a new version",
        "a refusal does not stand any more",
        "drift is over",
        "drift was put right",
        "a key has a new version",
        "evidence is signed by another key",
        "only one plan was allowed",
    ]
    assert told[0].details == (
        f"commit {LATER_COMMIT} signed by alice, approved by bob, carol, confirms words",
        f"commit {COMMIT}",
        "override, freeze of words: none, now words",
        "override, cleared of words: words, now none",
    )
    assert told[3].details == ("version 1", "words")
    assert told[7].details == ("version 2 after version 1", "words")
    assert (told[0].at, told[0].sequence, told[0].subject) == (at(0), 1, COMMIT)


def test_entries_are_those_in_scope_in_their_order() -> None:
    def found(scope: Scope) -> list[int]:
        return [entry.sequence for entry in entries_in(journal(), scope=scope)]

    assert found(Scope()) == [1, 2, 3]
    assert found(Scope(window=Window(since=at(30)))) == [2, 3]
    assert found(Scope(commit="bb")) == [3]
    assert found(Scope(node="n1")) == found(Scope(enclave="blue")) == []


def test_an_entry_as_json_has_its_events_as_recorded() -> None:
    document = entry_json(journal()[0])
    json.dumps(document)
    assert (document["entry"], document["recordedAt"]) == (2, "2026-03-03T12:01:00Z")
    assert [event["event"] for event in document["events"]] == ["refused", "drift", "key-rotated"]
