"""What is worth a journal entry: the difference between what the journal says and what is so. Derived anew each time.

1. Nothing is written when nothing differs; what was missed by a crash is seen the next time.
2. A fact that was not looked at changes nothing. Drift that is partly unknown neither begins nor ends any.
3. The first entry of all is about the commit in force; before that nothing is worth one.
4. Drift that was put right is on record as seen and as put right; what is found later is new, even if it is the same.
5. A key whose version is lower than the one on record was put back: that is drift of the key, and no new version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.errors.taxonomy import cut
from reconciler.evidence.journal import (
    DriftHealed,
    DriftOver,
    DriftSeen,
    Followed,
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
from reconciler.evidence.journal_fold import standing

FIRST = "it was made"
FOUND = "found in this version; when and why it was made is not on record"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFacts:
    """What is so now; None is what was not looked at.

    ``signer`` is the key that would sign. ``followed`` is about the commit in force. ``drift`` is by subject, with what
    is not wholly known in ``unknown``, and what was put right in ``healed``. ``keys`` are the custodian's versions,
    ``whys`` say why some were made, where that is known. ``pinned`` is a plan that an operator has just pinned.
    """

    signer: str
    followed: Followed | None = None
    refusals: Sequence[Refusal] | None = None
    drift: Mapping[str, Sighting] | None = None
    unknown: frozenset[str] = frozenset()
    healed: frozenset[str] = frozenset()
    keys: Mapping[str, int] | None = None
    whys: Mapping[str, str] = field(default_factory=dict)
    pinned: Pinned | None = None


def changes(head: JournalHead | None, facts: JournalFacts) -> tuple[JournalEvent, ...]:
    """Return what is to be recorded after ``head``, in order; nothing if all of it is on record."""
    if head is None and facts.followed is None:
        return ()
    events: list[JournalEvent] = []
    if head is not None and head.signer != facts.signer:
        events.append(SignerChanged(before=head.signer, after=facts.signer))
    if facts.followed is not None and (head is None or head.commit != facts.followed.commit):
        events.append(facts.followed)
    if facts.pinned is not None:
        events.append(facts.pinned)
    refused, drifted = standing(head)
    if facts.refusals is not None:
        events += _refusals(refused, {refusal.key: refusal for refusal in facts.refusals})
    known = head.keys if head else {}
    if facts.keys is not None:
        events += _rotations(known, facts)
    events += _drift(drifted, facts, known)
    return tuple(events)


def _refusals(
    before: Mapping[tuple[str, str], Refusal], now: Mapping[tuple[str, str], Refusal]
) -> list[Refused | RefusalOver]:
    over = [RefusalOver(refusal=refusal) for key, refusal in before.items() if key not in now]
    return [*over, *(Refused(refusal=refusal) for key, refusal in sorted(now.items()) if key not in before)]


def _rotations(known: Mapping[str, int], facts: JournalFacts) -> list[KeyRotated]:
    return [
        KeyRotated(name=name, before=known.get(name), after=version, why=_why(name, known, facts))
        for name, version in sorted((facts.keys or {}).items())
        if version > known.get(name, 0)
    ]


def _why(name: str, known: Mapping[str, int], facts: JournalFacts) -> str:
    is_first = name not in known and (facts.keys or {})[name] == 1
    return facts.whys.get(name) or (FIRST if is_first else FOUND)


def _drift(before: Mapping[str, Sighting], facts: JournalFacts, known: Mapping[str, int]) -> list[JournalEvent]:
    now: dict[str, Sighting] = {}
    unknown = set(facts.unknown)
    nodes = {subject for subject in before if not subject.startswith("key/")}
    if facts.drift is None:
        unknown |= nodes
    else:
        now |= facts.drift
    keys = facts.keys or {}
    unknown |= {subject for subject in before if subject not in nodes and subject.removeprefix("key/") not in keys}
    now |= {
        f"key/{name}": Sighting(subject=f"key/{name}", declared=f"version {known[name]}", found=f"version {version}")
        for name, version in keys.items()
        if version < known.get(name, 0)
    }
    over = [DriftOver(drift=drift) for subject, drift in before.items() if subject not in now.keys() | unknown]
    found = [drift for subject, drift in sorted(now.items()) if subject not in unknown]
    seen = [DriftSeen(drift=drift) for drift in found if before.get(drift.subject) != drift]
    return [*over, *seen, *(DriftHealed(drift=drift) for drift in found if drift.subject in facts.healed)]


def refusal_of(subject: str, *, code: str, messages: Sequence[str]) -> Refusal:
    """Return a refusal; foreign words are cut, and there are no more than twenty."""
    return Refusal(subject=plain(subject), code=code, messages=tuple(plain(message) for message in messages[:20]))


def plain(words: str) -> str:
    """Return foreign words on one line, cut, and such that they can be written as JSON."""
    return cut(words.encode("utf-8", "backslashreplace").decode("utf-8"))
