"""The evidence branch in git (``ports.ledger.Ledger``): append-only, signed, one writer.

Rules:
1. what is appended to is what this writer left, or is signed by an evidence signer and leads on from it;
2. statements and blobs are only ever added;
3. the objects are in the repository, flushed, before the branch moves, and it moves by compare-and-swap: a crash
   leaves it at the old commit or at the new one;
4. calls that wait for each other are written together, in one commit.
HEAD, index and working tree are never touched. That somebody with the key wrote nonsense, or moved the branch back
while nobody ran, is not noticed here: the audit and an outside witness are for that.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from reconciler.errors.taxonomy import InvariantError, RingfenceError, TransientError, TrustError
from reconciler.evidence.canonical import canonical, canonical_value
from reconciler.evidence.lease import (
    Lease,
    is_takeover,
    lease_bytes,
    leased,
    next_lease,
    parse_lease,
    released,
    renewed,
)
from reconciler.evidence.yearly import Opening, year_origin
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.durable_ref import DurableRef
from reconciler.repo.git import Git, check_id
from reconciler.repo.objects import NewObjects, Tree, write_tree
from reconciler.repo.packs import PackStore
from reconciler.repo.places import (
    JOURNAL_HEAD,
    OBSERVATION_PATH,
    OPENING,
    TRUSTED_PATH,
    WRITER_PATH,
    blob_path,
    head_path,
    is_attachment,
    is_node,
    is_statement,
)
from reconciler.repo.rotation import build_rotation, read_opening, year_of, year_ref
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.transparency import Log, extend, read_log
from reconciler.repo.tree_cache import TreeCache

WRITER = "ringfence <ringfence@localhost>"
ORIGIN = "ringfence/evidence"
_OWN_PRINCIPAL = "ringfence@localhost"
_MESSAGE_LINES = 50


@dataclass(slots=True)
class _Ticket:
    """One caller's wish, and what became of it."""

    entries: Sequence[Entry] = ()
    trusted: str | None = None
    commit: str | None = None
    error: RingfenceError | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    lease: Lease | None = None
    confirm: Callable[[str], None] | None = None


