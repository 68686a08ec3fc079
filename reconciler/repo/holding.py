"""Suspending an enclave and freezing the repository: one field of one document, as a signed commit.

Rules: what is edited is the document as it is committed; a file with uncommitted changes is refused, not swept along.
With nothing to change no commit is made. What the field does is not decided here (``plan.guards``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.model.kinds import Enclave
from reconciler.repo import layout
from reconciler.repo.documents import Plain, parse_documents
from reconciler.repo.edit import delete_field, set_field
from reconciler.repo.git import Git
from reconciler.repo.worktree import commit_files


def suspend_enclave(path: Path, *, name: str, signing_key: Path) -> str | None:
    """Suspend the enclave ``name`` of the repository at ``path``; return the commit, None if it is already."""

    def edit(content: bytes, document: int) -> bytes:
        return set_field(content, path=("spec", "suspend"), value=True, document=document)

    return _change_enclave(path, name=name, edit=edit, message=f"{name}: suspend\n", signing_key=signing_key)


def resume_enclave(path: Path, *, name: str, signing_key: Path) -> str | None:
    """Resume the enclave ``name``; return the commit, None if it is not suspended."""

    def edit(content: bytes, document: int) -> bytes:
        return delete_field(content, path=("spec", "suspend"), document=document)

    return _change_enclave(path, name=name, edit=edit, message=f"{name}: resume\n", signing_key=signing_key)


def freeze_repository(path: Path, *, reason: str, signing_key: Path) -> str | None:
    """Freeze the repository at ``path``; return the commit, None if it is frozen for that reason already."""
    freeze: Plain = {"reason": reason}
    content = _committed(path, layout.REPOSITORY)
    edited = set_field(content, path=("spec", "freeze"), value=freeze)
    message = f"freeze: {' '.join(reason.split())}\n"
    return _commit(path, {layout.REPOSITORY: (content, edited)}, message=message, signing_key=signing_key)


def unfreeze_repository(path: Path, *, signing_key: Path) -> str | None:
    """Take the freeze away; return the commit, None if there is none."""
    content = _committed(path, layout.REPOSITORY)
    edited = delete_field(content, path=("spec", "freeze"))
    return _commit(path, {layout.REPOSITORY: (content, edited)}, message="unfreeze\n", signing_key=signing_key)


def _change_enclave(
    path: Path, *, name: str, edit: Callable[[bytes, int], bytes], message: str, signing_key: Path
) -> str | None:
    git = Git(path)
    files = [entry.path.decode("utf-8", "replace") for entry in git.files(_head(git), under="tenants/")]
    places = [file for file in files if (spot := layout.locate(file)) and spot.place.kind is Enclave]
    for file in sorted(places, key=lambda place: (Path(place).stem != name, place)):
        content = _committed(path, file)
        for number, raw in enumerate(parse_documents(content, path=file)[0]):
            match raw.value:
                case {"kind": "Enclave", "metadata": {"name": found}} if found == name:
                    return _commit(
                        path, {file: (content, edit(content, number))}, message=message, signing_key=signing_key
                    )
                case _:
                    pass
    known = ", ".join(f"enclave/{Path(place).stem}" for place in sorted(places)[:5]) or "none"
    raise InputError(f"enclave {name}", "is not in the repository", reason="EnclaveUnknown", hint=f"there are: {known}")


def _head(git: Git) -> str:
    branch = git.current_branch()
    head = git.head(branch) if branch else None
    if head is None:
        hint = "check a branch out first: git switch main"
        raise InputError(f"repository {git.path.name}", "has no commit to build on", reason="NoCommit", hint=hint)
    return head


def _committed(path: Path, file: str) -> bytes:
    git = Git(path)
    name = f"{_head(git)}:{file}"
    content = git.objects([name]).get(name)
    if content is None:
        raise InputError(file, "is not in the repository", reason="NoRepository", hint="make one with: ringfence init")
    return content


def _commit(path: Path, files: dict[str, tuple[bytes, bytes]], *, message: str, signing_key: Path) -> str | None:
    for file, (before, after) in files.items():
        if before == after:
            return None
        lying = path / file
        if not lying.is_file() or lying.read_bytes() != before:
            hint = "commit it or put it back first: git status"
            raise InputError(file, "has changes that are not committed", reason="UncommittedChanges", hint=hint)
    edited: dict[str, bytes | None] = {file: after for file, (_, after) in files.items()}
    return commit_files(path, files=edited, message=message, signing_key=signing_key)
