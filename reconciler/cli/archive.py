"""Reading the evidence branch for people and for the audit; a fresh clone's remote branch will do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from reconciler.attest.memory import Memory
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.audit import Archive, HistoryCommit
from reconciler.evidence.blobs import Blobs
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.round import open_round, parse_line
from reconciler.evidence.statement import Record, parse_statement
from reconciler.model.desired import DesiredState
from reconciler.model.record import Head
from reconciler.repo.desired import load_recorded
from reconciler.repo.git import Git, check_id
from reconciler.repo.layout import ALLOWED_SIGNERS
from reconciler.repo.reader import EvidenceReader
from reconciler.repo.signing import evidence_keys
from reconciler.repo.snapshot import Snapshot, read_commit

_KEPT = 16
"""How many desired states of the past are kept: records name them one after the other."""


def evidence_tip(git: Git, branch: str) -> str | None:
    """Return the newest commit of the evidence branch: the local one, or else the one cloned from ``origin``."""
    refs = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    output = git.run("for-each-ref", "--format=%(refname) %(objectname)", *refs).decode()
    found = dict(line.split(" ", 1) for line in output.splitlines())
    return next((found[ref] for ref in refs if ref in found), None)


def read_heads(reader: EvidenceReader) -> dict[str, Head]:
    """Return the heads that the branch claims; raise TrustError for one that is none."""
    heads: dict[str, Head] = {}
    for path, content in reader.heads():
        try:
            head = Head.model_validate_json(content)
        except ValidationError:
            raise TrustError(path, "it is not a head that ringfence writes", reason="HeadMalformed") from None
        heads[head.node] = head
    return heads


def read_records(git: Git, sight: Sight) -> tuple[list[Record], Mapping[str, str]]:
    """Return every record whose signature holds, in chain order, and each node's last evidence commit."""
    tip = evidence_tip(git, sight.desired.repository.spec.evidence.branch)
    if tip is None:
        return [], {}
    records = records_on(git, EvidenceReader(git, commit=tip), desired=sight.desired)
    nodes = sorted({record.node for record in records})
    return records, {node: _last_commit(git, tip, node) for node in nodes}


def records_on(git: Git, reader: EvidenceReader, *, desired: DesiredState) -> list[Record]:
    """Return every record of ``reader`` that an evidence signer of ``desired`` signed, in chain order."""
    keys = evidence_keys(
        read_commit(git, desired.commit).files[ALLOWED_SIGNERS], principals=desired.repository.spec.evidence.signers
    )
    records: list[Record] = []
    for _, envelope in reader.statements():
        try:
            records.append(parse_statement(open_envelope(envelope, keys=keys)).predicate)
        except RingfenceError:
            continue  # The audit is for finding these; here only what holds is shown.
    for _, envelope, content in reader.rounds():
        try:
            _, lines = open_round(open_envelope(envelope, keys=keys), records=content)
            records.extend(parse_line(line) for line in lines)
        except RingfenceError:
            continue
    records.sort(key=lambda record: (record.node, record.sequence))
    return records


def _last_commit(git: Git, tip: str, node: str) -> str:
    return git.run("log", "-1", "--format=%H", tip, "--", f"nodes/{node}/head.json").decode().strip()


def open_archive(git: Git, *, blob: Blobs, trusted: str, known: DesiredState | None = None) -> Archive:
    """Return the desired states that records were made under; only ``trusted`` and its ancestors count.

    ``known`` is that of its own commit, which is not read again then. ``blob`` gives recorded bytes by bare SHA-256.
    The newest few states that were asked for are kept.
    """
    history = _trusted_history(git, trusted)
    snapshots: Memory[str, Snapshot] = Memory(_KEPT)
    states: Memory[str, DesiredState] = Memory(_KEPT)
    keys: Memory[str, Mapping[str, Ed25519PublicKey]] = Memory(_KEPT)
    if known is not None:
        states.put(known.commit, known)

    def snapshot(commit: str) -> Snapshot:
        if commit not in history:
            raise TrustError(f"commit {commit[:12]}", "it is not in the trusted history", reason="CommitStray")
        return snapshots.get(commit, lambda: read_commit(git, commit))

    def desired(commit: str) -> DesiredState:
        return states.get(commit, lambda: load_recorded(snapshot(commit)))

    def read_keys(commit: str) -> Mapping[str, Ed25519PublicKey]:
        signers = desired(commit).repository.spec.evidence.signers
        return evidence_keys(snapshot(commit).files[ALLOWED_SIGNERS], principals=signers)

    return Archive(
        desired=desired,
        keys=lambda commit: keys.get(commit, lambda: read_keys(commit)),
        blob=blob,
        commits=history.get,
    )


def _trusted_history(git: Git, trusted: str) -> dict[str, HistoryCommit]:
    """Return the commits that were in force one after the other, up to ``trusted``."""
    output = git.run("log", "--first-parent", "--reverse", "--format=%H %T %ct", check_id(trusted)).decode()
    lines = (line.split(" ") for line in output.splitlines())
    return {
        commit: HistoryCommit(tree=tree, made_at=datetime.fromtimestamp(int(made), tz=UTC), number=number)
        for number, (commit, tree, made) in enumerate(lines)
    }
