"""Tree heads: the checkpoints on the branch, the writer's frontier, and heads that somebody kept from before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit.archive import Branch
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.audit.layout import FRONTIER, LATEST, Kind, Listing
from reconciler.evidence.audit.log import Tree
from reconciler.evidence.merkle import parse_frontier
from reconciler.evidence.note import Checkpoint, NoteKey, parse_checkpoint, parse_note, verify_note

_CODES = {"NoteUntrusted": "CheckpointUntrusted", "NoteForged": "CheckpointForged"}


class TreeHeads:
    """The heads that the log is held against; their sizes are asked of the tree before it is read."""

    def __init__(self, branch: Branch, *, listing: Listing, kept: Iterable[Checkpoint], found: Findings) -> None:
        """Read the checkpoints of ``branch``; ``kept`` are heads of the same log from elsewhere."""
        self._branch = branch
        self._found = found
        self._kept = tuple(kept)
        paths = sorted(listing.left[Kind.CHECKPOINT], key=lambda path: int(path.rpartition("/")[2]))
        latest = [LATEST] if listing.take(Kind.SUM, LATEST) else []
        read = ((path, self._read(path)) for path in (*paths, *latest))
        self._heads = {path: head for path, head in read if head is not None}
        self._has_frontier = listing.take(Kind.SUM, FRONTIER)
        listing.left[Kind.CHECKPOINT].clear()

    def ask(self, tree: Tree) -> None:
        """Ask ``tree`` for the roots that will be needed."""
        for head in (*self._heads.values(), *self._kept):
            tree.ask(head.size)

    def check(self, tree: Tree, *, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """Compare all heads with ``tree``, which is whole by now, and their signatures with ``keys``."""
        size = tree.frontier.size
        self._check_presence(size)
        latest = self._heads.get(LATEST)
        self._found.origin = latest.origin if latest else ""
        public = [key.public_bytes(Encoding.Raw, PublicFormat.Raw) for key in keys.values()]
        for path, head in self._heads.items():
            self._found.checked.checkpoints += 1
            self._check_signature(path, head, public)
            if latest is not None and head.origin != latest.origin:
                self._found.add(path, "OriginDiffers", f"it is of the log {head.origin!r}, not {latest.origin!r}")
            if head.size > size:
                self._found.add(path, "CheckpointAhead", f"it covers {head.size} lines, and the log has {size}")
            elif head.root != tree.roots[head.size]:
                message = f"it is not the root of the log's first {head.size} lines"
                self._found.add(path, "CheckpointDiffers", message)
        if latest is not None and latest.size < size:
            message = f"it covers {latest.size} of {size} lines: an old head, or lines that nobody signed"
            self._found.add(LATEST, "CheckpointBehind", message)
        for head in self._kept:
            self._check_kept(head, tree)

    def _read(self, path: str) -> Checkpoint | None:
        try:
            head = parse_checkpoint(parse_note(self._branch.read(path) or b"").body)
        except TrustError as error:
            self._found.add(path, "CheckpointMalformed", error.message)
            return None
        if path not in {LATEST, f"checkpoints/{head.size}"}:
            self._found.add(path, "CheckpointMoved", f"it is the head of {head.size} lines")
        return head

    def _check_presence(self, size: int) -> None:
        if size and LATEST not in self._heads:
            self._found.add(LATEST, "CheckpointMissing", "no signed head covers the log")

    def _check_signature(self, path: str, head: Checkpoint, public: Iterable[bytes]) -> None:
        names = [NoteKey(name=head.origin, public=key) for key in public]
        try:
            verify_note(parse_note(self._branch.read(path) or b""), names)
        except TrustError as error:
            self._found.add(path, _CODES[error.reason], error.message)

    def check_frontier(self, tree: Tree) -> None:
        """Compare the writer's own frontier with ``tree``."""
        if not self._has_frontier:
            if tree.frontier.size:
                self._found.add(FRONTIER, "FrontierDiffers", "it is missing")
            return
        try:
            frontier = parse_frontier(self._branch.read(FRONTIER) or b"")
        except TrustError as error:
            self._found.refuse(FRONTIER, error)
        else:
            if frontier != tree.frontier:
                self._found.add(FRONTIER, "FrontierDiffers", "it is not the one of the log's lines")

    def _check_kept(self, head: Checkpoint, tree: Tree) -> None:
        size = tree.frontier.size
        if self._found.origin and head.origin != self._found.origin:
            self._found.add(LATEST, "OriginDiffers", f"the kept head is of the log {head.origin!r}")
        if head.size > size:
            message = f"a head that was kept from before covers {head.size} lines, and the log has {size}: rolled back"
            self._found.add(LATEST, "HeadRewound", message)
        elif head.root != tree.roots[head.size]:
            message = f"a head that was kept from before has another root over {head.size} lines: the log was forked"
            self._found.add(LATEST, "HeadForked", message)
