"""Keeping the journal, pass by pass: what is in force, refused, adrift, rotated, and by whom it is signed.

1. A commit that comes into force is on record before anything is done under it, in the very evidence commit that calls
   it trusted; if that fails there is no pass.
2. What else is new is recorded after the pass; that the branch is busy then stops nothing, and the next pass tries
   again.
3. What is new is derived from the journal's head each time, so that a crash loses nothing but the reason of a rotation.
What is worth an entry is decided in ``evidence.journal_changes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import InputError, TransientError, TrustError
from reconciler.evidence.author import Author
from reconciler.evidence.canonical import canonical
from reconciler.evidence.journal import Followed, JournalHead, Pinned, Refusal, Sighting, Step, parse_journal_head
from reconciler.evidence.journal_changes import JournalFacts, changes, plain, refusal_of
from reconciler.evidence.journal_entries import journal_entries
from reconciler.evidence.overrides import overrides
from reconciler.execute.outcome import Blocked, Done, Outcome
from reconciler.execute.passes import Draft
from reconciler.model.desired import DesiredState
from reconciler.model.observed import UNKNOWN_TRUNK, PortMode
from reconciler.plan.actions import EnterAirlock, Park, PowerOff, RotateKey
from reconciler.plan.pin import Pin
from reconciler.ports.ledger import Entry
from reconciler.repo.desired import load_recorded
from reconciler.repo.git import Git
from reconciler.repo.places import TRUSTED_PATH
from reconciler.repo.provenance import steps_to
from reconciler.repo.snapshot import read_commit

_MANY_ACTIONS = 1000
_UNKNOWN = "unknown"


class JournalLedger(Protocol):
    """Where the journal stands."""

    def journal_head(self) -> bytes | None:
        """Return the sum of the journal, None if nothing was written yet."""
        ...

    def append(self, entries: Sequence[Entry]) -> str:
        """Record ``entries`` in one commit."""
        ...

    def set_trusted(self, commit: str) -> None:
        """Remember that ``commit`` is trusted; if it is remembered already, nothing happens."""
        ...


class Signing(Protocol):
    """The evidence key."""

    @property
    def key_id(self) -> str:
        """Return its fingerprint."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the raw Ed25519 signature of ``data``."""
        ...


class History(Protocol):
    """What came before the state in force."""

    def steps(self, commit: str, *, before: str | None) -> tuple[Step, ...]:
        """Return the commits from ``commit`` back to ``before``; none if that is not known."""
        ...

    def state(self, commit: str) -> DesiredState | None:
        """Return what ``commit`` asked for, None if that is not known."""
        ...


class GitHistory:
    """The history as the repository has it."""

    def __init__(self, git: Git, *, now: Callable[[], datetime]) -> None:
        """Read from ``git``."""
        self._git = git
        self._now = now

    def steps(self, commit: str, *, before: str | None) -> tuple[Step, ...]:
        """Return the commits from ``commit`` back to ``before``; none if that is not known."""
        try:
            return steps_to(self._git, commit, before=before, now=self._now())
        except (TrustError, InputError, TransientError):
            return ()

    def state(self, commit: str) -> DesiredState | None:
        """Return what ``commit`` asked for, None if that is not known."""
        try:
            return load_recorded(read_commit(self._git, commit))
        except (TrustError, InputError, TransientError):
            return None


