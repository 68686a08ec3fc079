"""The branch of one witness, ``witness/<name>``: the tree heads that it co-signed, by evidence branch and size.

``checkpoints/<evidence branch>/<size>`` each: a repository that begins a new evidence branch goes on with its witness.

Rules: heads are only added, in commits that the witness signs; the branch moves by compare-and-swap. What stands on
such a branch counts by the co-signatures in it, whoever pushed it.
"""

from __future__ import annotations

import re
from datetime import datetime

from reconciler.errors.taxonomy import InputError, TransientError, TrustError, cut
from reconciler.evidence.note import Note, note_bytes, parse_checkpoint, parse_note
from reconciler.repo.git import Git
from reconciler.repo.objects import NewObjects, folders_of, parse_tree, write_tree
from reconciler.repo.signing import EvidenceKey

FETCHED = "refs/ringfence/fetched/"
"""Where a branch of a witness is fetched to: apart from what is followed."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_MAX_HEADS_BYTES = 64 << 20


def witness_branch(name: str) -> str:
    """Return the branch of the witness ``name``; InputError if nobody can be called that."""
    if not _NAME.fullmatch(name):
        hint = "use lower-case letters, digits and dashes, as in spec.evidence.witnesses"
        raise InputError(f"witness {cut(name)}", "is no name", reason="WitnessName", hint=hint)
    return f"witness/{name}"


def heads_folder(origin: str) -> str:
    """Return where the heads of the log ``origin`` stand on a witness's branch."""
    return f"checkpoints/{origin.rpartition('/')[2]}"


def read_notes(git: Git, commit: str, *, origin: str) -> tuple[dict[int, Note], list[str]]:
    """Return the notes for ``origin`` on a witness's branch at ``commit`` by size, and the paths that hold none."""
    folder = heads_folder(origin)
    entries = git.files(commit, under=f"{folder}/")
    if sum(entry.size for entry in entries) > _MAX_HEADS_BYTES:
        return {}, [folder]
    contents = git.objects(entry.object_id for entry in entries)
    notes: dict[int, Note] = {}
    strange: list[str] = []
    for entry in entries:
        path = entry.path.decode("utf-8", "backslashreplace")
        found = _SIZE.fullmatch(path.removeprefix(f"{folder}/"))
        try:
            note = parse_note(contents.get(entry.object_id, b"")) if found else None
        except TrustError:
            note = None
        if found and note:
            notes[int(found[0])] = note
        else:
            strange.append(path)
    return notes, strange


def write_note(  # noqa: PLR0913  # what a commit is made of
    git: Git, *, name: str, note: Note, key: EvidenceKey, at: datetime, base: str | None
) -> str:
    """Add the co-signed ``note`` to the witness's branch after ``base``, and return the new commit."""
    head, branch = parse_checkpoint(note.body), witness_branch(name)
    path = f"{heads_folder(head.origin)}/{head.size}"
    names = {f"{base}:{folder}" if folder else f"{base}^{{tree}}": folder for folder in folders_of([path])}
    trees = {names[each]: parse_tree(content) for each, content in git.objects(names).items()} if base else {}
    new = NewObjects()
    tree, _ = write_tree(new, trees=trees, files={path: note_bytes(note)})
    who = f"witness {name} <{name}@localhost> {int(at.timestamp())} +0000"
    headers = [f"tree {tree}", *([f"parent {base}"] if base else []), f"author {who}", f"committer {who}"]
    text = "\n".join([*headers, "", f"witness: {head.origin} at {head.size}", ""]).encode()
    commit = new.add("commit", key.sign_commit(text))
    git.run("unpack-objects", "-q", "--strict", stdin=new.to_pack())
    if not git.move_branch(branch, old=git.head(branch), new=commit, note="ringfence: witness"):
        hint = "does a second witness of this name run here?"
        raise TransientError(f"branch {branch}", "was moved by somebody else", reason="WitnessMoved", hint=hint)
    return commit
