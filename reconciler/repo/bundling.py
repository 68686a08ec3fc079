"""What a bundle is made of, read off a clone: the evidence branch at one commit, and the commits that records name.

Rules: nothing is written; rounds are read a few at a time, and only the lines in which the subject's name stands are
looked at. Signatures are not checked here: a bundle is for somebody who checks them himself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.bundle.making import Log, Material, show_round
from reconciler.evidence.bundle.pieces import RoundPart
from reconciler.evidence.bundle.references import blobs_behind
from reconciler.evidence.bundle.selection import NODE, select
from reconciler.evidence.bundle.verifying import commits_of
from reconciler.evidence.note import Note, parse_checkpoint, parse_note
from reconciler.evidence.round import parse_line, records_path
from reconciler.evidence.statement import Record, parse_statement
from reconciler.evidence.unverified import unverified_payload
from reconciler.model.record import Event
from reconciler.repo.bundled_commits import CommitShower
from reconciler.repo.git import Git, TreeEntry
from reconciler.repo.places import LATEST_CHECKPOINT, blob_path

_AT_ONCE = 256
_STATEMENT = re.compile(r"statements/.*/(?P<node>[a-z0-9-]{1,63})-[0-9]{1,19}\.dsse\.json")
_HOUR = re.compile(r"rounds/([0-9]{4})/([0-9]{2})/([0-9]{2})/([0-9]{2})/")
_LOG = re.compile(r"log/[0-9]{3,}/[0-9]{3}")
_HEAD = re.compile(r"checkpoints/(0|[1-9][0-9]{0,17})")
_WITNESSES = ("refs/heads/witness/", "refs/remotes/origin/witness/", "refs/ringfence/fetched/witness/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a bundle is to show: ``node/NAME`` or ``enclave/NAME``, and of which time.

    ``tenant`` says whose enclave is meant, where several tenants had one of that name. Without ``with_commits`` it
    holds no objects of the desired state, and so nothing that names anybody else.
    """

    subject: str
    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    with_commits: bool = True


@dataclass(frozen=True, slots=True)
class _Found:
    """A record, and where it stands: ``index`` is its line in a round, None for a statement of its own."""

    record: Record
    path: str
    index: int | None


@dataclass(slots=True)
class _Branch:
    """The evidence branch at ``tip``."""

    git: Git
    tip: str
    entries: Mapping[str, TreeEntry] = field(init=False)

    def __post_init__(self) -> None:
        files = self.git.files(self.tip)
        self.entries = {entry.path.decode("utf-8", "backslashreplace"): entry for entry in files}

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        ids = {path: self.entries[path].object_id for path in paths if path in self.entries}
        contents = self.git.objects(ids.values())
        return {path: contents[object_id] for path, object_id in ids.items() if object_id in contents}

    def in_parts(self, paths: Iterable[str]) -> Iterator[dict[str, bytes]]:
        """Yield the contents of ``paths``, a few at a time."""
        wanted = list(paths)
        for start in range(0, len(wanted), _AT_ONCE):
            yield self.read(wanted[start : start + _AT_ONCE])

    def blob(self, digest: str) -> bytes | None:
        path = blob_path(digest)
        return self.read([path]).get(path)


def read_material(git: Git, tip: str, wanted: Wanted, *, keys: Mapping[str, Ed25519PublicKey]) -> Material:
    """Return what the bundle that is ``wanted`` is made of, from the evidence commit ``tip``.

    ``keys`` are the evidence keys of the desired state in force; those of other commits are found there. InputError:
    nothing is on record of it. TrustError: the branch is not what ringfence writes.
    """
    branch = _Branch(git, tip)
    shower = CommitShower(git, known=keys)
    chosen = _of_tenant(_choose(branch, wanted), wanted, shower=shower)
    if not chosen:
        hint = "look at the name and the span of time; ringfence explain shows what there is"
        raise InputError(wanted.subject, "there is nothing on record of it", reason="NothingRecorded", hint=hint)
    records = [found.record for found in chosen]
    for record in records:
        for commit in sorted(commits_of(record)):
            shower.show(commit, record=record)
    note = branch.read([LATEST_CHECKPOINT]).get(LATEST_CHECKPOINT)
    if note is None:
        raise TrustError(LATEST_CHECKPOINT, "the evidence branch has no tree head", reason="EvidenceBroken")
    head = parse_note(note)
    return Material(
        statements=branch.read(found.path for found in chosen if found.index is None),
        rounds=list(_rounds(branch, chosen)),
        blobs=blobs_behind(records, branch.blob),
        log=_read_log(branch),
        checkpoint=head,
        cosigned=_cosigned(git, origin=parse_checkpoint(head.body).origin),
        keys=shower.keys,
        objects=shower.objects if wanted.with_commits else {},
    )


def _choose(branch: _Branch, wanted: Wanted) -> list[_Found]:
    kind, _, name = wanted.subject.partition("/")
    found: dict[str, list[_Found]] = {}
    for each in _candidates(branch, kind=kind, name=name, until=wanted.until):
        found.setdefault(each.record.node, []).append(each)
    chosen: list[_Found] = []
    for node in sorted(found):
        own = {each.record.sequence: each for each in found[node]}
        records = [own[sequence].record for sequence in sorted(own)]
        shown = select(records, subject=wanted.subject, since=wanted.since, until=wanted.until)
        chosen += [own[record.sequence] for record in shown]
    return chosen


