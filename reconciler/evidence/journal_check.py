"""The journal, checked by somebody who trusts nobody: signatures, places, the chain, and what each event claims.

1. Each entry is signed, by the key that it names, and that key is an evidence key of the state it was made under.
2. Entries form a chain without a gap, each event follows from what stood before (``journal_fold``), and the head that
   the branch claims is their sum.
3. ``followed`` names a commit of the trusted history, with its tree, that leads on from the one before it; what it
   tells of overrides is what the two states say. Back it leads only from a commit that is refused from there on.
4. ``key-rotated`` chains versions, and ``signer-changed`` names two signers who were allowed.

Whether it is whole at its end is not seen here: that takes the log and a witness.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.canonical import canonical_value, digest
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.journal import (
    HEAD_PATH,
    Followed,
    JournalEntry,
    JournalHead,
    SignerChanged,
    journal_path,
    parse_journal,
)
from reconciler.evidence.journal_fold import fold_journal
from reconciler.evidence.overrides import overrides
from reconciler.model.desired import DesiredState


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFlaw:
    """Something that should not be in the journal, or is missing there."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the journal is held against, each part by a function.

    ``desired`` gives the state at a commit, raising TrustError for one outside the trusted history; ``keys`` the
    evidence keys of that state, by key id; ``leads_on`` whether a commit comes after another one.
    """

    desired: Callable[[str], DesiredState]
    keys: Callable[[str], Mapping[str, Ed25519PublicKey]]
    leads_on: Callable[[str, str], bool]


class JournalReview:
    """Looks at entries one after the other, in the order of writing, and at the head that is claimed in the end.

    ``head`` is the sum of the entries that held, ``followed`` says when each commit first came into force.
    """

    def __init__(self, history: History, *, tell: Callable[[JournalEntry], None] = lambda _entry: None) -> None:
        """Begin before the first entry; each one that holds is given to ``tell``."""
        self.head: JournalHead | None = None
        self.followed: dict[str, datetime] = {}
        self._history = history
        self._tell = tell

    def take(self, path: str, payload: bytes) -> list[JournalFlaw]:
        """Return what is wrong with the next entry, which stands at ``path`` and is signed by an evidence key.

        After a flaw in the chain, later entries are not gone on from: they are flaws, too.
        """
        try:
            entry = parse_journal(payload)
            if journal_path(entry) != path:
                raise TrustError(path, "it stands in another place than it was made for", reason="StatementMoved")
            if entry.signer not in self._history.keys(entry.commit):
                raise _stray(entry, f"{entry.signer} is no evidence key of commit {entry.commit[:12]}")
            after = fold_journal(self.head, entry, digest=digest(payload))
            _check_events(entry, self.head, after, self._history)
        except RingfenceError as error:
            return [flaw_of(path, error)]
        self.head = after
        for event in entry.events:
            if isinstance(event, Followed):
                self.followed.setdefault(event.commit, entry.recorded_at)
        self._tell(entry)
        return []

    def finish(self, head: bytes | None) -> list[JournalFlaw]:
        """Return what is wrong with ``journal/head.json`` after all entries; None if there is none."""
        if head == (None if self.head is None else canonical_value(self.head)):
            return []
        return [JournalFlaw(path=HEAD_PATH, code="HeadMismatch", message="the head is not the sum of the journal")]


def open_entry(path: str, envelope: bytes, history: History) -> tuple[int, str, bytes]:
    """Return sequence number, path and payload of an entry, once it is known that the key it names signed it."""
    unchecked = parse_journal(_payload(envelope))
    keys = history.keys(unchecked.commit)
    own = {unchecked.signer: keys[unchecked.signer]} if unchecked.signer in keys else {}
    return unchecked.sequence, path, open_envelope(envelope, keys=own)


def _payload(envelope: bytes) -> bytes:
    """Return the payload of ``envelope`` unchecked; only for finding out which key to check it with."""
    try:
        return base64.b64decode(json.loads(envelope)["payload"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TrustError("journal entry", "it is not a DSSE envelope", reason="EnvelopeMalformed") from None


def _check_events(entry: JournalEntry, before: JournalHead | None, after: JournalHead, history: History) -> None:
    if history.desired(entry.commit).tree != entry.tree:
        raise _stray(entry, f"commit {entry.commit[:12]} has another tree")
    for event in entry.events:
        match event:
            case Followed():
                _check_followed(entry, event, after, history)
            case SignerChanged():
                _check_signer(entry, event, before, history)
            case _:
                pass


def _check_followed(entry: JournalEntry, event: Followed, after: JournalHead, history: History) -> None:
    now = history.desired(event.commit)
    # Only a commit that turned out to have findings is gone back from; then the entry says that it is refused.
    refused = {refusal.subject for refusal in after.refusals}
    before = event.before
    if before is not None and f"commit {before[:12]}" not in refused and not history.leads_on(before, event.commit):
        raise _stray(entry, f"commit {event.commit[:12]} does not lead on from {before[:12]}")
    was = history.desired(event.before) if event.is_compared and event.before else None
    if (event.commit, event.tree) != (now.commit, now.tree) or event.overrides != overrides(was, now):
        raise _stray(entry, f"it tells something else of commit {event.commit[:12]} than that commit says")


def _check_signer(entry: JournalEntry, event: SignerChanged, before: JournalHead | None, history: History) -> None:
    old = history.keys(before.commit) if before else {}
    if event.before not in {**old, **history.keys(entry.commit)} or event.after != entry.signer:
        raise _stray(entry, "it changes between keys of which one was never allowed")


def _stray(entry: JournalEntry, message: str) -> TrustError:
    return TrustError(f"journal entry {entry.sequence}", message, reason="JournalStray")


def flaw_of(path: str, error: RingfenceError) -> JournalFlaw:
    """Return ``error``, which was met with at ``path``, as a flaw."""
    return JournalFlaw(path=path, code=error.reason, message=str(error))
