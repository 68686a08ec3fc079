"""Commits of the desired state as objects in a bundle, made without git: their files, and an SSH signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.repo.objects import NewObjects, write_tree
from reconciler.repo.signing import EvidenceKey

_FOLDERS = {"commit": "commits", "tree": "trees", "blob": "files"}
WHO = "Alice <alice@example.org> 1772539200 +0000"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A commit and its tree, and all of its objects as parts of a bundle by name."""

    commit: str
    tree: str
    parts: Mapping[str, bytes]


def operator(folder: Path, *, seed: int = 7) -> EvidenceKey:
    """Return a key that signs commits."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    path = folder / f"INSECURE-test-operator-{seed}"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return EvidenceKey(path)


def make_commit(
    files: Mapping[str, bytes], *, key: EvidenceKey | None, message: str = "test\n", extra: str = "", who: str = WHO
) -> Made:
    """Return the commit with ``files``, signed by ``key``; ``extra`` are further headers."""
    new = NewObjects()
    tree, _ = write_tree(new, trees={}, files=files)
    content = f"tree {tree}\nauthor {who}\ncommitter {who}\n{extra}\n{message}".encode()
    commit = new.add("commit", key.sign_commit(content) if key else content)
    parts = {f"{_FOLDERS[kind]}/{object_id}": data for object_id, (kind, data) in new.contents.items()}
    return Made(commit=commit, tree=tree, parts=parts)
