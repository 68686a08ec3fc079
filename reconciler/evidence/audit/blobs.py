"""The branch's blobs: read when they are named; told if they are not what their name says, or nothing names them."""

from __future__ import annotations

import hashlib

from reconciler.evidence.audit.archive import Branch
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.audit.layout import Kind, Listing, blob_path, digest_of
from reconciler.evidence.blobs import bare


class BlobKeeper:
    """Gives blobs by bare SHA-256 (``evidence.blobs.Blobs``), and knows in the end which ones nobody asked for."""

    def __init__(self, branch: Branch, *, listing: Listing, found: Findings) -> None:
        """Read from ``branch``; what is met is taken off ``listing``."""
        self._branch = branch
        self._listing = listing
        self._found = found
        self._named: set[str] = set()

    def __call__(self, digest: str) -> bytes | None:
        """Return the bytes with the bare SHA-256 ``digest``, None if they are missing, or not these."""
        path = blob_path(digest)
        is_new = self._listing.take(Kind.BLOB, path)
        self._found.checked.blobs += is_new
        content = self._branch.read(path)
        if content is not None and hashlib.sha256(content).hexdigest() != digest:
            if is_new:
                self._found.add(path, "BlobAltered", "its bytes do not have the digest that it is named by")
            return None
        return content

    def name(self, *names: str | None) -> None:
        """Note that ``names`` (``sha256:…``) are named, whether what names them can be read on or not."""
        self._named.update(bare(name) for name in names if name is not None)

    def finish(self) -> None:
        """Look at the blobs that nothing named."""
        for path in sorted(self._listing.left[Kind.BLOB]):
            digest = digest_of(path)
            if self(digest) is not None and digest not in self._named:
                self._found.add(path, "BlobStray", "no record names it, directly or by what it names")
