"""One look of a witness at an evidence branch, and the co-signature that comes of it.

1. What it stood by is recalled: from its own folder, or else from its own signature on its own branch.
2. What the branch shows is held against that (``evidence.witness``); what is refused is kept as a proof.
3. What it stands by now is on disk before anything is signed: killed at any instant, it never signs two trees of one
   size, nor a smaller one after a larger one.
4. The co-signed head is written to its own branch; no other branch is ever moved.
Nothing in the repository is believed beside the signers that it is told. It cannot tell whether it is shown what others
are shown: that takes its branch, where others find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import InputError, TransientError, TrustError
from reconciler.evidence.merkle import roots_at
from reconciler.evidence.note import Note, NoteKey, cosign, note_bytes, parse_checkpoint, parse_note, verify_cosignature
from reconciler.evidence.witness import Course, Seen, Sighting, follow
from reconciler.repo.git import Git
from reconciler.repo.loglines import read_leaf_hashes
from reconciler.repo.places import LATEST_CHECKPOINT
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey, public_keys
from reconciler.repo.witness_branch import FETCHED, read_notes, witness_branch, write_note
from reconciler.repo.witness_memory import WitnessMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a witness is told: which log it follows, at which evidence commit, and who may sign it.

    ``tip`` is None if the branch is not there; ``desired`` names the desired state that the signers come from.
    """

    origin: str
    tip: str | None
    signers: AllowedSigners
    desired: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigning:
    """What a look came to: what the witness stands by, its branch's commit, and whether the head was new to it."""

    seen: Seen
    commit: str
    is_new: bool


