"""Git objects in a bundle: commits of the desired state, and the files that they are shown to hold.

1. An object counts by its id, which is git's over its own bytes (SHA-1; a weak digest, and the one git has).
2. A file of a commit is shown by every tree from the commit's own down to it.
3. Only the folders that rules and signers stand in are looked into, so that no tree is walked without end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.manifest import Parts
from reconciler.evidence.bundle.pieces import COMMITS, FILES, TREES
from reconciler.evidence.bundle.sshsig import verify_sshsig

FOLDERS = (
    "",
    "images",
    "policies",
    "site",
    "site/nodes",
    "trust",
    "trust/ek-crls",
    "trust/ek-intermediates",
    "trust/ek-roots",
)
"""The folders of a desired state in which evidence signers and what a node is held against stand, parents first."""

_ID = rb"[0-9a-f]{40}"
_COMMIT = re.compile(
    rb"tree (?P<tree>" + _ID + rb")\n(?:parent " + _ID + rb"\n)*"
    rb"author [^\n]*> (?P<authored>[0-9]{1,11}) [-+][0-9]{4}\n"
    rb"committer [^\n]*> (?P<committed>[0-9]{1,11}) [-+][0-9]{4}\n(?P<rest>.*)",
    re.DOTALL,
)
_SIGNATURE = re.compile(rb"^gpgsig (?P<armour>[^\n]*\n(?: [^\n]*\n)*)", re.MULTILINE)
_SSH = b"-----BEGIN SSH SIGNATURE-----"
_MODES = frozenset({b"40000", b"100644", b"100755", b"120000", b"160000"})
_ID_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit of the desired state, and those of its files that are shown.

    ``signer`` is the fingerprint of the SSH key whose signature holds; without one, ``doubt`` says why. Dates are those
    that the commit gives itself.
    """

    commit: str
    tree: str
    authored_at: datetime
    committed_at: datetime
    signer: str | None
    doubt: str
    files: Mapping[str, bytes]


def read_commits(parts: Parts) -> dict[str, Commit]:
    """Return the commits that ``parts`` show, by id; TrustError if an object is not the one that it is named after."""
    return {name: _read(parts, name) for name in (part.removeprefix(COMMITS) for part in parts.under(COMMITS))}


def git_id(kind: str, content: bytes) -> str:
    """Return the id of the object ``content`` of ``kind`` (``blob``, ``tree``, ``commit``)."""
    header = f"{kind} {len(content)}\0".encode("ascii")
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _read(parts: Parts, commit: str) -> Commit:
    content = _object(parts, f"{COMMITS}{commit}", "commit") or b""
    found = _COMMIT.fullmatch(content)
    if found is None or b"\0" in content:
        raise _malformed(f"{COMMITS}{commit}", "it is not a commit as git writes them")
    headers, _, message = (b"\n" + found["rest"]).partition(b"\n\n")
    signer, doubt = _signer(content[: found.start("rest")], headers[1:] + b"\n", b"\n" + message)
    tree = found["tree"].decode("ascii")
    return Commit(
        commit=commit,
        tree=tree,
        authored_at=datetime.fromtimestamp(int(found["authored"]), tz=UTC),
        committed_at=datetime.fromtimestamp(int(found["committed"]), tz=UTC),
        signer=signer,
        doubt=doubt,
        files=_files(parts, tree),
    )


def _signer(before: bytes, headers: bytes, message: bytes) -> tuple[str | None, str]:
    """Return the key that signed a commit, or why there is none that is known; TrustError for a forged signature."""
    found = list(_SIGNATURE.finditer(headers)) if b"gpgsig" in headers else []
    if not found:
        return None, "is not signed"
    if len(found) > 1 or b"gpgsig-sha256 " in headers:
        return None, "has more than one signature"
    armour = found[0]["armour"].replace(b"\n ", b"\n")
    if not armour.startswith(_SSH):
        return None, "has a signature that is not checked here (OpenPGP or X.509); git verify-commit does"
    payload = before + headers[: found[0].start()] + headers[found[0].end() :] + message
    try:
        return verify_sshsig(armour, message=payload), ""
    except TrustError as error:
        if error.reason == "CommitForged":
            raise
        return None, f"has a signature that {error.message}"


def _files(parts: Parts, tree: str) -> Mapping[str, bytes]:
    trees = {"": tree}
    files: dict[str, bytes] = {}
    for folder in FOLDERS:
        content = _object(parts, f"{TREES}{trees[folder]}", "tree") if folder in trees else None
        for name, (mode, object_id) in _entries(content or b"", tree=trees.get(folder, "")).items():
            path = f"{folder}/{name}" if folder else name
            if mode == b"40000":
                trees[path] = object_id
            elif mode in {b"100644", b"100755"}:
                file = _object(parts, f"{FILES}{object_id}", "blob")
                files |= {path: file} if file is not None else {}
    return MappingProxyType(files)


def _entries(content: bytes, *, tree: str) -> dict[str, tuple[bytes, str]]:
    entries: dict[str, tuple[bytes, str]] = {}
    at = 0
    while at < len(content):
        meta, _, _ = content[at : at + 512].partition(b"\0")
        mode, _, name = meta.partition(b" ")
        start, at = at + len(meta) + 1, at + len(meta) + 1 + _ID_BYTES
        text = name.decode("utf-8", "backslashreplace")
        if mode not in _MODES or not name or b"/" in name or at > len(content) or text in entries:
            raise _malformed(f"{TREES}{tree}", "it is not a tree as git writes them")
        entries[text] = (mode, content[start:at].hex())
    return entries


def _object(parts: Parts, name: str, kind: str) -> bytes | None:
    content = parts.read(name)
    if content is not None and git_id(kind, content) != name.rpartition("/")[2]:
        raise _malformed(name, "it is not the object that it is named after")
    return content


def _malformed(name: str, message: str) -> TrustError:
    return TrustError(name, message, reason="BundleMalformed", hint="the bundle was altered")
