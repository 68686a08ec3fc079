"""What is worth a journal entry: what differs from the head, and nothing that is unknown or on record."""

from __future__ import annotations

from reconciler.evidence.journal import (
    DriftHealed,
    DriftOver,
    DriftSeen,
    JournalEvent,
    JournalHead,
    KeyRotated,
    Pinned,
    Refusal,
    RefusalOver,
    Refused,
    Sighting,
    SignerChanged,
)
from reconciler.evidence.journal_changes import FIRST, FOUND, JournalFacts, changes, refusal_of
from tests.support.journals import COMMIT, FOLLOWED, START, journal

REFUSAL = refusal_of("commit 0123456789ab", code="UnsignedCommit", messages=["is not signed"])
OTHER = Refusal(subject="commit 0123456789ab", code="PathRefused", messages=("x is no file",))
DRIFT = Sighting(subject="node/n1", declared="on, in enclave blue", found="power off, eno1 access 200")
NEXT = FOLLOWED.model_copy(update={"commit": "e" * 40, "before": COMMIT})


def _head(*events: JournalEvent) -> JournalHead:
    return journal([FOLLOWED, *events])[1]


def test_nothing_is_worth_an_entry_before_a_commit_is_in_force() -> None:
    assert changes(None, JournalFacts(signer="evidence", refusals=[REFUSAL], keys={"common": 1})) == ()
    facts = JournalFacts(signer="evidence", followed=FOLLOWED, refusals=[REFUSAL])
    assert changes(None, facts) == (FOLLOWED, Refused(refusal=REFUSAL))


def test_a_commit_is_followed_once() -> None:
    assert changes(_head(), JournalFacts(signer="evidence", followed=FOLLOWED)) == ()
    assert changes(_head(), JournalFacts(signer="evidence", followed=NEXT)) == (NEXT,)


def test_another_signer_comes_first() -> None:
    facts = JournalFacts(signer="other", followed=NEXT, keys={"common": 1})
    assert changes(_head(), facts) == (
        SignerChanged(before="evidence", after="other"),
        NEXT,
        KeyRotated(name="common", after=1, why=FIRST),
    )


def test_a_pinned_plan_is_told_of_each_time() -> None:
    pinned = Pinned(plan="sha256:" + "1" * 64, commit=COMMIT, made_at=START, actions=())
    assert changes(_head(), JournalFacts(signer="evidence", pinned=pinned)) == (pinned,)


def test_what_was_not_looked_at_changes_nothing() -> None:
    head = _head(Refused(refusal=REFUSAL), DriftSeen(drift=DRIFT), KeyRotated(name="common", after=2, why="x"))
    assert changes(head, JournalFacts(signer="evidence")) == ()


def test_drift_that_was_put_right_is_seen_and_put_right_each_time() -> None:
    facts = JournalFacts(signer="evidence", drift={"node/n1": DRIFT}, healed=frozenset({"node/n1", "node/n2"}))
    seen, healed = DriftSeen(drift=DRIFT), DriftHealed(drift=DRIFT)
    assert changes(_head(), facts) == (seen, healed)
    assert changes(_head(seen), facts) == (healed,)
    assert changes(_head(seen, healed), facts) == (seen, healed)
    unknown = JournalFacts(
        signer="evidence", drift={"node/n1": DRIFT}, unknown=frozenset({"node/n1"}), healed=frozenset({"node/n1"})
    )
    assert changes(_head(seen), unknown) == ()


def test_refusals_begin_and_end_and_other_words_make_no_new_one() -> None:
    head = _head(Refused(refusal=REFUSAL))
    reworded = REFUSAL.model_copy(update={"messages": ("is not signed, as of now",)})
    assert changes(head, JournalFacts(signer="evidence", refusals=[reworded])) == ()
    assert changes(head, JournalFacts(signer="evidence", refusals=[OTHER])) == (
        RefusalOver(refusal=REFUSAL),
        Refused(refusal=OTHER),
    )
    assert changes(head, JournalFacts(signer="evidence", refusals=[])) == (RefusalOver(refusal=REFUSAL),)


def test_drift_begins_changes_and_ends() -> None:
    head, other = _head(DriftSeen(drift=DRIFT)), DRIFT.model_copy(update={"found": "power off, eno1 other"})
    assert changes(_head(), JournalFacts(signer="evidence", drift={"node/n1": DRIFT})) == (DriftSeen(drift=DRIFT),)
    assert changes(head, JournalFacts(signer="evidence", drift={"node/n1": DRIFT})) == ()
    assert changes(head, JournalFacts(signer="evidence", drift={"node/n1": other})) == (DriftSeen(drift=other),)
    assert changes(head, JournalFacts(signer="evidence", drift={})) == (DriftOver(drift=DRIFT),)


def test_drift_that_is_partly_unknown_neither_begins_nor_ends() -> None:
    vague = DRIFT.model_copy(update={"found": "power unknown, eno1 access 200"})
    facts = JournalFacts(signer="evidence", drift={"node/n1": vague}, unknown=frozenset({"node/n1"}))
    assert changes(_head(), facts) == ()
    assert changes(_head(DriftSeen(drift=DRIFT)), facts) == ()


def test_keys_that_grew_are_rotated_and_the_reason_is_told_if_it_is_known() -> None:
    head = _head(KeyRotated(name="common", after=1, why=FIRST), KeyRotated(name="disk", after=1, why=FIRST))
    facts = JournalFacts(
        signer="evidence", keys={"common": 2, "disk": 3, "new": 1, "old": 4}, whys={"common": "n1 knew it"}
    )
    assert changes(head, facts) == (
        KeyRotated(name="common", before=1, after=2, why="n1 knew it"),
        KeyRotated(name="disk", before=1, after=3, why=FOUND),
        KeyRotated(name="new", after=1, why=FIRST),
        KeyRotated(name="old", after=4, why=FOUND),
    )
    assert changes(head, JournalFacts(signer="evidence", keys={"common": 1})) == ()


def test_a_key_that_was_put_back_is_adrift_until_it_is_known_not_to_be() -> None:
    head = _head(KeyRotated(name="common", after=3, why=FOUND), DriftSeen(drift=DRIFT))
    drift = Sighting(subject="key/common", declared="version 3", found="version 1")
    (seen,) = changes(head, JournalFacts(signer="evidence", keys={"common": 1}))
    assert seen == DriftSeen(drift=drift)
    adrift = _head(KeyRotated(name="common", after=3, why=FOUND), DriftSeen(drift=drift))
    assert changes(adrift, JournalFacts(signer="evidence", keys={}, drift={})) == ()
    assert changes(adrift, JournalFacts(signer="evidence", drift={})) == ()
    assert changes(adrift, JournalFacts(signer="evidence", keys={"common": 3})) == (DriftOver(drift=drift),)


def test_foreign_words_are_cut_and_can_be_written() -> None:
    refusal = refusal_of("commit\n\udcff", code="Odd", messages=["x" * 999] * 30)
    assert (refusal.subject, len(refusal.messages), len(refusal.messages[0])) == ("commit \\udcff", 20, 256)
