"""Signed commits on the branch that is checked out: what ``ringfence init``, the lab and people's tools write.

Rules: only the given files change, in the working tree and in the index alike; anything that was staged or edited
before is refused, not swept along; the signature is git's own, so that every kind of key and agent works. Whether
the signer may change these paths is not asked here: the next reader judges that (``repo.trust``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from reconciler.errors.taxonomy import InputError, TransientError, cut
from reconciler.repo.git import Git

_AUTHOR = re.compile(r"(?P<name>[^<>\n\0]{1,100}) <(?P<email>[^<>\n\0 ]{1,100})>")
DEFAULT_AUTHOR = "ringfence <ringfence@localhost>"


def commit_files(
    path: Path,
    *,
    files: Mapping[str, bytes | None],
    message: str,
    signing_key: Path,
    author: str = DEFAULT_AUTHOR,
) -> str:
    """Write ``files`` (None deletes one) in the repository at ``path``, commit them signed, and return the commit.

    With nothing to change no commit is made and the present one is returned.
    """
    path = path.absolute()
    git = Git(path)
    branch = git.current_branch()
    if branch is None:
        hint = "check a branch out first: git switch main"
        raise InputError(f"repository {path.name}", "has no branch checked out", reason="DetachedHead", hint=hint)
    parent = git.head(branch)
    who = check_author(author)
    for name in files:
        _check_name(path, name)
    if not signing_key.is_file():
        hint = "make one with: ssh-keygen -t ed25519"
        raise InputError(f"signing key {signing_key.name}", "does not exist", reason="NoSigningKey", hint=hint)
    tree = _write(path, files=files, has_parent=parent is not None)
    if parent and git.tree_of(parent) == tree:
        return parent
    settings = {"gpg.format": "ssh", "user.signingKey": str(signing_key.absolute())}
    arguments = ("commit-tree", "-S", *(("-p", parent) if parent else ()), tree)
    commit = git.run(*arguments, stdin=message.encode(), settings=settings, environment=who).decode().strip()
    if not git.move_branch(branch, old=parent, new=commit, note="ringfence: commit"):
        hint = "try again"
        raise TransientError(f"branch {branch}", "was moved by somebody else", reason="BranchMoved", hint=hint)
    return commit


def write_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` into the working tree at ``path``; nothing is staged or committed."""
    for name in files:
        _check_name(path, name)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def _write(path: Path, *, files: Mapping[str, bytes | None], has_parent: bool) -> str:
    """Change working tree and index, and return the tree that they make."""
    # GitPython takes a tenth of a second to import, which a pass that finds nothing to do should not pay.
    from git import Repo

    with Repo(path) as repo:
        if has_parent and repo.index.diff("HEAD"):
            hint = "commit or reset it first: git status"
            raise InputError(f"repository {path.name}", "has staged changes", reason="StagedChanges", hint=hint)
        for name, content in files.items():
            if content is None:
                (path / name).unlink(missing_ok=True)
            else:
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(content)
        gone = [name for name, content in files.items() if content is None and (name, 0) in repo.index.entries]
        if gone:
            repo.index.remove(gone)
        repo.index.add([name for name, content in files.items() if content is not None])
        return str(repo.index.write_tree().hexsha)


def check_author(author: str) -> dict[str, str]:
    """Return ``Name <address>`` as git takes it."""
    found = _AUTHOR.fullmatch(author)
    if not found:
        hint = "write: Name <address>"
        raise InputError("author", f"{cut(author)} is no name and address", reason="BadAuthor", hint=hint)
    return {f"GIT_{role}_{part.upper()}": found[part] for role in ("AUTHOR", "COMMITTER") for part in ("name", "email")}


def _check_name(path: Path, name: str) -> None:
    pure = PurePosixPath(name)
    outside = pure.is_absolute() or ".." in pure.parts or ".git" in pure.parts or str(pure) != name
    parents = [path / parent for parent in pure.parents if parent != PurePosixPath()]
    if outside or any(parent.is_symlink() for parent in parents) or (path / name).is_symlink():
        hint = "give a plain path inside the repository"
        raise InputError(cut(name), "leads out of the repository", reason="BadPath", hint=hint)
