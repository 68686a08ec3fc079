"""What a commit holds, by path and blob, without any content: read whole once, and then by difference.

Rules: only files that mean something are listed (``repo.layout``), none above the size limit and no symbolic link;
whatever cannot be listed is a finding. Two listings of the same tree are equal, however they were come by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors.taxonomy import Finding, TransientError
from reconciler.repo import layout
from reconciler.repo.documents import too_large
from reconciler.repo.git import Git, check_id
from reconciler.repo.layout import Spot
from reconciler.repo.snapshot import PLAIN_MODES, limit_of, may_read

_DELETED = b"000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files that are read, by path: blob ids of ``documents`` with their spots, and of ``others`` (trust)."""

    commit: str
    tree: str
    documents: Mapping[str, tuple[str, Spot]]
    others: Mapping[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one commit changes against another: new blobs by path, None where a file is gone."""

    tree: str
    documents: Mapping[str, tuple[str, Spot] | None]
    others: Mapping[str, str | None]
    findings: tuple[Finding, ...]


def read_listing(git: Git, commit: str, *, known_small: Mapping[str, object] | None = None) -> Listing:
    """Return what ``commit`` holds; the sizes of blobs in ``known_small`` are not asked for."""
    output = git.run("ls-tree", "-r", "-z", "--full-tree", check_id(commit))
    entries = []
    for record in output.split(b"\0")[:-1]:
        meta, _, path = record.partition(b"\t")
        entries.append((path, meta[:6], meta[-40:].decode()))
    listed = _sort_out(git, entries, known_small=known_small or {})
    return Listing(
        commit=commit,
        tree=git.tree_of(commit),
        documents={path: kept for path, kept in sorted(listed.documents.items()) if kept},
        others={path: blob for path, blob in sorted(listed.others.items()) if blob},
        findings=listed.findings,
    )


def difference(git: Git, old: str, new: str) -> Difference:
    """Return what the files of ``new`` are where they differ from those of ``old``."""
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
    fields = git.run("diff-tree", *options, check_id(old), check_id(new)).split(b"\0")
    entries = []
    for meta, path in zip(fields[0::2], fields[1::2], strict=False):
        _, mode, _, blob, _ = meta.split(b" ")
        entries.append((path, mode, blob.decode()))
    listed = _sort_out(git, entries, known_small={})
    return Difference(tree=git.tree_of(new), documents=listed.documents, others=listed.others, findings=listed.findings)


def _sort_out(git: Git, entries: list[tuple[bytes, bytes, str]], *, known_small: Mapping[str, object]) -> Difference:
    findings: list[Finding] = []
    documents: dict[str, tuple[str, Spot] | None] = {}
    others: dict[str, str | None] = {}
    for raw, mode, blob in entries:
        path = raw.decode("utf-8", "backslashreplace")
        spot = layout.locate(path)
        if mode == _DELETED:
            if spot:
                documents[path] = None
            elif layout.is_read(path):
                others[path] = None
        elif spot and mode in PLAIN_MODES:
            documents[path] = (blob, spot)
        elif may_read(path, is_plain=mode in PLAIN_MODES, findings=findings):
            others[path] = blob
    blobs = {path: kept[0] for path, kept in documents.items() if kept} | {
        p: blob for p, blob in others.items() if blob
    }
    sizes = _sizes(git, {blob for blob in blobs.values() if blob not in known_small})
    for path, blob in blobs.items():
        if sizes.get(blob, 0) > limit_of(path):
            findings.append(too_large(path, size=sizes[blob], limit=limit_of(path)))
            documents.pop(path, None)
            others.pop(path, None)
    return Difference(tree="", documents=documents, others=others, findings=tuple(findings))


def _sizes(git: Git, blobs: set[str]) -> dict[str, int]:
    """Return the size of each of ``blobs``, by one call of git."""
    if not blobs:
        return {}
    names = sorted(blobs)
    asked = "".join(f"{check_id(name)}\n" for name in names).encode()
    answers = git.run("cat-file", "--batch-check=%(objectsize)", "--buffer", stdin=asked).split()
    if len(answers) != len(names):
        raise TransientError(f"repository {git.path.name}", "lacks objects of the commit", reason="GitFailed")
    return dict(zip(names, map(int, answers), strict=True))
