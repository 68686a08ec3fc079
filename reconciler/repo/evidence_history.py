"""How the evidence branch came to be: commit by commit, newest first, so that memory does not grow with it.

1. Each commit has one parent at most, and is signed by a key that was an evidence signer's at some commit of the
   trusted history that records name, or is today's. The newest one's signature covers all before it; those before it
   are asked all the same, since a stranger among them wrote what the writer then went on from.
2. The newest one is signed by one of today's, as git itself says. ``EvidenceForeign``, ``EvidenceMerged``
3. Files are only added, as plain ones; only sums are written anew. ``EvidenceRewritten``

Who signed which commits is told where signers changed. A commit that ``is_rotation`` begins a year anew: what it takes
off the tree is not asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import TrustError
from reconciler.repo.git import Git, check_id
from reconciler.repo.places import is_rewritten
from reconciler.repo.signers import AllowedSigners

_AT_ONCE = 512
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_KEY_TYPE = b"ssh-ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Commits next to each other, ``first`` the oldest, that one key signed; None if nobody known did."""

    first: str
    last: str
    commits: int
    key_id: str | None


@dataclass(slots=True, kw_only=True)
class BranchHistory:
    """What was found of a branch's history: ``ranges`` are oldest first."""

    commits: int = 0
    ranges: list[Range] = field(default_factory=list)
    flaws: list[TrustError] = field(default_factory=list)


def walk_history(
    git: Git,
    commit: str,
    *,
    signers: AllowedSigners,
    keys: Mapping[str, Ed25519PublicKey],
    is_rotation: Callable[[str], bool] = lambda _commit: False,
) -> BranchHistory:
    """Return what is wrong with the way to ``commit``; ``signers`` are today's, ``keys`` all that ever counted."""
    found = BranchHistory()
    if git.verify_commit(commit, allowed=signers) is None:
        found.flaws.append(_flaw(commit, "is not signed by an evidence signer", reason="EvidenceForeign"))
    newest = True
    for pairs in _pieces(git, commit):
        found.commits += len(pairs)
        contents = git.objects(own for own, _ in pairs)
        for own, parents in pairs:
            if len(parents) > 1:
                found.flaws.append(_flaw(own, "is a merge", reason="EvidenceMerged"))
            key_id = signer_of(contents.get(own, b""), keys=keys)
            if key_id is None and not newest:
                found.flaws.append(_flaw(own, "is not signed by an evidence signer", reason="EvidenceForeign"))
            newest = False
            _extend(found.ranges, own, key_id)
        asked = [(own, parents) for own, parents in pairs if not is_rotation(own)]
        found.flaws += _rewritten(git, asked)
    found.ranges.reverse()
    return found


def _pieces(git: Git, commit: str) -> Iterator[list[tuple[str, tuple[str, ...]]]]:
    """Yield the first-parent ancestors of ``commit``, itself first, with their parents, some at a time."""
    at: str | None = check_id(commit)
    while at is not None:
        output = git.run("rev-list", "--first-parent", "--parents", f"--max-count={_AT_ONCE}", at).decode()
        piece = [(ids[0], tuple(ids[1:])) for ids in (line.split(" ") for line in output.splitlines())]
        yield piece
        at = next(iter(piece[-1][1]), None)


def _extend(ranges: list[Range], commit: str, key_id: str | None) -> None:
    """Add an older commit to the ranges, which are newest first."""
    if ranges and ranges[-1].key_id == key_id:
        newer = ranges.pop()
        ranges.append(Range(first=commit, last=newer.last, commits=newer.commits + 1, key_id=key_id))
    else:
        ranges.append(Range(first=commit, last=commit, commits=1, key_id=key_id))


def _rewritten(git: Git, pairs: list[tuple[str, tuple[str, ...]]]) -> Iterator[TrustError]:
    for change in git.changed_paths((own, next(iter(parents), None)) for own, parents in pairs):
        path = change.path.decode("utf-8", "backslashreplace")
        if change.status == "A" and change.mode == "100644":
            continue
        if change.status == "M" and change.mode == "100644" and is_rewritten(path):
            continue
        word = {"A": "adds as no plain file", "D": "deletes", "M": "changes"}.get(
            change.status, "turns into something else"
        )
        yield _flaw(change.commit, f"{word} {path}", reason="EvidenceRewritten")


def signer_of(commit: bytes, *, keys: Mapping[str, Ed25519PublicKey]) -> str | None:
    """Return which of ``keys`` (by key id) signed the commit object, by SSHSIG; None if none of them did."""
    headers, _, message = commit.partition(b"\n\n")
    before, mark, signed = headers.partition(b"\ngpgsig ")
    armour, _, after = signed.partition(_END)
    if not mark or after.startswith(b"\n ") or not armour.startswith(_BEGIN):
        return None
    try:
        blob = base64.b64decode(armour.removeprefix(_BEGIN).replace(b"\n ", b""), validate=True)
        public, signature = _parse_sshsig(blob)
    except (ValueError, binascii.Error):
        return None
    key_id = f"SHA256:{base64.b64encode(hashlib.sha256(public).digest()).decode('ascii').rstrip('=')}"
    key = keys.get(key_id)
    if key is None:
        return None
    unsigned = before + after + b"\n\n" + message
    fields = _string(b"git") + _string(b"") + _string(b"sha512")
    try:
        key.verify(signature, b"SSHSIG" + fields + _string(hashlib.sha512(unsigned).digest()))
    except InvalidSignature:
        return None
    return key_id


def _parse_sshsig(blob: bytes) -> tuple[bytes, bytes]:
    """Return public key blob and raw Ed25519 signature of an SSHSIG for git; ValueError if it is none."""
    public, *fields, sealed = _strings(blob, at=10, count=5)
    kind, signature = _strings(sealed, at=0, count=2)
    if not blob.startswith(b"SSHSIG\0\0\0\1") or fields != [b"git", b"", b"sha512"] or kind != _KEY_TYPE:
        raise ValueError("no SSHSIG of an Ed25519 key for git")
    return public, signature


def _strings(data: bytes, *, at: int, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4])
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(data):
        raise ValueError("it has another length than its parts")
    return found


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _flaw(commit: str, message: str, *, reason: str) -> TrustError:
    hint = "compare with another clone; evidence is only ever added"
    return TrustError(f"evidence commit {commit[:12]}", message, reason=reason, hint=hint)
