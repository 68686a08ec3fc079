"""The files of a state repository, from a commit or from a working folder.

Rules: only files that mean something are read (``repo.layout``), each once, none above the size limit and no symbolic
link; whatever cannot be read is a finding. Whether a commit is trusted is not checked here (``repo.trust``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.attest.endorsement.crl import MAX_LIST
from reconciler.errors.taxonomy import Finding, InputError
from reconciler.repo import layout
from reconciler.repo.documents import MAX_FILE_BYTES, too_large
from reconciler.repo.git import NO_COMMIT, Git

PLAIN_MODES = frozenset({b"100644", b"100755"})
"""As git writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Files by path, at ``commit`` with root ``tree``; both are all zeros for a working folder."""

    commit: str
    tree: str
    files: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def read_commit(git: Git, commit: str) -> Snapshot:
    """Return the state repository as it is at ``commit``, in two calls of git."""
    findings: list[Finding] = []
    wanted: dict[str, str] = {}
    for entry in git.files(commit):
        path = entry.path.decode("utf-8", "backslashreplace")
        if not may_read(path, is_plain=entry.mode.encode() in PLAIN_MODES, findings=findings):
            continue
        if entry.size > limit_of(path):
            findings.append(too_large(path, size=entry.size, limit=limit_of(path)))
        else:
            wanted[path] = entry.object_id
    contents = git.objects([commit, *wanted.values()])
    tree = contents[commit].split(b"\n", 1)[0].removeprefix(b"tree ").decode()
    files = {path: contents[object_id] for path, object_id in sorted(wanted.items())}
    return Snapshot(commit=commit, tree=tree, files=files, findings=tuple(findings))


def read_directory(path: Path) -> Snapshot:
    """Return the state repository as it lies in the folder ``path``, committed or not."""
    if not path.is_dir():
        hint = "give the top folder of a state repository"
        raise InputError(f"folder {path}", "does not exist", reason="NoFolder", hint=hint)
    findings: list[Finding] = []
    files: dict[str, bytes] = {}
    for name in sorted(_walk(path)):
        file = path / name
        if not may_read(name, is_plain=file.is_file() and not file.is_symlink(), findings=findings):
            continue
        if file.stat().st_size > limit_of(name):
            findings.append(too_large(name, size=file.stat().st_size, limit=limit_of(name)))
        else:
            files[name] = file.read_bytes()
    return Snapshot(commit=NO_COMMIT, tree=NO_COMMIT, files=files, findings=tuple(findings))


def limit_of(path: str) -> int:
    """Return how many bytes the file at ``path`` may have."""
    return MAX_LIST if layout.is_ek_crl(path) else MAX_FILE_BYTES


def _walk(top: Path) -> list[str]:
    names = []
    for folder, folders, files in os.walk(top):
        where = Path(folder).relative_to(top)
        if where == Path():
            folders[:] = [name for name in folders if layout.may_mean(name)]
        names += [(where / name).as_posix() for name in files]
        names += [(where / name).as_posix() for name in folders if (Path(folder) / name).is_symlink()]
    return names


def may_read(path: str, *, is_plain: bool, findings: list[Finding]) -> bool:
    """Return whether the file at ``path`` is to be read; add to ``findings`` what is wrong with its place."""
    if path.split("/", 1)[0] in layout.TOP_LEVEL and not is_plain:
        hint = "replace the link by what it leads to"
        findings.append(Finding(path=path, code="NotAPlainFile", message="is not a plain file", hint=hint))
        return False
    if layout.is_stray(path):
        meant = layout.right_place(path)
        hint = f"move it to {meant}" if meant else f"documents stand in {layout.places_near(path)}"
        findings.append(Finding(path=path, code="StrayFile", message="is read by nothing", hint=hint))
    return layout.is_read(path)