def _of_tenant(chosen: list[_Found], wanted: Wanted, *, shower: CommitShower) -> list[_Found]:
    """Return what of ``chosen`` is of one tenant's enclave; InputError if it is of several, and none was named."""
    kind, _, name = wanted.subject.partition("/")
    if kind == NODE:
        return chosen
    owner: str | None = None
    owners: dict[str | None, list[_Found]] = {}
    for found in chosen:
        if found.record.event is Event.ASSIGNED:
            owner = shower.owner(found.record.commit, enclave=name)
        owners.setdefault(owner, []).append(found)
    if wanted.tenant is not None:
        return owners.get(wanted.tenant, [])
    if len(owners) > 1:
        known = ", ".join(sorted(each or "nobody" for each in owners))
        message = f"several tenants had an enclave of that name: {known}"
        raise InputError(wanted.subject, message, reason="EnclaveAmbiguous", hint="say whose: --tenant NAME")
    return chosen


def _candidates(branch: _Branch, *, kind: str, name: str, until: datetime | None) -> Iterator[_Found]:
    """Yield the records that may be the subject's: all statements and leaves of its nodes."""
    statements = [path for path in sorted(branch.entries) if _may_be_of(path, node=name if kind == NODE else None)]
    for contents in branch.in_parts(statements):
        for path, envelope in contents.items():
            yield _Found(parse_statement(unverified_payload(envelope)).predicate, path, None)
    rounds = [path for path in sorted(branch.entries) if path.endswith(".records") and _is_before(path, until)]
    needle = f'"{kind}":"{name}"'.encode()
    for contents in branch.in_parts(rounds):
        for path, content in contents.items():
            envelope_path = f"{path.removesuffix('.records')}.dsse.json"
            for index, line in enumerate(content.split(b"\n")):
                if needle in line:
                    yield _Found(parse_line(line), envelope_path, index)


def _may_be_of(path: str, *, node: str | None) -> bool:
    found = _STATEMENT.fullmatch(path)
    return found is not None and node in {None, found["node"]}


def _is_before(path: str, until: datetime | None) -> bool:
    found = _HOUR.match(path)
    hour = tuple(int(part) for part in found.groups()) if found else ()
    return until is None or hour <= (until.year, until.month, until.day, until.hour)


def _rounds(branch: _Branch, chosen: Iterable[_Found]) -> Iterator[RoundPart]:
    indexes: dict[str, list[int]] = {}
    for found in chosen:
        if found.index is not None:
            indexes.setdefault(found.path, []).append(found.index)
    paths = sorted(indexes)
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        contents = branch.read([*some, *map(records_path, some)])
        for path in some:
            lines = contents[records_path(path)].split(b"\n")[:-1]
            yield show_round(path, envelope=contents[path], lines=lines, indexes=indexes[path])


def _read_log(branch: _Branch) -> Log:
    paths = sorted((path for path in branch.entries if _LOG.fullmatch(path)), key=lambda path: (len(path), path))
    hashes: list[bytes] = []
    places: dict[str, int] = {}
    for contents in branch.in_parts(paths):
        for path, content in contents.items():
            for line in content.decode("ascii", "replace").splitlines():
                digest, _, name = line.partition(" ")
                try:
                    hashes.append(bytes.fromhex(digest))
                except ValueError:
                    hint = "the evidence branch was altered; run ringfence audit on it"
                    raise TrustError(path, "holds no lines of the log", reason="LogMalformed", hint=hint) from None
                places[name] = len(places)
    return Log(leaf_hashes=hashes, places=places)


def _cosigned(git: Git, *, origin: str) -> dict[str, Note]:
    """Return the newest head on each witness's branch, whichever of its copies here is the furthest."""
    newest: dict[str, tuple[int, Note]] = {}
    for prefix in _WITNESSES:
        for ref in git.refs(prefix):
            name = ref.name.removeprefix(prefix)
            heads = [entry for entry in git.files(ref.object_id, under="checkpoints/") if _size_of(entry) is not None]
            last = max(heads, key=lambda entry: _size_of(entry) or 0, default=None)
            note = _note(git, last, origin=origin) if last is not None else None
            if note is not None and note[0] > newest.get(name, (-1, None))[0]:
                newest[name] = note
    return {name: note for name, (_, note) in newest.items()}


def _size_of(entry: TreeEntry) -> int | None:
    found = _HEAD.fullmatch(entry.path.decode("utf-8", "backslashreplace"))
    return int(found[1]) if found else None


def _note(git: Git, entry: TreeEntry, *, origin: str) -> tuple[int, Note] | None:
    try:
        note = parse_note(git.objects([entry.object_id]).get(entry.object_id, b""))
        head = parse_checkpoint(note.body)
    except TrustError:
        return None  # What stands on a witness's branch and is no head is for the audit to tell.
    return (head.size, note) if head.origin == origin else None
