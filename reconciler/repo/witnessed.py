"""What the witnesses' branches of a clone say about its evidence branch: for an audit.

Rules: a witness's branch is looked for here, as cloned from ``origin`` and as fetched, and all that is found counts; a
note counts by the co-signature in it, whoever brought it; what stands on such a branch and is none is told as a flaw.
Branches of witnesses that the desired state does not know are not read. What the heads mean is ``evidence.cosigned``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit import Flaw
from reconciler.evidence.cosigned import Cosigned, Grown, judge_cosigned
from reconciler.evidence.merkle import roots_at
from reconciler.evidence.note import Kind, Note, NoteKey, parse_checkpoint, verify_note
from reconciler.model.kinds import WitnessesSpec
from reconciler.repo.commits import read_commits
from reconciler.repo.git import Git
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import public_keys
from reconciler.repo.witness import note_keys
from reconciler.repo.witness_branch import FETCHED, heads_folder, read_notes, witness_branch

_REFS = ("refs/heads/", "refs/remotes/origin/", FETCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An evidence branch that witnesses are asked about: its commit, its log, and who signs that.

    ``keys`` are all keys that ever were evidence keys, by key id.
    """

    origin: str
    tip: str
    leaf_hashes: Sequence[bytes]
    keys: Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """Every head that a witness stands by, smallest first, and what contradicts the branch or is missing."""

    heads: tuple[Cosigned, ...]
    flaws: tuple[Flaw, ...]


def hear_witnesses(git: Git, watched: Watched, *, spec: WitnessesSpec, signers: AllowedSigners) -> Witnessed:
    """Return what the witnesses of ``spec``, by their keys among ``signers``, say about the branch ``watched``."""
    heads: dict[tuple[str, str, int, bytes], Cosigned] = {}
    flaws: list[Flaw] = []
    for witness in spec.known:
        keys = public_keys(signers.only((witness.signer,))).values()
        known = [NoteKey(name=witness.name, public=key.public_bytes_raw(), kind=Kind.COSIGNATURE) for key in keys]
        for found in _read_branches(git, witness.name, watched=watched, known=known):
            if isinstance(found, Flaw):
                flaws.append(found)
                continue
            same = (found.witness, found.origin, found.size, found.root)
            if same not in heads or heads[same].at < found.at:
                heads[same] = found
    _, roots = roots_at(watched.leaf_hashes, {head.size for head in heads.values()})
    branch = Grown(origin=watched.origin, roots=roots, written_at=_written_at(git, watched.tip))
    flaws += judge_cosigned(heads.values(), branch=branch, required=spec.required, within=spec.within)
    ordered = sorted(heads.values(), key=lambda head: (head.size, head.witness, head.root))
    return Witnessed(heads=tuple(ordered), flaws=tuple(dict.fromkeys(flaws)))


def _read_branches(git: Git, name: str, *, watched: Watched, known: Sequence[NoteKey]) -> Iterator[Cosigned | Flaw]:
    branch, folder = witness_branch(name), heads_folder(watched.origin)
    log_keys = note_keys(watched.keys, origin=watched.origin)
    commits = dict.fromkeys(commit for ref in _REFS if (commit := git.at(f"{ref}{branch}")))
    for commit in commits:
        notes, strange = read_notes(git, commit, origin=watched.origin)
        for path in strange:
            yield _strange(f"{branch}:{path}", name, "it is no signed tree head")
        for size, note in notes.items():
            path = f"{branch}:{folder}/{size}"
            try:
                yield _cosigned(note, name=name, path=path, known=known, log_keys=log_keys)
            except TrustError as error:
                yield _strange(path, name, error.message)


def _cosigned(note: Note, *, name: str, path: str, known: Iterable[NoteKey], log_keys: Iterable[NoteKey]) -> Cosigned:
    at = max(signed.at for signed in verify_note(note, known) if signed.at is not None)
    head = parse_checkpoint(note.body)
    if path.rpartition("/")[2] != str(head.size):
        raise TrustError(path, "it is a tree head of another size", reason="WitnessMalformed")
    return Cosigned(
        witness=name,
        origin=head.origin,
        size=head.size,
        root=head.root,
        at=at,
        path=path,
        has_log_signature=_has_log_signature(note, log_keys),
    )


def _has_log_signature(note: Note, keys: Iterable[NoteKey]) -> bool:
    try:
        verify_note(note, keys)
    except TrustError:
        return False
    return True


def _strange(path: str, name: str, message: str) -> Flaw:
    return Flaw(path=path, code="WitnessMalformed", message=f"witness {name} never signed what stands here: {message}")


def _written_at(git: Git, tip: str) -> datetime:
    commit = read_commits(git, [tip])[tip]
    if commit.problem:
        raise TrustError(f"evidence commit {tip[:12]}", commit.problem, reason="EvidenceBroken")
    return datetime.fromtimestamp(commit.made, tz=UTC)
