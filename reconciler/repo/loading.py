"""The desired state of one commit after another: what did not change is neither read nor checked again.

1. Documents come from memory, then from the cache (``repo.cache``), then from git; only content decides what they say.
2. A tree that is known to be valid as a whole is not checked again.
3. After a commit without findings, the next is read by difference. Checked are the changed documents with all that they
   mention and all that claims what they claim (``repo.neighbours``): a finding that is new involves one of them.
4. With anything unusual, or a single finding, everything is checked, so that all findings are told.

Unchanged documents are the same objects as before. A test compares both ways on generated histories. Whether a commit
is trusted is not asked here (``repo.trust``).
"""

from __future__ import annotations

import gc
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TypeVar, cast

from reconciler.errors.taxonomy import TransientError
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Node
from reconciler.repo.cache import Counts, DocumentCache
from reconciler.repo.catalogue import Catalogue, assemble
from reconciler.repo.clashes import node_claims
from reconciler.repo.desired import TrustFiles, assemble_desired, check, read_trust, refuse
from reconciler.repo.files import FileRead, read_file
from reconciler.repo.git import Git
from reconciler.repo.layout import Spot
from reconciler.repo.listing import Difference, Listing, difference, read_listing
from reconciler.repo.neighbours import Changed, advance_catalogue, advance_desired, are_fine
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.snapshot import Snapshot

_BATCH = 5_000
_NOTHING = ("", None)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The desired state of a valid commit, and who signs there."""

    desired: DesiredState
    signers: AllowedSigners


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """A valid commit, with everything that the next one is compared with. ``owners`` is changed in place."""

    listing: Listing
    files: dict[str, FileRead]
    found: Catalogue
    trust: TrustFiles
    desired: DesiredState
    owners: dict[tuple[str, Hashable], str]


@dataclass(slots=True, kw_only=True)
class _Blobs:
    """Contents of git's blobs: those that were just fetched together, and any other one by one."""

    git: Git
    near: dict[str, bytes] = field(default_factory=dict)

    def read(self, blob: str) -> bytes:
        content = self.near.get(blob)
        return self.fetch([blob])[blob] if content is None else content

    def fetch(self, blobs: list[str]) -> dict[str, bytes]:
        contents = self.git.objects(blobs)
        if len(contents) != len(set(blobs)):
            raise TransientError(f"repository {self.git.path.name}", "lacks objects of the commit", reason="GitFailed")
        return contents