class Witness:
    """One witness of one repository."""

    def __init__(self, git: Git, *, name: str, key: EvidenceKey, memory: WitnessMemory) -> None:
        """Sign as ``name`` with ``key``, and remember in ``memory``."""
        self._git = git
        self._name = name
        self._key = key
        self._memory = memory
        self.branch = witness_branch(name)

    def look(self, charge: Charge, *, at: datetime) -> Cosigning | None:
        """Check what the branch shows and co-sign its head; None if there is none to sign yet.

        TrustError: it contradicts what was seen before, or is no log by its signers; nothing is signed. InputError: the
        key signs the evidence itself.
        """
        if charge.signers.at(self._key.key_id) is not None:
            hint = "give the witness a key of its own, held by somebody else"
            raise InputError(f"witness {self._name}", "its key signs the evidence", reason="WitnessIsWriter", hint=hint)
        seen = self.recall(charge.origin)  # 1
        latest = self._latest(charge)
        try:
            self._check_shown(charge, seen=seen, latest=latest)
            if latest is None:
                return None
            now = self._sight(charge, note=parse_note(latest), seen=seen)
            following = follow(seen, now, origin=charge.origin, keys=_note_keys(charge))  # 2
        except TrustError as error:
            try:
                self._keep_proof(charge, error=error, seen=seen, latest=latest)
            except TransientError as failure:  # The refusal is what matters; it is never taken for one that passes.
                message = f"{error.message} (and the proof of it could not be kept: {failure})"
                raise TrustError(error.subject, message, reason=error.reason, hint=error.hint) from failure
            raise
        self._memory.remember(following.model_copy(update={"desired": charge.desired}))  # 3
        return self._testify(following, at=at, is_new=seen is None or seen.size != following.size)

    def recall(self, origin: str) -> Seen | None:
        """Return the head of ``origin`` that this witness stands by: the largest in its folder and on its branch.

        TrustError: it signed two trees of that size, so its key or its folder is not its own alone.
        """
        signed = [self._last_signed(base, origin=origin) for base in self._bases()]
        heads = [head for head in (self._memory.recall(origin), *signed) if head is not None]
        seen = max(heads, key=lambda head: head.size, default=None)
        if seen and {head.root for head in heads if head.size == seen.size} != {seen.root}:
            message = f"it has signed two trees of {seen.size}; nothing is signed any more"
            hint = "was the key or the state folder copied? take a new key under a new name"
            raise TrustError(f"witness {self._name}", message, reason="WitnessContradicts", hint=hint)
        return seen

    def _latest(self, charge: Charge) -> bytes | None:
        name = f"{charge.tip}:{LATEST_CHECKPOINT}"
        return self._git.objects([name]).get(name) if charge.tip else None

    def _check_shown(self, charge: Charge, *, seen: Seen | None, latest: bytes | None) -> None:
        if charge.tip is not None and self._git.verify_commit(charge.tip, allowed=charge.signers) is None:
            hint = "somebody else wrote to the branch, or the evidence signers have changed"
            message = f"its newest commit {charge.tip[:12]} is not signed by a signer that this witness knows"
            raise TrustError(f"log {charge.origin}", message, reason="EvidenceForeign", hint=hint)
        if latest is None and seen is not None:
            message = f"there is no head any more; seen before was a tree of {seen.size} with root {seen.root}"
            hint = "restore the evidence branch from a clone"
            raise TrustError(f"log {charge.origin}", message, reason="HeadRolledBack", hint=hint)

    def _sight(self, charge: Charge, *, note: Note, seen: Seen | None) -> Sighting:
        tip = str(charge.tip)
        frontier, roots = roots_at(read_leaf_hashes(self._git, tip), [seen.size] if seen else [])
        return Sighting(
            commit=tip,
            note=note,
            lines=frontier.size,
            root=frontier.root(),
            root_before=roots.get(seen.size) if seen else None,
            course=course_of(self._git, seen.commit if seen else None, now=tip),
        )

    def _testify(self, seen: Seen, *, at: datetime, is_new: bool) -> Cosigning:
        bases = self._bases()
        for each in bases:
            mine = self._last_signed(each, origin=seen.origin)
            if mine is not None and mine.size == seen.size:
                return Cosigning(seen=seen, commit=self._adopt(each), is_new=is_new)
        base = bases[0] if bases else None
        public, sign = self._key.public, self._key.sign
        signed = cosign(parse_note(seen.note.encode()), name=self._name, public=public, sign=sign, at=at)
        commit = write_note(self._git, name=self._name, note=signed, key=self._key, at=at, base=base)  # 4
        return Cosigning(seen=seen, commit=commit, is_new=is_new)

    def _bases(self) -> list[str]:
        """Return where this witness's branch is, here and as fetched, the one that leads on from the other first."""
        local, fetched = self._git.head(self.branch), self._git.at(f"{FETCHED}{self.branch}")
        found = list(dict.fromkeys(commit for commit in (local, fetched) if commit))
        own = AllowedSigners(signers=(self._key.signer(self._name),))
        for commit in found:
            if self._git.verify_commit(commit, allowed=own) is None:
                hint = "if the key was changed, take another name; otherwise see who may push to this branch"
                message = f"its newest commit {commit[:12]} is not signed by this witness"
                raise TrustError(f"branch {self.branch}", message, reason="WitnessForeign", hint=hint)
        if local and fetched and self._git.is_ancestor(local, of=fetched):
            found.reverse()
        return found

    def _adopt(self, commit: str) -> str:
        """Let this clone's branch be at ``commit``, if it leads on from where it is."""
        local = self._git.head(self.branch)
        if local != commit and (local is None or self._git.is_ancestor(local, of=commit)):
            self._git.move_branch(self.branch, old=local, new=commit, note="ringfence: witness as fetched")
        return self._git.head(self.branch) or commit

    def _last_signed(self, commit: str, *, origin: str) -> Seen | None:
        """Return the largest head of ``origin`` on this witness's branch at ``commit`` that it co-signed itself."""
        for size, note in sorted(read_notes(self._git, commit, origin=origin)[0].items(), reverse=True):
            try:
                verify_cosignature(note, name=self._name, public=self._key.public)
                head = parse_checkpoint(note.body)
            except TrustError:
                continue
            if (head.origin, head.size) == (origin, size):
                return Seen(origin=origin, size=size, root=head.root.hex(), note=note_bytes(note).decode())
        return None

    def _keep_proof(self, charge: Charge, *, error: TrustError, seen: Seen | None, latest: bytes | None) -> None:
        files = {"refusal.txt": f"{error.reason}: {error}\nevidence commit: {charge.tip or 'none'}\n".encode()}
        if seen is not None:
            files["seen.note"] = seen.note.encode()
        if latest is not None:
            files["now.note"] = latest
        self._memory.keep_proof(charge.origin, files=files)


def course_of(git: Git, seen: str | None, *, now: str) -> Course:
    """Return how the evidence commit ``now`` stands to the one that was ``seen``."""
    if seen is None:
        return Course.ONWARD
    try:
        if git.is_ancestor(seen, of=now):
            return Course.ONWARD
        return Course.BACK if git.is_ancestor(now, of=seen) else Course.APART
    except TrustError:
        return Course.APART  # The repository does not hold the seen commit any more, so nothing leads on from it.


def _note_keys(charge: Charge) -> list[NoteKey]:
    return note_keys(public_keys(charge.signers), origin=charge.origin)


def note_keys(keys: Mapping[str, Ed25519PublicKey], *, origin: str) -> list[NoteKey]:
    """Return ``keys`` as those that tree heads of ``origin`` are signed with."""
    return [NoteKey(name=origin, public=key.public_bytes_raw()) for key in keys.values()]
