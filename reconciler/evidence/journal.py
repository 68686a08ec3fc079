"""The journal: what concerns the repository and no single node, as signed in-toto statements in one chain.

An entry holds what one pass found to be new: a commit that came into force, refusals, drift, newer keys, another
signer, a pinned plan. Entries are chained by sequence number and by the digest of the payload before; their sum is the
journal's head, a cache that the audit checks. What an entry does to the head is in ``journal_fold``, what is worth an
entry in ``journal_changes``. Nothing secret is here: keys have names and versions.
Source: in-toto Attestation Framework, Statement v1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value, is_canonical, to_json
from reconciler.evidence.raw import CommitId
from reconciler.model.base import Digest, Name, Principal, Value

HEAD_PATH = "journal/head.json"
"""Where the sum of the journal stands on the evidence branch."""

KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:+/=_.-]{1,128}$")]
"""The fingerprint of a signer's key."""

WORDS = 2000
Words = Annotated[str, StringConstraints(max_length=WORDS)]
Version = Annotated[int, Field(ge=1)]


class Refusal(Value):
    """Why a commit is not followed; ``messages`` are all that was said under this code when it was first seen."""

    subject: Words
    code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,64}$")]
    messages: tuple[Words, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes it the same refusal, whatever the words are: some of them tell the time."""
        return self.subject, self.code


class Sighting(Value):
    """Drift: what the record or a document says of ``subject``, and what was found."""

    subject: Words
    declared: Words
    found: Words


class Step(Value):
    """One commit on the way to the one in force: whose signature it has, who approved it, what it confirms out loud."""

    commit: CommitId
    signer: Principal | None = None
    key: KeyId | None = None
    approved_by: tuple[Principal, ...] = ()
    confirms: tuple[Words, ...] = ()


class Override(Value):
    """Something by which an operator holds back, lets go or forgives: ``before`` and ``after`` in words, None: not."""

    what: Literal[
        "freeze",
        "suspend",
        "cleared",
        "limits",
        "budget",
        "windows",
        "deadlines",
        "trust",
        "evidence",
        "drift",
        "fights",
    ]
    subject: Words
    before: Words | None = None
    after: Words | None = None


class Followed(Value):
    """A commit of the desired state came into force, in place of ``before``.

    ``steps`` are the commits from there on, newest first, no more than were looked at; ``overrides`` what differs from
    ``before`` if ``is_compared``, else everything that stands.
    """

    event: Literal["followed"] = "followed"
    commit: CommitId
    tree: CommitId
    before: CommitId | None = None
    steps: tuple[Step, ...] = ()
    is_compared: bool
    overrides: tuple[Override, ...] = ()


class Refused(Value):
    """A refusal that is new."""

    event: Literal["refused"] = "refused"
    refusal: Refusal


class RefusalOver(Value):
    """A refusal that does not stand any more."""

    event: Literal["refusal-over"] = "refusal-over"
    refusal: Refusal


class DriftSeen(Value):
    """Drift that is new, or found otherwise than before."""

    event: Literal["drift"] = "drift"
    drift: Sighting


class DriftOver(Value):
    """Drift that is no more."""

    event: Literal["drift-over"] = "drift-over"
    drift: Sighting


class DriftHealed(Value):
    """Drift that was put right: hardware was moved, and read back. Whatever is found next is new."""

    event: Literal["drift-healed"] = "drift-healed"
    drift: Sighting


class KeyRotated(Value):
    """A key has a new version; ``before`` is None for the first one that is on record."""

    event: Literal["key-rotated"] = "key-rotated"
    name: Name
    before: Version | None = None
    after: Version
    why: Words


class SignerChanged(Value):
    """Evidence is signed by the key ``after`` from here on, this entry included."""

    event: Literal["signer-changed"] = "signer-changed"
    before: KeyId
    after: KeyId


class Pinned(Value):
    """An operator let only this plan be carried out: ``plan`` is its digest, ``actions`` are what it changes."""

    event: Literal["pinned"] = "pinned"
    plan: Digest
    commit: CommitId
    made_at: datetime
    actions: tuple[Words, ...]


JournalEvent = Annotated[
    Followed | Refused | RefusalOver | DriftSeen | DriftOver | DriftHealed | KeyRotated | SignerChanged | Pinned,
    Field(discriminator="event"),
]


class JournalEntry(Value):
    """What one pass found to be new, under the desired state at ``commit``; ``signer`` is the key it is signed with."""

    sequence: Annotated[int, Field(ge=1)]
    previous: Digest | None = None
    recorded_at: datetime
    commit: CommitId
    tree: CommitId
    verifier: str
    signer: KeyId
    events: Annotated[tuple[JournalEvent, ...], Field(min_length=1)]


class JournalHead(Value):
    """The sum of the journal: its newest entry, the state in force, the signer, and what stands.

    ``keys`` are the versions on record by name; ``refusals`` are sorted by subject and code, ``drift`` by subject.
    ``bouts`` are the last times at which drift of a subject was put right, oldest first, none older than a day before
    the newest entry; left out if there are none.
    """

    sequence: Annotated[int, Field(ge=1)]
    digest: Digest
    commit: CommitId
    signer: KeyId
    keys: dict[Name, Version] = Field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    drift: tuple[Sighting, ...] = ()
    bouts: dict[str, tuple[datetime, ...]] | None = None


class JournalSubject(Value):
    """What the statement is about: the state in force."""

    name: str
    digest: dict[Literal["gitCommit"], CommitId]


class JournalStatement(Value):
    """An in-toto statement around an entry."""

    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")] = (
        "https://in-toto.io/Statement/v1"
    )
    subject: tuple[JournalSubject]
    predicate_type: Literal["urn:ringfence:journal:v1"] = "urn:ringfence:journal:v1"
    predicate: JournalEntry


def journal_path(entry: JournalEntry) -> str:
    """Return where on the evidence branch the statement of ``entry`` stands."""
    return f"journal/{entry.recorded_at:%Y/%m}/{entry.sequence}.dsse.json"


def journal_bytes(entry: JournalEntry) -> bytes:
    """Return the canonical statement around ``entry``."""
    subject = JournalSubject(name="desired-state", digest={"gitCommit": entry.commit})
    return canonical_value(JournalStatement(subject=(subject,), predicate=entry))


def parse_journal(payload: bytes) -> JournalEntry:
    """Return the entry in ``payload``; raise TrustError if it is not a statement of ours, byte for byte."""
    try:
        statement = JournalStatement.model_validate_json(payload)
    except ValidationError:
        statement = None
    if statement is None or not is_canonical(payload, to_json(statement)):
        raise _malformed("journal entry")
    if statement.subject != (JournalSubject(name="desired-state", digest={"gitCommit": statement.predicate.commit}),):
        raise _malformed("journal entry")
    return statement.predicate


def parse_journal_head(content: bytes) -> JournalHead:
    """Return the head in ``content``; raise TrustError if it is not one of ours, byte for byte."""
    try:
        head = JournalHead.model_validate_json(content)
    except ValidationError:
        head = None
    if head is None or canonical_value(head) != content:
        raise _malformed(HEAD_PATH)
    return head


def _malformed(subject: str) -> TrustError:
    hint = "the evidence branch was altered, or a newer ringfence wrote it"
    return TrustError(subject, "it is not what ringfence writes", reason="JournalMalformed", hint=hint)
