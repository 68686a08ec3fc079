"""A journal with every kind of event, in words of the caller's."""

from __future__ import annotations

from reconciler.evidence.journal import (
    DriftHealed,
    DriftOver,
    DriftSeen,
    Followed,
    JournalEntry,
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
)
from tests.support.chronicles import COMMIT, DIGEST, LATER_COMMIT, at


def journal(word: str = "words") -> list[JournalEntry]:
    """Return three entries, the second before the first; ``word`` stands wherever an entry takes words."""
    steps = (
        Step(commit=LATER_COMMIT, signer="alice", key="SHA256:abc", approved_by=("bob", "carol"), confirms=(word,)),
        Step(commit=COMMIT),
    )
    overrides = (Override(what="freeze", subject=word, after=word), Override(what="cleared", subject=word, before=word))
    refusal = Refusal(subject=word, code="UnknownSigner", messages=(word, word))
    drift = Sighting(subject=word, declared=word, found=word)
    return [
        _entry(2, 60, Refused(refusal=refusal), DriftSeen(drift=drift), KeyRotated(name="disk", after=1, why=word)),
        _entry(1, 0, Followed(commit=COMMIT, tree=COMMIT, is_compared=True, steps=steps, overrides=overrides)),
        _entry(
            3,
            90,
            RefusalOver(refusal=refusal),
            DriftOver(drift=drift),
            DriftHealed(drift=drift),
            KeyRotated(name="disk", before=1, after=2, why=word),
            SignerChanged(before="SHA256:abc", after="SHA256:def"),
            Pinned(plan=DIGEST, commit=COMMIT, made_at=at(80), actions=(word,)),
            commit=LATER_COMMIT,
        ),
    ]


def _entry(sequence: int, seconds: float, *events: JournalEvent, commit: str = COMMIT) -> JournalEntry:
    return JournalEntry(
        sequence=sequence,
        recorded_at=at(seconds),
        commit=commit,
        tree=commit,
        verifier="test",
        signer="SHA256:abc",
        events=events,
    )
