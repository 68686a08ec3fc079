"""The journal, checked: what is good is found so, and whatever was altered is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.author import Author
from reconciler.evidence.canonical import canonical_value
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.journal import (
    DriftSeen,
    Followed,
    JournalEvent,
    JournalHead,
    KeyRotated,
    Refused,
    Sighting,
    SignerChanged,
)
from reconciler.evidence.journal_changes import refusal_of
from reconciler.evidence.journal_check import History, JournalReview
from reconciler.evidence.journal_entries import journal_entries
from reconciler.evidence.overrides import overrides
from reconciler.model.desired import DesiredState
from reconciler.ports.ledger import Entry
from tests.support.journal_audit import JournalFindings, check_journal
from tests.support.journals import START
from tests.support.runner import EVIDENCE_KEY
from tests.support.sites import site

OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
STATES = [site(nodes=1, revision=number, freeze=why) for number, why in ((1, None), (2, "a fair"), (3, None))]
BY_COMMIT = {state.commit: state for state in STATES}
ORDER = list(BY_COMMIT)
DRIFT = DriftSeen(drift=Sighting(subject="node/n1", declared="off", found="on"))


def _desired(commit: str) -> DesiredState:
    if commit not in BY_COMMIT:
        raise TrustError(f"commit {commit}", "is not of the trusted history", reason="CommitUntrusted")
    return BY_COMMIT[commit]


def _history(keys: Mapping[str, Ed25519PublicKey] | None = None) -> History:
    known = {"evidence": EVIDENCE_KEY.public_key(), "evidence-2": OTHER_KEY.public_key()} if keys is None else keys
    return History(
        desired=_desired,
        keys=lambda _commit: known,
        leads_on=lambda before, after: ORDER.index(before) < ORDER.index(after),
    )


def _by(state: DesiredState, *, key: Ed25519PrivateKey = EVIDENCE_KEY, key_id: str = "evidence") -> Author:
    return Author(sign=key.sign, key_id=key_id, commit=state.commit, tree=state.tree)


def _followed(after: DesiredState, before: DesiredState | None = None) -> Followed:
    return Followed(
        commit=after.commit,
        tree=after.tree,
        before=before.commit if before else None,
        is_compared=before is not None,
        overrides=overrides(before, after),
    )


def _made(*parts: tuple[Author, list[JournalEvent]]) -> tuple[list[Entry], JournalHead]:
    head: JournalHead | None = None
    entries: list[Entry] = []
    for by, events in parts:
        made, head = journal_entries(head, events, author=by, at=START)
        entries += made
    assert head is not None
    return entries, head


def _checked(entries: list[Entry], head: JournalHead | None, *, history: History | None = None) -> JournalFindings:
    envelopes = [(entry.path, entry.envelope) for entry in entries]
    content = canonical_value(head) if head else None
    return check_journal(envelopes, history=history or _history(), head=content)


def _good() -> tuple[list[Entry], JournalHead]:
    first, second, _ = STATES
    return _made(
        (_by(first), [_followed(first), KeyRotated(name="common", after=1, why="it was made")]),
        (_by(second), [_followed(second, first), DRIFT]),
        (_by(second), [KeyRotated(name="common", before=1, after=2, why="n1 knew it")]),
    )


def _codes(found: JournalFindings) -> list[str]:
    return [flaw.code for flaw in found.flaws]


def test_a_good_journal_has_no_flaw_and_tells_when_commits_came_into_force() -> None:
    entries, head = _good()
    found = _checked(entries[::-1], head)
    assert found.flaws == []
    assert found.head == head
    assert [entry.sequence for entry in found.entries] == [1, 2, 3]
    assert found.followed == {STATES[0].commit: START, STATES[1].commit: START}


def test_no_journal_has_no_head() -> None:
    assert _checked([], None).flaws == []
    assert _codes(_checked([], _good()[1])) == ["HeadMismatch"]


def test_what_was_dropped_doubled_moved_or_altered_is_found() -> None:
    entries, head = _good()
    assert _codes(_checked(entries[:1] + entries[2:], head)) == ["ChainBroken", "HeadMismatch"]
    assert _codes(_checked(entries[:2], head)) == ["HeadMismatch"]
    assert _codes(_checked([*entries, entries[0]], head)) == ["ChainBroken"]
    moved = replace(entries[1], path="journal/2026/04/2.dsse.json")
    assert "StatementMoved" in _codes(_checked([entries[0], moved, entries[2]], head))
    broken = replace(entries[1], envelope=entries[1].envelope[:-1])
    assert "EnvelopeMalformed" in _codes(_checked([entries[0], broken, entries[2]], head))
    document = json.loads(entries[1].envelope)
    document["signatures"][0]["sig"] = json.loads(entries[2].envelope)["signatures"][0]["sig"]
    swapped = replace(entries[1], envelope=json.dumps(document, separators=(",", ":"), sort_keys=True).encode())
    assert "EnvelopeUntrusted" in _codes(_checked([entries[0], swapped, entries[2]], head))


def test_a_strangers_key_and_one_in_anothers_name_are_found() -> None:
    first = STATES[0]
    for by in (_by(first, key=OTHER_KEY), _by(first, key=OTHER_KEY, key_id="stranger")):
        entries, head = _made((by, [_followed(first)]))
        assert _codes(_checked(entries, head)) == ["EnvelopeUntrusted", "HeadMismatch"]


def test_a_commit_outside_the_trusted_history_is_found() -> None:
    stranger = site(nodes=1, revision=9)
    entries, head = _made((_by(stranger), [_followed(stranger)]))
    assert _codes(_checked(entries, head)) == ["CommitUntrusted", "HeadMismatch"]


def test_a_tree_that_is_another_is_found() -> None:
    first = STATES[0]
    entries, head = _made((replace(_by(first), tree="0" * 40), [_followed(first)]))
    assert "has another tree" in _checked(entries, head).flaws[0].message
    entries, head = _made((_by(first), [_followed(first).model_copy(update={"tree": "0" * 40})]))
    assert "tells something else" in _checked(entries, head).flaws[0].message


def test_an_override_that_is_kept_silent_is_found() -> None:
    first, second, _ = STATES
    silent = _followed(second, first).model_copy(update={"overrides": ()})
    entries, head = _made((_by(first), [_followed(first)]), (_by(second), [silent]))
    assert _codes(_checked(entries, head)) == ["JournalStray", "HeadMismatch"]


def test_going_back_is_found_unless_the_newer_commit_is_refused_from_there_on() -> None:
    first, second, _ = STATES
    back = _followed(first, second)
    begin = ((_by(first), [_followed(first)]), (_by(second), [_followed(second, first)]))
    entries, head = _made(*begin, (_by(first), [back]))
    assert "does not lead on" in _checked(entries, head).flaws[0].message
    refused = Refused(refusal=refusal_of(f"commit {second.commit[:12]}", code="DocumentsInvalid", messages=["x"]))
    entries, head = _made(*begin, (_by(first), [back, refused]))
    assert _checked(entries, head).flaws == []
    assert list(_checked(entries, head).followed) == [first.commit, second.commit]


def test_a_signer_comes_from_and_goes_to_one_that_is_allowed() -> None:
    first = STATES[0]
    change = SignerChanged(before="evidence", after="evidence-2")
    parts = ((_by(first), [_followed(first)]), (_by(first, key=OTHER_KEY, key_id="evidence-2"), [change]))
    entries, head = _made(*parts)
    assert _checked(entries, head).flaws == []
    only_new = _history({"evidence-2": OTHER_KEY.public_key()})
    assert _codes(_checked(entries, head, history=only_new))[0] == "EnvelopeUntrusted"


def test_a_signer_that_is_named_and_does_not_sign_is_found() -> None:
    first = STATES[0]
    there = SignerChanged(before="evidence", after="evidence-3")
    back = SignerChanged(before="evidence-3", after="evidence")
    entries, head = _made((_by(first), [_followed(first)]), (_by(first), [there, back]))
    assert "never allowed" in _checked(entries, head).flaws[0].message
    entries, head = _made((_by(first), [_followed(first)]))
    with pytest.raises(TrustError):
        journal_entries(head, [there], author=_by(first), at=START)


def test_entries_are_looked_at_one_by_one_in_the_order_of_writing() -> None:
    entries, head = _good()
    keys = {"evidence": EVIDENCE_KEY.public_key()}
    payloads = [(entry.path, open_envelope(entry.envelope, keys=keys)) for entry in entries]
    review = JournalReview(_history())
    assert [review.take(path, payload) for path, payload in payloads] == [[], [], []]
    assert review.finish(canonical_value(head)) == []
    assert review.head == head
    stranger = JournalReview(_history({}))
    assert [flaw.code for flaw in stranger.take(*payloads[0])] == ["JournalStray"]
    assert [flaw.code for flaw in stranger.finish(canonical_value(head))] == ["HeadMismatch"]
    assert stranger.finish(None) == []
