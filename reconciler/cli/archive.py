"""Reading the evidence branch for people and for the audit; a fresh clone's remote branch will do."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.audit import Archive
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.statement import Record, parse_statement
from reconciler.model.desired import DesiredState
from reconciler.model.record import Head
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.layout import ALLOWED_SIGNERS
from reconciler.repo.ledger import blob_path
from reconciler.repo.signing import evidence_keys
from reconciler.repo.snapshot import Snapshot, read_commit


def evidence_tip(git: Git, branch: str) -> str | None:
    """Return the newest commit of the evidence branch: the local one, or else the one cloned from ``origin``."""
    refs = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    output = git.run("for-each-ref", "--format=%(refname) %(objectname)", *refs).decode()
    found = dict(line.split(" ", 1) for line in output.splitlines())
    return next((found[ref] for ref in refs if ref in found), None)


def read_statements(git: Git, tip: str) -> list[tuple[str, bytes]]:
    """Return every statement's path and envelope at ``tip``, sorted by path."""
    entries = sorted(
        (e.path.decode("utf-8", "backslashreplace"), e.object_id) for e in git.files(tip, under="statements")
    )
    contents = git.objects([object_id for _, object_id in entries])
    return [(path, contents[object_id]) for path, object_id in entries]


def read_heads(git: Git, tip: str) -> dict[str, Head]:
    """Return the heads that the branch claims; raise TrustError for one that is none."""
    entries = [(e.path.decode("utf-8", "backslashreplace"), e.object_id) for e in git.files(tip, under="nodes")]
    contents = git.objects([object_id for _, object_id in entries])
    heads: dict[str, Head] = {}
    for path, object_id in entries:
        try:
            head = Head.model_validate_json(contents[object_id])
        except ValidationError:
            raise TrustError(path, "it is not a head that ringfence writes", reason="HeadMalformed") from None
        heads[head.node] = head
    return heads


def read_records(git: Git, sight: Sight) -> tuple[list[Record], Mapping[str, str]]:
    """Return every record whose signature holds, in chain order, and each node's last evidence commit."""
    tip = evidence_tip(git, sight.desired.repository.spec.evidence.branch)
    if tip is None:
        return [], {}
    keys = evidence_keys(
        read_commit(git, sight.desired.commit).files[ALLOWED_SIGNERS],
        principals=sight.desired.repository.spec.evidence.signers,
    )
    records: list[Record] = []
    for _, envelope in read_statements(git, tip):
        try:
            records.append(parse_statement(open_envelope(envelope, keys=keys)).predicate)
        except RingfenceError:
            continue  # The audit is for finding these; here only what holds is shown.
    records.sort(key=lambda record: (record.node, record.sequence))
    nodes = sorted({record.node for record in records})
    commits = {
        n: git.run("log", "-1", "--format=%H", tip, "--", f"nodes/{n}/head.json").decode().strip() for n in nodes
    }
    return records, commits


def open_archive(git: Git, *, tip: str, trusted: str) -> Archive:
    """Return what an audit of the branch at ``tip`` reads; only ancestors of ``trusted`` count as desired states."""
    snapshots: dict[str, Snapshot] = {}
    states: dict[str, DesiredState] = {}

    def snapshot(commit: str) -> Snapshot:
        if commit not in snapshots:
            if commit != trusted and not git.is_ancestor(commit, of=trusted):
                raise TrustError(f"commit {commit[:12]}", "it is not in the trusted history", reason="CommitStray")
            snapshots[commit] = read_commit(git, commit)
        return snapshots[commit]

    def desired(commit: str) -> DesiredState:
        if commit not in states:
            states[commit] = load_desired(snapshot(commit))
        return states[commit]

    def blob(name: str) -> bytes | None:
        key = f"{tip}:{blob_path(name)}"
        return git.objects([key]).get(key)

    return Archive(
        desired=desired,
        keys=lambda commit: evidence_keys(
            snapshot(commit).files[ALLOWED_SIGNERS], principals=desired(commit).repository.spec.evidence.signers
        ),
        blob=blob,
    )
