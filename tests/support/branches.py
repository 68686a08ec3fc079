"""Evidence branches in memory: the files that a writer with the evidence key would leave, and an audit of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit import Archive, Findings, HistoryCommit, audit
from reconciler.evidence.canonical import canonical, canonical_value
from reconciler.model.desired import DesiredState
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.places import blob_path, head_path
from reconciler.repo.transparency import Log, extend
from tests.support.runner import EVIDENCE_KEY

ORIGIN = "ringfence/evidence"
MADE_AT = datetime(2026, 3, 1, tzinfo=UTC)


class SigningKey:
    """A private key as the log's writer uses one."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Sign with ``key``."""
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.sign = key.sign


@dataclass(kw_only=True)
class MemoryBranch:
    """The files of a branch (``evidence.audit.Branch``); those of another mode are in ``modes``."""

    contents: dict[str, bytes]
    modes: Mapping[str, str] = field(default_factory=dict)

    def files(self) -> Iterable[tuple[str, str]]:
        """Return path and mode of every file."""
        return [(path, self.modes.get(path, "100644")) for path in sorted(self.contents)]

    def read(self, path: str) -> bytes | None:
        """Return the content of the file at ``path``."""
        return self.contents.get(path)


def logged(statements: Iterable[tuple[str, bytes]], *, key: Ed25519PrivateKey = EVIDENCE_KEY) -> dict[str, bytes]:
    """Return the log of ``statements`` (path, envelope) in their order, with its signed heads."""
    pairs = list(statements)
    if not pairs:
        return {}
    _, files = extend(Log(), pairs, origin=ORIGIN, key=SigningKey(key), today=date(2026, 3, 3))  # type: ignore[arg-type]
    return dict(files)


def written(
    statements: Mapping[str, bytes],
    *,
    blobs: Mapping[str, bytes],
    heads: Mapping[str, Head],
    attached: Mapping[str, bytes],
    trusted: str | None = None,
) -> MemoryBranch:
    """Return the branch on which ``statements`` stand, in the order of the log; ``attached`` by its own path."""
    contents = {**statements, **attached, **logged(statements.items())}
    contents |= {blob_path(digest): data for digest, data in blobs.items()}
    contents |= {head_path(node): canonical_value(head) for node, head in heads.items()}
    if trusted is not None:
        contents["trusted.json"] = canonical({"commit": trusted})
    return MemoryBranch(contents=contents)


def branch_with(entries: Iterable[Entry], *, trusted: str | None = None) -> MemoryBranch:
    """Return the branch that ``entries`` make, in their order."""
    listed = list(entries)
    return written(
        {entry.path: entry.envelope for entry in listed},
        blobs={name: data for entry in listed for name, data in entry.blobs.items()},
        heads={head.node: head for entry in listed for head in entry.heads},
        attached={path: data for entry in listed for path, data in entry.attached.items()},
        trusted=trusted,
    )


def archive_of(
    trusted: Mapping[str, DesiredState],
    branch: MemoryBranch,
    *,
    keys: Mapping[str, Ed25519PublicKey] | None = None,
    made_at: datetime = MADE_AT,
) -> Archive:
    """Return the archive in which ``trusted``, oldest first, are the trusted history."""
    known = {"evidence": EVIDENCE_KEY.public_key()} if keys is None else keys
    commits = {
        commit: HistoryCommit(tree=state.tree, made_at=made_at, number=number)
        for number, (commit, state) in enumerate(trusted.items())
    }

    def desired(commit: str) -> DesiredState:
        if commit not in trusted:
            raise TrustError(f"commit {commit[:12]}", "is not of the trusted history", reason="CommitStray")
        return trusted[commit]

    def keys_at(commit: str) -> Mapping[str, Ed25519PublicKey]:
        desired(commit)
        return known

    return Archive(
        desired=desired,
        keys=keys_at,
        blob=lambda digest: branch.read(blob_path(digest)),
        commits=commits.get,
    )


def audited(branch: MemoryBranch, trusted: Mapping[str, DesiredState]) -> Findings:
    """Return what an audit of ``branch`` finds; the last of ``trusted`` is in force."""
    return audit(branch, archive=archive_of(trusted, branch), trusted=next(reversed(trusted), ""))