class StateLoader:
    """Loads commits of one repository, and remembers the last that was valid."""

    def __init__(self, git: Git, *, cache: DocumentCache | None = None) -> None:
        """Read from ``git``; without a ``cache`` documents are remembered only as long as this object lives."""
        self._git = git
        self._cache = cache
        self._blobs = _Blobs(git=git)
        self._base: _Base | None = None
        self._seen: tuple[Listing, dict[str, FileRead]] | None = None

    def load(self, commit: str) -> Loaded:
        """Return what ``commit`` asks for; raise InputError with every finding, sorted by place."""
        base = self._base
        if base is None or base.listing.commit != commit:
            base = (base and self._advance(base, commit)) or self._load_whole(commit)
            self._base, self._seen = base, None
        return Loaded(desired=base.desired, signers=base.trust.signers)

    def _load_whole(self, commit: str) -> _Base:
        with unbothered():
            return self._whole(commit)

    def _whole(self, commit: str) -> _Base:
        listing = read_listing(self._git, commit)
        files = self._read_files(listing.documents)
        self._seen = (listing, files)
        found = assemble(files, findings=listing.findings)
        trust = self._read_trust(listing)
        # What reading alone finds costs nothing to be told, whatever is known of the tree.
        is_known = self._is_known_valid(listing.tree)
        refuse([*found.findings, *trust.findings] if is_known else check(found, trust=trust))
        desired = assemble_desired(found, trust=trust, commit=commit, tree=listing.tree)
        self._remember_valid(desired)
        owners: dict[tuple[str, Hashable], str] = {
            (code, what): name for code, what, name in node_claims(found.all(Node).values())
        }
        return _Base(listing=listing, files=files, found=found, trust=trust, desired=desired, owners=owners)

    def _advance(self, base: _Base, commit: str) -> _Base | None:
        """Return what ``commit`` is after ``base``, or None if it has to be looked at as a whole."""
        changes = difference(self._git, base.listing.commit, commit)
        new = self._read_files({path: kept for path, kept in changes.documents.items() if kept})
        if changes.findings or changes.others or any(read.findings or read.unreadable for read in new.values()):
            return None
        listing = _advance_listing(base.listing, changes, commit=commit)
        files = _advanced(base.files, {path: new.get(path) for path in changes.documents})
        changed = Changed.between(base.files, files, paths=changes.documents)
        found = advance_catalogue(base.found, changed)
        if found is None or not base.trust.roots:
            return None
        if not are_fine(changed, found=found, trust=base.trust, owners=base.owners):
            return None
        desired = replace(advance_desired(base.desired, changed, found=found), commit=commit, tree=listing.tree)
        _move_claims(base.owners, changed)
        self._remember_valid(desired)
        return _Base(listing=listing, files=files, found=found, trust=base.trust, desired=desired, owners=base.owners)

    def _read_files(self, documents: Mapping[str, tuple[str, Spot]]) -> dict[str, FileRead]:
        files = self._known_files(documents)
        todo = ((path, kept) for path, kept in documents.items() if path not in files)
        while some := dict(islice(todo, _BATCH)):
            files.update(self._read_some(some))
        return {path: files[path] for path in documents}

    def _known_files(self, documents: Mapping[str, tuple[str, Spot]]) -> dict[str, FileRead]:
        """Return what is known of files that are the same, at the same place."""
        known = [(self._base.listing, self._base.files)] if self._base else []
        return {
            path: files[path]
            for listing, files in (*known, *([self._seen] if self._seen else []))
            for path, (blob, _) in documents.items()
            if listing.documents.get(path, _NOTHING)[0] == blob
        }

    def _read_some(self, documents: Mapping[str, tuple[str, Spot]]) -> dict[str, FileRead]:
        blobs = {blob for blob, _ in documents.values()}
        cached = self._cache.documents(sorted(blobs)) if self._cache else {}
        self._blobs.near = self._blobs.fetch(sorted(blobs - cached.keys()))
        files, new = {}, {}
        for path, (blob, spot) in documents.items():
            content = partial(self._blobs.read, blob)
            files[path], texts = read_file(path, spot=spot, content=content, texts=cached.get(blob, ()))
            if texts and blob not in cached:
                new[blob] = texts
        self._blobs.near = {}
        if self._cache:
            self._cache.remember(new)
        return files

    def _read_trust(self, listing: Listing) -> TrustFiles:
        contents = self._blobs.fetch(list(listing.others.values()))
        files = {path: contents[blob] for path, blob in listing.others.items()}
        return read_trust(Snapshot(commit=listing.commit, tree=listing.tree, files=files, findings=()))

    def _is_known_valid(self, tree: str) -> bool:
        return self._cache is not None and self._cache.counts(tree) is not None

    def _remember_valid(self, desired: DesiredState) -> None:
        if self._cache:
            counts = Counts(nodes=len(desired.nodes), enclaves=len(desired.enclaves))
            self._cache.remember_valid(desired.tree, counts=counts)


@contextmanager
def unbothered() -> Iterator[None]:
    """Keep the garbage collector from looking, again and again, at a growing mass of what is none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            # What was loaded stays: freed it is when it is no longer referred to, not by being looked at in vain.
            gc.freeze()
            gc.enable()


def _advance_listing(listing: Listing, changes: Difference, *, commit: str) -> Listing:
    return replace(
        listing,
        commit=commit,
        tree=changes.tree,
        documents=_advanced(listing.documents, changes.documents),
    )


def _advanced(earlier: Mapping[str, T], changes: Mapping[str, T | None]) -> dict[str, T]:
    """Return ``earlier`` with ``changes``, in the order of paths."""
    merged: dict[str, T | None] = {**earlier, **changes}
    if changes.keys() <= earlier.keys() and None not in changes.values():
        return cast("dict[str, T]", merged)
    return {path: one for path, one in sorted(merged.items()) if one is not None}


def _move_claims(owners: dict[tuple[str, Hashable], str], changed: Changed) -> None:
    for code, what, _ in node_claims(changed.old_nodes()):
        owners.pop((code, what), None)
    for code, what, name in node_claims(changed.new_nodes()):
        owners[code, what] = name