class Journal:
    """The journal of one repository, as one process keeps it."""

    def __init__(
        self, ledger: Callable[[], JournalLedger], *, key: Signing, now: Callable[[], datetime], history: History
    ) -> None:
        """Write to whatever ``ledger`` gives, signed with ``key``; nothing is read before it is needed."""
        self._ledger = ledger
        self._key = key
        self._now = now
        self._history = history
        self._known: tuple[JournalLedger, JournalHead | None] | None = None
        self._sight: Sight | None = None
        self._desired: DesiredState | None = None
        self._whys: dict[str, str] = {}

    def follow(self, sight: Sight) -> None:
        """Put the commit in force on record as trusted and followed, unless it is; raise what kept it from that."""
        ledger, desired = self._ledger(), sight.desired
        head = self._head(ledger)
        if head is None or (head.commit, head.signer) != (desired.commit, self._key.key_id):
            head = self._head(ledger, is_anew=True)
            facts = JournalFacts(
                signer=self._key.key_id, followed=self._followed(head, desired), refusals=refusals_of(sight)
            )
            self._write(ledger, head, facts, desired, sums={TRUSTED_PATH: canonical({"commit": desired.commit})})
        ledger.set_trusted(desired.commit)
        self._sight, self._desired = sight, desired

    def pinned(self, pin: Pin) -> None:
        """Record that only ``pin`` may be carried out."""
        event = Pinned(
            plan=pin.digest, commit=pin.commit, made_at=pin.made_at, actions=tuple(sorted(pin.changes))[:_MANY_ACTIONS]
        )
        self._record(JournalFacts(signer=self._key.key_id, pinned=event))

    def note(self, draft: Draft, outcomes: Mapping[str, Outcome]) -> None:
        """Record what a pass that ended with ``outcomes`` found to be new."""
        rotations = [action for action in draft.plan.actions if isinstance(action, RotateKey)]
        tried = [a for a in rotations if not isinstance(outcomes.get(a.id, Blocked(by="")), Blocked)]
        self._whys |= {action.subject: plain(action.why) for action in tried}
        keys = dict(draft.observed.key_versions)
        for action in tried:
            if isinstance(outcomes[action.id], Done):
                keys[action.subject] = max(keys.get(action.subject, 0), action.past + 1)
        drift = {
            drift.subject: Sighting(subject=drift.subject, declared=plain(drift.expected), found=plain(drift.found))
            for drift in draft.plan.drift
        }
        facts = JournalFacts(
            signer=self._key.key_id,
            refusals=refusals_of(self._sight) if self._sight else None,
            drift=drift,
            unknown=_unknown(draft) | {subject for subject, found in drift.items() if _UNKNOWN in found.found},
            healed=_healed(draft, outcomes),
            keys=keys,
            whys=self._whys,
        )
        with suppress(TransientError):
            self._record(facts)

    def _record(self, facts: JournalFacts) -> None:
        ledger, desired = self._ledger(), self._desired
        head = self._head(ledger)
        if desired is not None and changes(head, facts):
            self._write(ledger, self._head(ledger, is_anew=True), facts, desired)

    def _write(
        self,
        ledger: JournalLedger,
        head: JournalHead | None,
        facts: JournalFacts,
        desired: DesiredState,
        *,
        sums: Mapping[str, bytes] | None = None,
    ) -> None:
        author = Author(sign=self._key.sign, key_id=self._key.key_id, commit=desired.commit, tree=desired.tree)
        entries, after = journal_entries(head, changes(head, facts), author=author, at=self._now(), sums=sums)
        if entries:
            self._known = None  # Until it is known that they are on record.
            ledger.append(entries)
            self._known = (ledger, after)

    def _head(self, ledger: JournalLedger, *, is_anew: bool = False) -> JournalHead | None:
        if self._known is None or self._known[0] is not ledger or is_anew:
            content = ledger.journal_head()
            self._known = (ledger, parse_journal_head(content) if content else None)
        return self._known[1]

    def _followed(self, head: JournalHead | None, desired: DesiredState) -> Followed:
        before = head.commit if head else None
        known = self._desired if self._desired is not None and self._desired.commit == before else None
        was = known or (self._history.state(before) if before and before != desired.commit else None)
        return Followed(
            commit=desired.commit,
            tree=desired.tree,
            before=before,
            steps=self._history.steps(desired.commit, before=before) if before != desired.commit else (),
            is_compared=was is not None,
            overrides=overrides(was, desired),
        )


def _unknown(draft: Draft) -> frozenset[str]:
    """Return the ports that no node uses, and the trunks, of which nothing is known, as subjects of drift."""
    spare, trunks = draft.observed.spare_ports.items(), draft.observed.trunks.items()
    return frozenset(
        [f"port/{switch}:{port}" for (switch, port), seen in spare if seen.mode is PortMode.UNKNOWN]
        + [f"trunk/{switch}:{port}" for (switch, port), words in trunks if words == UNKNOWN_TRUNK]
    )


def _healed(draft: Draft, outcomes: Mapping[str, Outcome]) -> frozenset[str]:
    """Return the subjects of drift that was put right: a port was moved, or power was cut where no port was to be."""
    drifted = {drift.subject.partition("/")[2]: drift.subject for drift in draft.plan.drift}
    due = [action for action in draft.plan.actions if action.subject in drifted]
    ports = [action for action in due if isinstance(action, Park | EnterAirlock)]
    with_ports = {action.subject for action in ports}
    power = [action for action in due if isinstance(action, PowerOff) and action.subject not in with_ports]
    return frozenset(drifted[a.subject] for a in (*ports, *power) if isinstance(outcomes.get(a.id), Done))


def refusals_of(sight: Sight) -> tuple[Refusal, ...]:
    """Return why commits are not followed, one for each commit and code."""
    said: dict[tuple[str, str], list[str]] = {}
    faulty = iter(sight.faulty)
    for refusal in sight.refusals:
        found = refusal.findings if isinstance(refusal, InputError) else ()
        subject = refusal.subject if isinstance(refusal, TrustError) else f"commit {next(faulty, '')[:12]}"
        messages = [f"{finding.place}: {finding.message}" for finding in found] or [refusal.message]
        said.setdefault((subject, refusal.reason), []).extend(messages)
    return tuple(refusal_of(subject, code=code, messages=messages) for (subject, code), messages in said.items())
