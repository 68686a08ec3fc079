"""A signed commit on a branch that is not checked out: with git's plumbing, past working tree and index.

Rules: the new branch begins at the given commit and has one more; a branch that is there already is never moved. The
signature is git's own. Whether the signer may change these paths is not asked here (``repo.trust``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.repo.git import Git
from reconciler.repo.objects import NewObjects, folders_of, parse_tree, write_tree
from reconciler.repo.worktree import DEFAULT_AUTHOR, check_author


def commit_on_branch(  # noqa: PLR0913  # what a commit is made of
    git: Git,
    *,
    base: str,
    branch: str,
    files: Mapping[str, bytes],
    message: str,
    signing_key: Path,
    author: str = DEFAULT_AUTHOR,
) -> str:
    """Make ``branch`` at ``base`` with one signed commit that puts ``files`` there, and return that commit."""
    if not signing_key.is_file():
        hint = "make one with: ssh-keygen -t ed25519"
        raise InputError(f"signing key {signing_key.name}", "does not exist", reason="NoSigningKey", hint=hint)
    if git.head(branch) is not None:
        raise _exists(branch)
    who = check_author(author)
    names = {f"{base}:{folder}" if folder else f"{base}^{{tree}}": folder for folder in folders_of(files)}
    trees = {names[name]: parse_tree(content) for name, content in git.objects(names).items()}
    new = NewObjects()
    tree, _ = write_tree(new, trees=trees, files=files)
    git.run("unpack-objects", "-q", "--strict", stdin=new.to_pack())
    settings = {"gpg.format": "ssh", "user.signingKey": str(signing_key.absolute())}
    arguments = ("commit-tree", "-S", "-p", base, tree)
    commit = git.run(*arguments, stdin=message.encode(), settings=settings, environment=who).decode().strip()
    if not git.move_branch(branch, old=None, new=commit, note="ringfence: branch"):
        raise _exists(branch)
    return commit


def _exists(branch: str) -> InputError:
    hint = f"choose another name with --branch, or delete it: git branch -D {branch}"
    return InputError(f"branch {branch}", "exists already", reason="BranchExists", hint=hint)