class GitLedger:
    """The evidence branch of one repository. May be shared between threads."""

    def __init__(  # noqa: PLR0913 - each is something that a caller or a test gives
        self,
        git: Git,
        *,
        branch: str,
        key: EvidenceKey | None,
        signers: AllowedSigners,
        origin: str = ORIGIN,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read and write ``branch``; without ``key`` only read. ``signers`` may have signed it, beside ``key``.

        ``origin`` is the name of the log that its tree heads are signed with, in its first year. ``now`` says which
        year it is and when leases end.
        """
        self._git = git
        self._origin = origin
        self._branch = branch
        self._key = key
        known = [signer for signer in signers.signers if not key or signer.fingerprint != key.key_id]
        own = [key.signer(_OWN_PRINCIPAL)] if key else []
        self._signers = AllowedSigners(signers=(*known, *own))
        self._lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Ticket] = []
        self._is_synced = False
        self._is_swept = False
        self._tip: str | None = None
        self._heads: dict[str, Head] = {}
        self._log: Log | None = None
        self._writer: str | None = None
        self._lease: Lease | None = None
        self._year: int | None = None
        self._now = now
        self._trees = TreeCache()
        self._packs = PackStore(git)
        self._ref = DurableRef(git, branch)

    def heads(self) -> Mapping[str, Head]:
        """Return the newest head of every node that has one."""
        with self._lock:
            self._sync()
            return dict(self._heads)

    def append(self, entries: Sequence[Entry]) -> str:
        """Record ``entries`` in one signed commit, durably, and return its id (40 hexadecimal digits)."""
        return self._submit(_Ticket(entries=tuple(entries), files=_entry_files(entries)))

    def trusted(self) -> str | None:
        """Return the last desired-state commit that was called trusted, None if there is none yet."""
        with self._lock:
            tip = self._sync()
            content = self._contents(tip, (TRUSTED_PATH,)).get(TRUSTED_PATH)
        if content is None:
            return None
        try:
            return check_id(json.loads(content)["commit"])
        except (ValueError, TypeError, KeyError, InvariantError) as error:
            raise self._broken(TRUSTED_PATH) from error

    def set_trusted(self, commit: str) -> None:
        """Remember that ``commit`` is trusted. The same commit again: nothing happens."""
        if self.trusted() != commit:
            content = canonical({"commit": check_id(commit)})
            self._submit(_Ticket(trusted=commit, files={TRUSTED_PATH: content}))

    def journal_head(self) -> bytes | None:
        """Return the sum of the journal as it was written, None if there is none yet."""
        with self._lock:
            tip = self._sync()
            name = f"{tip}:{JOURNAL_HEAD}"
            return self._git.objects([name]).get(name) if tip else None

    def observation(self) -> bytes | None:
        """Return the recorded observation as it was written, None if there is none yet."""
        with self._lock:
            tip = self._sync()
            return self._contents(tip, (OBSERVATION_PATH,)).get(OBSERVATION_PATH)

    def set_observation(self, content: bytes) -> None:
        """Record ``content`` as what was last seen, in place of what was recorded before."""
        self._submit(_Ticket(files={OBSERVATION_PATH: content}))

    def hold(self, writer: str, *, confirm: Callable[[str], None]) -> None:
        """Write as the machine ``writer`` from now on, and see to it that the branch's lease is its own.

        ``confirm`` is given the commit that takes the lease over from another machine, before the branch moves: it
        raises if somebody else was first. TransientError (``EvidenceLeased``): another machine holds the lease.
        """
        with self._lock:
            self._writer = writer
            self._read_lease(self._sync())
            due = next_lease(self._lease, writer=writer, now=self._now())
            is_anothers = is_takeover(self._lease, writer=writer)
        if due is not None:
            self._submit(
                _Ticket(files={WRITER_PATH: lease_bytes(due)}, lease=due, confirm=confirm if is_anothers else None)
            )

    def release(self) -> None:
        """Give the lease up, if it is held, so that another machine need not wait for its end."""
        with self._lock:
            lease, writer, self._writer = self._lease, self._writer, None
        if lease is not None and writer == lease.writer and (over := released(lease, now=self._now())) is not None:
            self._submit(_Ticket(files={WRITER_PATH: lease_bytes(over)}, lease=over))

    def _submit(self, ticket: _Ticket) -> str:
        if not ticket.files:
            raise InvariantError("evidence", "there is nothing to record", reason="NothingToRecord")
        with self._queue_lock:
            self._queue.append(ticket)
        with self._lock:  # 4
            if ticket.commit is None and ticket.error is None:
                self._serve()
        if ticket.error:
            raise ticket.error
        return str(ticket.commit)

    def _serve(self) -> None:
        """Write everything that waits. Whoever waits is told what became of it, whatever happens."""
        with self._queue_lock:
            tickets, self._queue = self._queue, []
        unknown = TransientError(f"branch {self._branch}", "was perhaps not written", reason="EvidenceInterrupted")
        error: RingfenceError = unknown
        commit = None
        try:
            commit = self._write(tickets)
        except RingfenceError as refusal:
            error = refusal
        finally:
            for ticket in tickets:
                if ticket.error is None:
                    ticket.commit, ticket.error = commit, None if commit else error

    def _write(self, tickets: list[_Ticket]) -> str:
        key = self._key
        if key is None:
            raise InvariantError("evidence", "there is no key to sign it with", reason="NoEvidenceKey")
        before = self._check_tip()  # 1
        lease = self._due_lease(before, tickets)
        has_records = any(ticket.entries for ticket in tickets)
        if before is not None and has_records and not self._is_current(before):
            before = self._rotate(before, key=key)
        trees = self._trees.load(self._git, before, [path for ticket in tickets for path in ticket.files])
        files: dict[str, bytes] = {}
        for ticket in tickets:
            ticket.error = self._conflict(ticket, trees=trees, files=files)  # 2
            if ticket.error is None:
                files.update(ticket.files)
        files = {path: content for path, content in files.items() if not _is_blob_in(path, trees=trees)}
        served = [ticket for ticket in tickets if ticket.error is None]
        if not served:
            return ""
        statements = [(entry.path, entry.envelope) for ticket in served for entry in ticket.entries]
        if lease is not None:
            files[WRITER_PATH] = lease_bytes(lease)
            trees |= self._trees.load(self._git, before, [WRITER_PATH])
        log = self._log
        if statements:
            origin = self._log_origin(before)
            log = log or read_log(partial(self._contents, before), origin=origin)
            log, lines = extend(log, statements, origin=origin, key=key, today=self._now().date())
            trees |= self._trees.load(self._git, before, [path for path in lines if path not in files])
            files |= lines
        new = NewObjects()
        tree, edited = write_tree(new, trees=trees, files=files)
        commit = new.add("commit", key.sign_commit(_commit_bytes(tree, parent=before, tickets=served)))
        self._packs.add(new.to_pack())  # 3
        for confirm in (ticket.confirm for ticket in served if ticket.confirm):
            confirm(commit)
        if not self._ref.move(old=before, new=commit):
            self._read_tip()  # Says more about who moved it, if there is more to say.
            raise self._moved()
        self._trees.advance(commit, edited)
        self._tip = commit
        self._is_synced = True
        self._log = log
        self._lease = next((ticket.lease for ticket in reversed(served) if ticket.lease), lease or self._lease)
        self._heads |= {head.node: head for ticket in served for entry in ticket.entries for head in entry.heads}
        return commit

    def _contents(self, tip: str | None, paths: Sequence[str]) -> dict[str, bytes]:
        return self._trees.contents(self._git, tip, paths)

    def rotate(self) -> str | None:
        """Close the year at hand and open the present one, if that has not begun; return the closing commit.

        None: nothing was recorded since the year was opened, or it is the present one already.
        """
        with self._lock:
            tip, key = self._sync(), self._key
            if tip is None or key is None or self._is_current(tip):
                return None
            opened = self._rotate(tip, key=key)
            return None if opened == tip else self._opening_at(opened).closing

    def _is_current(self, tip: str) -> bool:
        """Return whether the year at ``tip`` is the present one, or a later one by a clock that was put back."""
        if self._year is None:
            opening = read_opening(self._git, tip, trees=self._trees)
            self._year = opening.year if opening else year_of(self._git, tip)
            if opening:
                self._keep_year(opening)
        return self._now().year <= self._year

    def _rotate(self, tip: str, *, key: EvidenceKey) -> str:
        """Close the year at ``tip``, open the present one, and return the tip afterwards."""
        now = self._now().year
        years = (self._year or now, now)
        made = build_rotation(self._git, tip, trees=self._trees, key=key, years=years, heads=self._heads)
        if made is None:
            self._year = now
            return tip
        self._packs.add(made.new.to_pack())
        if not self._ref.move(old=tip, new=made.opening):
            self._read_tip()
            raise self._moved()
        self._tip, self._log, self._year = made.opening, Log(), now
        self._trees = TreeCache()
        self._keep_year(self._opening_at(made.opening))
        return made.opening

    def _keep_year(self, opening: Opening) -> None:
        """Let the closed year be a branch of its own; one that is there already stays as it is."""
        ref = year_ref(self._branch, year=opening.closes)
        if self._git.at(ref) is None:
            self._git.keep(ref, opening.closing)

    def _opening_at(self, tip: str) -> Opening:
        opening = read_opening(self._git, tip, trees=self._trees)
        if opening is None:
            raise self._broken(OPENING)
        return opening

    def _log_origin(self, tip: str | None) -> str:
        opening = read_opening(self._git, tip, trees=self._trees)
        return year_origin(self._origin, year=opening.year if opening else None)

    def _due_lease(self, tip: str | None, tickets: Sequence[_Ticket]) -> Lease | None:
        """Return the lease that is written along with ``tickets``; raise if it is another machine's now."""
        if self._writer is None or any(ticket.lease for ticket in tickets):
            return None
        lease = self._read_lease(tip)
        if lease is None:
            return None  # Nobody has asked for it yet.
        if lease.writer != self._writer:
            raise leased(lease)
        return renewed(lease, now=self._now())

    def _read_lease(self, tip: str | None) -> Lease | None:
        if self._lease is None:
            content = self._contents(tip, (WRITER_PATH,)).get(WRITER_PATH)
            self._lease = parse_lease(content) if content is not None else None
        return self._lease

    def _sync(self) -> str | None:
        """Return the tip, after checking it and reading its heads if it is not the one that was left."""
        tip = self._read_tip()
        if tip != self._tip or not self._is_synced:
            self._heads = self._read_heads(tip) if tip else {}
            self._tip, self._is_synced, self._log, self._lease, self._year = tip, True, None, None, None
        return tip

    def _check_tip(self) -> str | None:
        """Return the tip to append to; callers build on heads, so nothing may have come after these were read (3)."""
        if not self._is_swept:
            self._is_swept = True
            self._packs.sweep()
        return self._tip if self._is_synced else self._sync()

    def _read_tip(self) -> str | None:
        tip = self._ref.read()
        if tip == self._tip:
            return tip
        subject = f"branch {self._branch}"
        if tip is None:
            hint = "restore the branch from a clone; nothing is recorded until then"
            raise TrustError(subject, "is gone", reason="EvidenceRewound", hint=hint)
        if self._git.verify_commit(tip, allowed=self._signers) is None:
            hint = "somebody else wrote to it: restore the branch, or add the key to the evidence signers"
            message = f"its tip {tip[:12]} is not signed by an evidence signer"
            raise TrustError(subject, message, reason="EvidenceForeign", hint=hint)
        if self._tip and not self._git.is_ancestor(self._tip, of=tip):
            hint = "restore the branch from a clone; evidence is only ever added"
            message = f"its tip {tip[:12]} does not lead on from {self._tip[:12]}"
            raise TrustError(subject, message, reason="EvidenceRewound", hint=hint)
        return tip

    def _read_heads(self, tip: str) -> dict[str, Head]:
        entries = [entry for entry in self._git.files(tip, under="nodes/") if entry.path.endswith(b"/head.json")]
        contents = self._git.objects(entry.object_id for entry in entries)
        heads = {}
        for entry in entries:
            path = entry.path.decode("utf-8", "backslashreplace")
            if entry.object_id not in contents:
                raise self._broken(path)
            try:
                head = Head.model_validate_json(contents[entry.object_id])
            except ValidationError as error:
                raise self._broken(path) from error
            if head_path(head.node) != path:
                raise self._broken(path)
            heads[head.node] = head
        return heads

    def _conflict(
        self, ticket: _Ticket, *, trees: Mapping[str, Tree], files: Mapping[str, bytes]
    ) -> RingfenceError | None:
        for path in (path for entry in ticket.entries for path in (entry.path, *entry.attached)):
            folder, _, name = path.rpartition("/")
            if path in files or name.encode() in trees.get(folder, {}):
                return InvariantError(path, "is on the evidence branch already", reason="StatementExists")
        for digest, content in (blob for entry in ticket.entries for blob in entry.blobs.items()):
            path = blob_path(digest)
            is_known = path in files or _is_blob_in(path, trees=trees)
            if not is_known and hashlib.sha256(content).hexdigest() != digest:
                return InvariantError(f"blob {digest[:12]}", "has another digest", reason="BadBlob")
        return None

    def _moved(self) -> TransientError:
        hint = "read the heads again; does a second reconciler run on this repository?"
        return TransientError(f"branch {self._branch}", "was moved by somebody else", reason="EvidenceMoved", hint=hint)

    def _broken(self, path: str) -> TrustError:
        hint = "run ringfence audit; nothing is recorded until the branch is repaired"
        return TrustError(f"branch {self._branch}", f"{path} cannot be read", reason="EvidenceBroken", hint=hint)


def _is_blob_in(path: str, *, trees: Mapping[str, Tree]) -> bool:
    folder, _, name = path.rpartition("/")
    return path.startswith("blobs/") and name.encode() in trees.get(folder, {})


def _entry_files(entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return what ``entries`` put on the branch, by path; InvariantError if they do not fit together."""
    files: dict[str, bytes] = {}
    for entry in entries:
        if not is_statement(entry.path) or entry.path in files:
            raise InvariantError(entry.path, "is no place for a statement", reason="BadStatementPath")
        if not all(is_attachment(path) for path in entry.attached) or set(entry.sums) - {JOURNAL_HEAD, TRUSTED_PATH}:
            raise InvariantError(entry.path, "brings files that have no place", reason="BadStatementPath")
        for head in entry.heads:
            if not is_node(head.node):
                raise InvariantError(f"node {head.node}", "is no name of a node", reason="BadHead")
            files[head_path(head.node)] = canonical_value(head)
        for digest, content in entry.blobs.items():
            files[blob_path(digest)] = content
        files |= {entry.path: entry.envelope, **entry.attached, **entry.sums}
    return files


def _commit_bytes(tree: str, *, parent: str | None, tickets: Sequence[_Ticket]) -> bytes:
    entries = [entry for ticket in tickets for entry in ticket.entries]
    trusted = [ticket.trusted for ticket in tickets if ticket.trusted]
    heads = [head for entry in entries for head in entry.heads]
    lines = [f"{head.node}: {head.phase} #{head.sequence}" for head in heads[:_MESSAGE_LINES]]
    lines += [f"and {len(heads) - _MESSAGE_LINES} more"] if len(heads) > _MESSAGE_LINES else []
    lines += [f"trust {commit}" for commit in trusted]
    is_lease = any(ticket.lease for ticket in tickets)
    what = "trust" if trusted else "lease" if is_lease else "observation"
    subject = f"evidence: {len(heads) or len(entries)} records" if entries else f"evidence: {what}"
    now = int(time.time())
    headers = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    headers += [f"author {WRITER} {now} +0000", f"committer {WRITER} {now} +0000"]
    return "\n".join([*headers, "", subject, "", *lines, ""]).encode()
